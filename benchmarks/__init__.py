"""Measured claims: run with `make bench`, or one of them with `make bench BENCH=name` (docs/performance.md)."""
