"""A request body as application/x-www-form-urlencoded, what is nested in brackets.

Rules:
1. A nested object's keys follow in brackets: `card[number]=4242`.
2. Elements of a list follow by their index: `items[0][price]=5`.
3. Numbers and booleans are written as in JSON; null, empty lists and empty objects
   are left out, because a form has no way to say them.
4. A bracket in a name is written %5B or %5D, and percent-encoded again, so that no name
   can nest itself elsewhere.
5. Keys and values are percent-encoded as UTF-8, a space as "+" (WHATWG URL, section
   5.2); the brackets are part of the key and stay readable.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import orjson

_ESCAPED = str.maketrans({"[": "%5B", "]": "%5D"})

MEDIA_TYPE = "application/x-www-form-urlencoded"


def form_pairs(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key, text) for everything in a JSON object, in order."""
    if isinstance(value, dict):
        for name, inner in value.items():
            name = name.translate(_ESCAPED)
            yield from form_pairs(inner, f"{key}[{name}]" if key else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from form_pairs(inner, f"{key}[{index}]")
    elif isinstance(value, str):
        yield key, value
    elif value is not None:
        yield key, orjson.dumps(value).decode()


def form_body(value: Any) -> bytes:
    """Return a JSON object as the body of a form."""
    pairs = (f"{quote_plus(key, safe='[]')}={quote_plus(text)}" for key, text in form_pairs(value))
    return "&".join(pairs).encode("ascii")
