"""Benchmarks: each is a command that prints the rows of a table in the README."""
