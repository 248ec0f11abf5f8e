from collections.abc import Iterator

import pytest
from circuitbreaker import CircuitBreakerMonitor


@pytest.fixture(autouse=True)
def _the_monitor_is_as_it_was() -> Iterator[None]:
    before = dict(CircuitBreakerMonitor.circuit_breakers)
    yield
    CircuitBreakerMonitor.circuit_breakers.clear()
    CircuitBreakerMonitor.circuit_breakers.update(before)
