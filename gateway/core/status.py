"""gRPC status codes, and which HTTP status becomes which.

The table follows the comments in google/rpc/code.proto (and AIP-193), not the
transport table of the gRPC HTTP/2 mapping: that one is about proxies that speak
no gRPC, and would call a missing order UNIMPLEMENTED.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType


class Code(enum.IntEnum):
    """google.rpc.Code; see google/rpc/code.proto."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_TO_CODE: Mapping[int, Code] = MappingProxyType(
    {
        400: Code.INVALID_ARGUMENT,
        401: Code.UNAUTHENTICATED,
        403: Code.PERMISSION_DENIED,
        404: Code.NOT_FOUND,
        405: Code.UNIMPLEMENTED,
        408: Code.UNAVAILABLE,
        409: Code.ABORTED,
        410: Code.NOT_FOUND,
        412: Code.FAILED_PRECONDITION,
        416: Code.OUT_OF_RANGE,
        422: Code.INVALID_ARGUMENT,
        429: Code.RESOURCE_EXHAUSTED,
        499: Code.CANCELLED,
        500: Code.INTERNAL,
        501: Code.UNIMPLEMENTED,
        502: Code.UNAVAILABLE,
        503: Code.UNAVAILABLE,
        504: Code.DEADLINE_EXCEEDED,
    }
)


def code_for_http(status: int, overrides: Mapping[int, Code] = HTTP_TO_CODE) -> Code:
    """Return the gRPC code of an HTTP status that is not 2xx.

    `overrides` is asked first, then the table above; any other 4xx is
    FAILED_PRECONDITION, everything else (a 5xx, an unfollowed 3xx, a stray 1xx)
    INTERNAL.
    """
    code = overrides.get(status) or HTTP_TO_CODE.get(status)
    if code is not None:
        return code
    return Code.FAILED_PRECONDITION if 400 <= status < 500 else Code.INTERNAL
