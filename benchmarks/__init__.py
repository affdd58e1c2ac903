"""Speed and memory, against stock layers, plain networks and other libraries."""
