"""Data sets made of image files in a folder: found, decoded once, and read as they are needed."""
