"""What operations are called: "operations/" and 128 random bits, which nobody can guess."""

import base64
import re
import secrets
from typing import Final

COLLECTION: Final = "operations"
_ID: Final = re.compile(r"[a-z2-7]{26}")


def new_id() -> str:
    """Return the id of a new operation."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def name_of(operation: str) -> str:
    """Return the name of an operation."""
    return f"{COLLECTION}/{operation}"


def id_of(name: str) -> str | None:
    """Return the id in a name, None where it is no operation's."""
    collection, _, operation = name.partition("/")
    return operation if collection == COLLECTION and _ID.fullmatch(operation) else None
