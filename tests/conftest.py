"""What every test shares: reproducible property tests. Knows nothing of Glasslock itself."""

from hypothesis import settings

# The same examples on every run: exploring is the work of `make fuzz`, not of a gate.
settings.register_profile("gate", deadline=None, derandomize=True, database=None)
settings.load_profile("gate")
