"""What the backends do differently: `ops` chooses, each folder holds what one backend needs."""
