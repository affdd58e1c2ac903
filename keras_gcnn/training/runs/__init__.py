"""A run: all networks of a recipe in one folder, each of which can be resumed."""
