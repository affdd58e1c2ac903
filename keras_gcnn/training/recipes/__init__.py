"""Recipes: what a TOML file of networks to train may say, and how it is read."""
