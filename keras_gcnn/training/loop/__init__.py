"""The training loop: epochs, checkpoints, devices, interruptions."""
