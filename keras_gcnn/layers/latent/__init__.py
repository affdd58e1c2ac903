"""Layers for latent vectors: directions, distributions, and samples from them."""
