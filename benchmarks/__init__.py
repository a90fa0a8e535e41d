"""Measurements, apart from the tests: `make bench`. What they showed stands in docs/benchmarks.md."""
