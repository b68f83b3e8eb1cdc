"""Real processes on loopback, ended as a power cut would end them."""
