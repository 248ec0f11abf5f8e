"""How a call, or one attempt of it, ended: success, failure or ignored.

Three outcomes, not two. `IGNORED` is what says nothing about the upstream's
health: the caller's own mistake, a 4xx, the gateway's own rejections. Failures
are returned, not raised; what is raised through a pipeline is a cancellation or
a fault of the gateway.
"""

import enum
from dataclasses import dataclass

from gateway.core.errors import CallError, Origin


class Kind(enum.Enum):
    """What an outcome says about the upstream."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a call or an attempt; `error` is None exactly for a success."""

    kind: Kind
    error: CallError | None = None


SUCCESS = Outcome(Kind.SUCCESS)


def failed(error: CallError) -> Outcome:
    """Return the outcome for an error: FAILURE where the upstream is to blame.

    A 4xx, other than 408 and 429, tells about the request and not about the
    upstream; what the gateway or the caller caused tells nothing either.
    """
    status = error.http_status
    if error.origin is not Origin.UPSTREAM or (
        status is not None and 400 <= status < 500 and status not in (408, 429)
    ):
        return Outcome(Kind.IGNORED, error)
    return Outcome(Kind.FAILURE, error)
