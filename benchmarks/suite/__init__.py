"""The benchmarks of `benchmarks.run`; each is a command of its own too."""
