"""Whether two exchanges are equal, and every difference that is let pass.

What the library does otherwise, and why that is no mistake of the gateway:

1. Enums. The library writes numbers and adds `$alt=json;enum-encoding=int` to the
   query, Google's own parameter that asks for numbers in answers. An argument of the
   library's transcoder switches both off (libraries.py); the names are compared. One
   of the libraries never writes numbers: google-cloud-compute.
2. Required fields. The library adds required fields that hold their default to the
   query, from a table in its code. proto3 does not tell them from unset ones.
3. Content-Type. The library says application/json without a body too.
4. A space in a query is "+" from the library and "%20" from the gateway: queries are
   compared decoded, in their order.
5. Three methods of google-cloud-compute have a required field `license_`, which the
   library puts into the path and, as an empty `license`, into the query too: its table
   of required fields is meant to leave out the path's, and misses that name.
6. Headers about the client (x-goog-*, user-agent, accept-encoding) are its own.

Values of path variables that one sends and the other refuses are rows of tests in
test_google_libraries.py, and are kept out of random requests.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from e2e.google.exchange import Sent
from e2e.google.libraries import HttpOption, Method
from google.api_core.path_template import validate
from google.api_core.rest_helpers import flatten_query_params
from google.protobuf import json_format
from google.protobuf.message import Message

IN_PATH_AND_QUERY = {
    f"/google.cloud.compute_v1.Licenses/{method}": ("license",)
    for method in ("Delete", "Get", "Update")
}
"""Difference 5: JSON names by method."""


def differences(
    method: Method, message: Message, library: Sequence[Sent], gateway: Sequence[Sent]
) -> list[str]:
    """Return how the requests differ, a sentence each."""
    if len(library) != 1 or len(gateway) != 1:
        return [f"{len(library)} requests by the library, {len(gateway)} by the gateway"]
    [theirs], [ours] = library, gateway
    rows = [
        ("verb", theirs.verb, ours.verb),
        ("path", theirs.path, ours.path),
        ("query", _without_defaults(method, message, theirs), ours.query),
        ("body", _canonical(theirs.body), _canonical(ours.body)),
        (
            "content type",
            theirs.content_type if theirs.body is not None else None,
            ours.content_type,
        ),
    ]
    return [
        f"{what}: the library sends {right!r}, the gateway {found!r}"
        for what, right, found in rows
        if right != found
    ]


def _without_defaults(method: Method, message: Message, sent: Sent) -> tuple[Any, ...]:
    known = json_format.MessageToDict(message).keys() - IN_PATH_AND_QUERY.get(method.path, ())
    unset = {name: value for name, value in method.defaults.items() if name not in known}
    added = tuple(flatten_query_params(unset, strict=True))
    if not added:
        return sent.query
    assert sent.query[-len(added) :] == added, f"{sent.query} does not end with {added}"
    return sent.query[: -len(added)]


def _canonical(plain: Any) -> str:
    # As text, because Python takes 1, 1.0 and True for equal.
    return json.dumps(plain, sort_keys=True)


def binding_of(method: Method, sent: Sent) -> HttpOption | None:
    """Return the binding that a request was sent by."""
    for option in method.options:
        if option.verb == sent.verb and validate(option.uri, sent.path):
            return option
    return None


def same(one: Message, other: Message) -> bool:
    """Tell whether two messages are equal, NaN included."""
    return one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


class Tally(Counter[str]):
    """How much was compared; prints as a line."""

    KINDS = ("services", "methods", "bindings", "requests and answers", "refusals")

    def __str__(self) -> str:
        return ", ".join(f"{self[kind]} {kind}" for kind in self.KINDS)
