"""Base classes of the layers, and what layers on groups and layers of fields share."""
