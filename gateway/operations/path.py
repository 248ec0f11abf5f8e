"""A path made of an answer: literal texts, and words in braces that are paths into its JSON."""

import re
from typing import Final

_WORD: Final = re.compile(r"\{([^{}]*)\}")
_KEYS: Final = re.compile(r"[^.\s{}]+(\.[^.\s{}]+)*")


def path_parts(path: str) -> tuple[str, ...]:
    """Return literal texts and, at odd places, paths into JSON.

    Raises:
        ValueError: why it is no such path.
    """
    if not path.startswith("/"):
        raise ValueError(f"{path!r} must begin with '/'")
    parts = tuple(_WORD.split(path))
    for literal in parts[::2]:
        if "{" in literal or "}" in literal:
            raise ValueError(f"{path!r} has a brace without its other")
        if not literal.isascii() or any(c.isspace() for c in literal):
            raise ValueError(f"{path!r} is no path of a URL: write it percent-encoded")
    for keys in parts[1::2]:
        if not _KEYS.fullmatch(keys):
            raise ValueError(f"{{{keys}}} must be keys joined by dots")
    return parts
