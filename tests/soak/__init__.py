"""What must hold for long: bounded runs by hand, seeded, with a verdict."""
