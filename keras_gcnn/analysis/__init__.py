"""Measures of equivariance, and accuracy by angle."""
