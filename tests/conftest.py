"""What every test shares: reproducible property tests, and the last word on what was not checked.

Knows nothing of Glasslock itself.
"""

import pytest
from hypothesis import settings

# The same examples on every run: exploring is the work of `make fuzz`, not of a gate.
settings.register_profile("gate", deadline=None, derandomize=True, database=None)
settings.load_profile("gate")

# A test that could not get what it compares with records a property of this name and why.
NOT_CHECKED = "not checked"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print, after everything else, which comparisons were not made; silence means none."""
    notes = [
        (report.nodeid, reason)
        for report in terminalreporter.getreports("passed")
        for name, reason in getattr(report, "user_properties", ())
        if name == NOT_CHECKED and report.when == "call"
    ]
    if not notes:
        return
    title = f"{len(notes)} passed WITHOUT their comparison"
    terminalreporter.write_sep("!", title, yellow=True, bold=True)
    for node, reason in notes:
        terminalreporter.write_line(f"NOT CHECKED {node}: {reason}", yellow=True)
