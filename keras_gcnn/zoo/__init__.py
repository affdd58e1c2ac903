"""Builders of group-equivariant networks."""
