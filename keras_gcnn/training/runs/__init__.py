"""Runs: all networks of a recipe, trained in one folder and resumable."""
