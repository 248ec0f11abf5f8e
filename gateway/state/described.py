"""A limit on what somebody else describes, in the words of Envoy's rate limit service."""

from dataclasses import dataclass

from gateway.state.limits import Limit


@dataclass(frozen=True, kw_only=True, slots=True)
class DescribedLimit:
    """A limit on a descriptor.

    Args:
        label: for people.
        entries: key and value of each entry, None for any value.
        limit: what it is held to.
    """

    label: str
    entries: tuple[tuple[str, str | None], ...]
    limit: Limit
