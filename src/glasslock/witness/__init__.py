"""A witness: it cosigns a log's checkpoint only if that extends what it saw before."""
