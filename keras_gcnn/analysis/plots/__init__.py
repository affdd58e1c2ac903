"""Plots of measurements, feature fields and embeddings."""
