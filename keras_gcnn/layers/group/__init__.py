"""Layers for feature maps on a finite group of rotations and mirror images."""
