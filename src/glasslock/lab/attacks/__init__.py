"""The attacks, one file per actor; each scenario says what it expects before it runs."""
