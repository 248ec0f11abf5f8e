"""The bearer token of a caller (RFC 6750)."""

from gateway.core.call import Metadata

_SCHEME = "bearer "


def bearer_token(metadata: Metadata) -> str | None:
    """Return the one bearer token of a caller; None where there is none, or are several."""
    found: str | None = None
    for key, value in metadata:
        if key != "authorization":
            continue
        if found is not None or not isinstance(value, str):
            return None
        found = value
    if found is None or found[: len(_SCHEME)].lower() != _SCHEME:
        return None
    token = found[len(_SCHEME) :].strip()
    return token if token and " " not in token and "," not in token else None
