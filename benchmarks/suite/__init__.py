"""The benchmarks of `benchmarks.run`; each is also a separate command."""
