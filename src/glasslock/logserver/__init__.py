"""The log server: it sequences entries, has them witnessed, and publishes them as static files."""
