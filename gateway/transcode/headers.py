"""Which metadata travels to the upstream as headers, and which headers come back.

Decided at startup from the policy's allow-lists; per call it is a set lookup.
"""

from collections.abc import Iterable, Mapping

from gateway.core.call import Metadata
from gateway.core.errors import invalid_request

_MAX_RETURNED_BYTES = 2048

_COMPUTED = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "content-encoding",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-server-timeout",
    )
)


_MAY_BE_FIXED = frozenset(("accept", "user-agent"))
"""What the gateway computes where the policy does not say it."""

_MAY_COME_BACK = frozenset(("content-type", "content-length", "content-encoding"))
"""What no request may name, and a field of the response can take."""


def check_header_name(name: str, *, fixed: bool = False, incoming: bool = False) -> str | None:
    """Return what is wrong with an allow-listed name, None where nothing is.

    Args:
        name: of a header.
        fixed: the policy gives its value.
        incoming: it is read from answers, into a field.
    """
    if not name or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name):
        return f"{name!r} is not a header name"
    lower = name.lower()
    if (fixed and lower in _MAY_BE_FIXED) or (incoming and lower in _MAY_COME_BACK):
        return None
    if lower in _COMPUTED or lower.startswith(("grpc-", ":")):
        return f"{name!r} is computed by the gateway and cannot be forwarded"
    if lower.endswith("-bin"):
        return f"{name!r} is binary metadata, which has no form as an HTTP header"
    return None


def check_header_value(value: str) -> str | None:
    """Return what is wrong with a fixed value, None where nothing is.

    The sentence does not repeat the value: it may be a secret.
    """
    if not value or not (value.isascii() and value.isprintable()) or value != value.strip():
        return "must be printable ASCII, not empty and without space at its ends"
    return None


class HeaderForwarding:
    """Picks headers by allow-list.

    Args:
        request: names of metadata forwarded to the upstream.
        response: names of headers returned as trailing metadata.
        withheld: names that are not forwarded although `request` has them: what carries
            callers' credentials, where the upstream is called with another one.
    """

    __slots__ = ("_request", "returned")

    def __init__(
        self, request: Iterable[str], response: Iterable[str], withheld: Iterable[str] = ()
    ) -> None:
        kept_back = {name.lower() for name in withheld}
        self._request = frozenset(name.lower() for name in request) - kept_back
        self.returned = tuple(name.lower() for name in response)
        """Names of the headers that come back, in lower case."""

    def outgoing(self, metadata: Metadata) -> dict[str, str]:
        """Return the headers to send; a repeated key is joined by ", " (RFC 9110, 5.2).

        Raises:
            CallError: INVALID_ARGUMENT for a value that is not printable ASCII.
        """
        headers: dict[str, str] = {}
        for key, value in metadata:
            if key in self._request and isinstance(value, str):
                if not (value.isascii() and value.isprintable()):
                    raise invalid_request(
                        f"the metadata {key!r} has a character that no HTTP header may have"
                    )
                headers[key] = f"{headers[key]}, {value}" if key in headers else value
        return headers

    def incoming(self, headers: Mapping[str, str]) -> list[tuple[str, str | bytes]]:
        """Return the trailing metadata for an answer's headers.

        Only printable ASCII travels, and no more than clients take beside the details
        of an error: a header that does not fit is left out whole.
        """
        found: list[tuple[str, str | bytes]] = []
        room = _MAX_RETURNED_BYTES
        for name in self.returned:
            value = headers.get(name)
            if value is None or not (value.isascii() and value.isprintable()):
                continue
            if len(name) + len(value) <= room:
                room -= len(name) + len(value)
                found.append((name, value))
        return found
