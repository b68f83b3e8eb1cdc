"""Verifiers and witnesses that we did not write, and ours, each before the other's logs."""
