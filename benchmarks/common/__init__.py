"""What all benchmarks share: options, processes, timing, tables, and the networks they time."""
