"""The audit: which layers of a network break its equivariance, and what to do about them."""
