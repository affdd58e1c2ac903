"""What the backends do differently: `ops` says which is in use, and a folder belongs to each."""
