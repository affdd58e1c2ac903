"""What networks are trained for: their loss, their batches, and what is measured of them."""
