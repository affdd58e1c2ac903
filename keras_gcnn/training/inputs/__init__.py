"""What networks are trained on: data sets, batches, and images in other poses."""
