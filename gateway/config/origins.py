"""Where a value of a merged policy came from, as a place that people can go to."""

import re

from gateway.config.merge import Origins

_ORIGIN = re.compile(r"[^ (]+ \((?P<where>.+)\)")


def origin_of(origins: Origins, path: str) -> str:
    """Return who said what stands at a path, or said the most of what it lies in; "" for nobody.

    Args:
        origins: of a merged policy.
        path: "rate_limits.logins.by[1]".
    """
    while path and path not in origins:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    if path:
        return origins[path]
    return ""


def place_of(origin: str) -> str:
    """Return "seawall.yaml:4" of "service (seawall.yaml:4)"; a flag is its own place."""
    match = _ORIGIN.fullmatch(origin)
    return match["where"] if match else origin


def where_said(origins: Origins, path: str, otherwise: str) -> str:
    """Return the place of a value, `otherwise` where nobody but the gateway itself said it.

    Where only parts of what stands at `path` were said, the first of them counts.
    """
    origin = origin_of(origins, path)
    if not origin:
        inside = (at for name, at in origins.items() if name.startswith((f"{path}.", f"{path}[")))
        origin = next((at for at in inside if at != "built-in"), "")
    return otherwise if origin in ("", "built-in") else place_of(origin)
