"""Brings a database to the tables that this version knows.

Rules:
1. The steps are Alembic's, in `migrations/versions`, numbered. All that are missing are one
   transaction: it is done or it is not.
2. Processes that start at once wait for each other: the caller's transaction holds PostgreSQL's
   advisory lock, or SQLite's only writer. A database that is up to date is locked by nobody.
3. A database that knows steps which this version does not is refused: newer processes write
   what this one could not read.

Runs in a thread of its own: Alembic keeps its state in module variables, and is slow to import.
"""

import threading
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from gateway.state.records import StoreUnavailable

VERSION_TABLE: Final = "seawall_schema"
_FOLDER: Final = Path(__file__).parent / "migrations"
_ADVISORY_LOCK: Final = 7_345_110_934_516
"""Any number that nobody else uses."""
_one_at_a_time = threading.Lock()


def latest() -> str:
    """Return the number of the last step that this version knows."""
    return max(known())


def known() -> frozenset[str]:
    """Return the numbers of the steps that this version knows."""
    files = (_FOLDER / "versions").glob("v[0-9]*.py")
    return frozenset(file.name[1:].partition("_")[0] for file in files)


def is_current(connection: Connection) -> bool:
    """Return whether nothing is missing in a database.

    Raises:
        StoreUnavailable: it is newer than this version.
    """
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return False
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if found is not None and found not in known():
        raise StoreUnavailable(
            f"it was made by a newer version of Seawall (tables {found}, this one knows "
            f"{latest()}): start that one, or use another database"
        )
    return found == latest()


def migrate(connection: Connection) -> None:
    """Make what is missing, in the transaction that `connection` is in.

    Raises:
        StoreUnavailable: it is newer than this version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    if is_current(connection):
        return
    with _one_at_a_time:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
