"""The database's time, as an expression: seconds since the Unix epoch.

PostgreSQL's own clock, so that machines whose clocks differ agree about leases. Processes that
share a file share a clock: there it is the process's, which each connection is told
(`sqlite.py`).
"""

import sqlite3
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_SQLITE_NAME: Final = "seawall_now"


class _Now(FunctionElement[float]):
    type = Double()
    inherit_cache = True


@compiles(_Now, "sqlite")
def _sqlite(_element: _Now, _compiler: Any, **_: Any) -> str:
    return f"{_SQLITE_NAME}()"


@compiles(_Now, "postgresql")
def _postgres(_element: _Now, _compiler: Any, **_: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


NOW: Final = _Now()


def tell_time(connection: sqlite3.Connection, wall: Callable[[], float]) -> None:
    """Let statements of a connection of SQLite know the time."""
    connection.create_function(_SQLITE_NAME, 0, wall)
