"""How much was compared with Google's libraries, told at the end of a run."""

import pytest
from e2e.google.comparison import Tally

TALLIES = pytest.StashKey[dict[str, Tally]]()


@pytest.fixture(scope="session")
def tallies(request: pytest.FixtureRequest) -> dict[str, Tally]:
    """What was compared, by library."""
    return request.config.stash.setdefault(TALLIES, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tallies = terminalreporter.config.stash.get(TALLIES, {})
    if not tallies:
        return
    terminalreporter.section("compared with Google's client libraries")
    total = Tally()
    for name, tally in tallies.items():
        total.update(tally)
        terminalreporter.write_line(f"{name}: {tally}")
    terminalreporter.write_line(f"{len(tallies)} libraries: {total}")
