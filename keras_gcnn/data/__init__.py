"""Data sets by name, splits and rotations."""
