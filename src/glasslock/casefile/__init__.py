"""The case file: what an opening found, sealed as a package, and its verifier for strangers."""
