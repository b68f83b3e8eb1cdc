"""IO helpers for shells: databases, files, keys, HTTP, streams, daemons. Knows no rule."""
