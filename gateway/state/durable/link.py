"""What a store is asked through: one way for each kind of database.

An `Ask` is a function of a connection inside a transaction; it runs in a thread or a greenlet,
so it awaits nothing and touches nothing but the connection. It may be run twice: after a
connection broke, or a neighbour in its transaction failed. So done twice it must mean the same
as done once.
"""

import socket
import sqlite3
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

T = TypeVar("T")
Ask = Callable[[Connection], T]


class Link(Protocol):
    """Runs what is asked in a transaction each."""

    async def open(self) -> None:
        """Bring the database to the tables of this version, and begin to use it."""

    async def run(self, ask: Ask[T], *, write: bool) -> T:
        """Return what `ask` returns, once its transaction is committed.

        Cancelled, it ends at once, and leaves neither a transaction nor a connection behind
        that anybody would use; what was asked may be done all the same.

        Args:
            ask: see above.
            write: whether it changes anything.
        """

    async def close(self) -> None:
        """Give back all that is held."""


FAULTS = (
    SQLAlchemyError,
    OSError,
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
"""What a link raises where its database fails."""
_PHRASES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "its certificate is not trusted (sslrootcert)"),
    (ssl.SSLError, "TLS with it failed"),
    (socket.gaierror, "its name does not resolve"),
    (ConnectionRefusedError, "it refuses connections"),
    (TimeoutError, "it does not answer in time"),
    (FileNotFoundError, "a folder or file that its URL names is not there"),
    (PermissionError, "its folder or file may not be used"),
)
_NO_TLS = "rejected SSL upgrade"
"""How the driver says that a server speaks no TLS; it has no class and no number for it."""
_BY_VERIFY = {
    9: "its certificate is not valid yet",
    10: "its certificate has ended",
    23: "its certificate was revoked (sslcrl)",
    62: "its certificate is for another name (sslmode=verify-full)",
    64: "its certificate is for another address (sslmode=verify-full)",
}
"""By OpenSSL's X509_V_ERR_…"""
_BY_SQLSTATE = {
    "28000": "its pg_hba.conf lets nobody in this way: user, address, or TLS (sslmode, sslcert)",
    "28": "it refuses the credentials",
    "3D": "there is no such database",
    "42501": "it does not permit the user what is needed",
    "53300": "it has no connection left",
    "53100": "its disk is full",
    "57P03": "it is starting, or about to stop",
    "57": "it is about to stop",
    "57014": "it does not answer in time",
    "25006": "it may only be read",
    "08": "the connection to it was lost",
}
_BY_SQLITE = {
    "SQLITE_BUSY": "other processes hold it for too long",
    "SQLITE_FULL": "its disk is full",
    "SQLITE_READONLY": "it may only be read",
    "SQLITE_CANTOPEN": "its file cannot be opened",
    "SQLITE_CORRUPT": "its file is damaged",
    "SQLITE_NOTADB": "its file is no database",
    "SQLITE_IOERR": "its disk fails",
}


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        original = cause.orig if isinstance(cause, DBAPIError) else None
        cause = original or cause.__cause__ or cause.__context__
    return causes


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error, "" where it has none."""
    states = (str(getattr(one, "sqlstate", None) or "") for one in _causes(error))
    return next(filter(None, states), "")


def is_of_question(error: BaseException) -> bool:
    """Tell whether a database refused a value (SQLSTATE class 22): it is well, the question not."""
    return any(
        isinstance(one, asyncpg.InterfaceError) and isinstance(one, ValueError)
        for one in _causes(error)
    ) or sqlstate(error).startswith("22")


def phrase(error: BaseException) -> str:
    """Return what an error means, without addresses and secrets."""
    causes = _causes(error)
    for one in causes:
        state = str(getattr(one, "sqlstate", None) or "")
        for code in (state, state[:2]):
            if code in _BY_SQLSTATE:
                return _BY_SQLSTATE[code]
        name = str(getattr(one, "sqlite_errorname", ""))
        for code, text in _BY_SQLITE.items():
            if name.startswith(code):
                return text
        if isinstance(one, ssl.SSLCertVerificationError) and one.verify_code in _BY_VERIFY:
            return _BY_VERIFY[one.verify_code]
        if isinstance(one, ConnectionError) and _NO_TLS in str(one):
            return "it speaks no TLS, and sslmode asks for it"
    for kind, text in _PHRASES:
        if any(isinstance(one, kind) for one in causes):
            return text
    if any(isinstance(one, OSError) for one in causes):
        return "the connection to it failed"
    return f"it fails with {type(causes[-1]).__name__}"
