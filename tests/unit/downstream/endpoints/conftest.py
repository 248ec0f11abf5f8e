"""Ports for servers that come later."""

from collections.abc import Iterator

import pytest
from unit.downstream.endpoints.sets import nobody


@pytest.fixture
def port() -> Iterator[int]:
    with nobody() as port:
        yield port


@pytest.fixture
def other_port() -> Iterator[int]:
    with nobody() as port:
        yield port
