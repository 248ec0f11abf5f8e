"""A request's head as the bytes that go to the socket, and what frames its body.

What is the same for every request of an upstream is made once. Nothing here decides;
it must only never write a head that says more than it was given: what could end a
line or the head is refused (RFC 9112, section 2.2; CWE-113).
"""

from urllib.parse import urlsplit

from gateway.core.errors import CallError, Origin, Reason
from gateway.core.http import HttpRequest
from gateway.core.status import Code

LAST_CHUNK = b"0\r\n\r\n"
_VERBS_OF_BODIES = frozenset(("POST", "PUT", "PATCH"))

_USUAL_NAMES = """
    accept-ranges access-control-allow-origin age cache-control connection content-disposition
    content-encoding content-language content-length content-location content-type date etag
    expires keep-alive last-modified link location pragma retry-after server set-cookie
    strict-transport-security trailer transfer-encoding vary via www-authenticate
    x-content-type-options x-frame-options x-powered-by x-ratelimit-limit x-ratelimit-remaining
    x-ratelimit-reset x-request-id
"""
NAMES = {
    form: name
    for name in _USUAL_NAMES.split()
    for form in (name.encode(), name.title().encode(), name.upper().encode())
} | {b"ETag": "etag", b"WWW-Authenticate": "www-authenticate"}
"""Names of an answer's headers as they mostly arrive; what is not here takes longer to read."""


class RequestHead:
    """Writes the heads of one upstream's requests.

    Args:
        name: of the upstream, for errors.
        url: its base URL; its path is put before every target.
    """

    __slots__ = ("_name", "_shared", "_target_prefix")

    def __init__(self, name: str, url: str) -> None:
        parts = urlsplit(url)
        self._name = name
        self._target_prefix = parts.path.rstrip("/")
        self._shared = f" HTTP/1.1\r\nhost: {_host(url)}\r\naccept-encoding: identity\r\n"

    def write(self, request: HttpRequest) -> bytes:
        """Return the request's head, the empty line behind it included.

        Raises:
            CallError: INTERNAL, where a header or the target holds a line break.
        """
        headers, body, method = request.headers, request.body, request.method
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if body is None:
            framing = "content-length: 0\r\n\r\n" if method in _VERBS_OF_BODIES else "\r\n"
        elif isinstance(body, bytes):
            framing = f"content-length: {len(body)}\r\n\r\n"
        else:
            framing = "transfer-encoding: chunked\r\n\r\n"
        target = request.target
        if (
            fields.count("\n") != len(headers)
            or fields.count("\r") != len(headers)
            or "\0" in fields
            or " " in target
            or "\r" in target
            or "\n" in target
        ):
            raise CallError(
                Code.INTERNAL,
                Reason.INTERNAL,
                f"upstream {self._name!r} cannot be asked: a header or the path holds a line break",
                origin=Origin.GATEWAY,
                upstream=self._name,
            )
        return f"{method} {self._target_prefix}{target}{self._shared}{fields}{framing}".encode()


def chunk(part: bytes) -> bytes:
    """Return `part` as one chunk of a chunked body; it must not be empty."""
    return b"%x\r\n%b\r\n" % (len(part), part)


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        host = host.encode("ascii").decode()
    except UnicodeError:
        host = host.encode("idna").decode()
    shown = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return shown if parts.port in (None, usual) else f"{shown}:{parts.port}"
