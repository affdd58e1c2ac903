"""Model to model: one engine that walks a network, and a rule book for every purpose."""
