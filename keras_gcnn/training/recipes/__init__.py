"""Recipes: TOML files of networks to train, their schema, and how they are read."""
