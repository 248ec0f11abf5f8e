"""What a simulated REST service reads from a request, and what it says of mistakes.

Every mistake is told in Google's words: BadRequest with the field's proto name,
ResourceInfo for what is not there.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from gateway.demo.records import MissingError, Record, Records
from gateway.demo.server import RestError, json_body

_TYPES = "type.googleapis.com/google.rpc."
_PAGE_SIZE, _MAX_PAGE_SIZE = 25, 100


def timestamp(wall: float) -> str:
    """Return a time in seconds since 1970 as protobuf's JSON has it."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bad_field(field: str, text: str) -> RestError:
    """Return the error for a field, by its path in the proto, and what is wrong with it."""
    violation = {"field": field, "description": text}
    detail = {"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]}
    return RestError(400, f"{field} {text}", [detail])


def found(records: Records, kind: str, request: web.Request) -> Record:
    """Return the record that the path names by `{id}`.

    Args:
        records: where it is looked for.
        kind: system and kind, "panel/order".
        request: of the path.

    Raises:
        RestError: there is none.
    """
    record_id = request.match_info["id"]
    try:
        return records.get(record_id)
    except MissingError:
        text = f"{kind.rpartition('/')[2]} {record_id!r} was not found"
        detail = {
            "@type": f"{_TYPES}ResourceInfo",
            "resourceType": kind,
            "resourceName": record_id,
            "description": text,
        }
        raise RestError(404, text, [detail]) from None


def page(
    records: Records, request: web.Request, wanted: Callable[[Record], bool]
) -> tuple[list[Record], str]:
    """Return the page that `pageSize` and `pageToken` of the query name, and the next token.

    Raises:
        RestError: there is no such page.
    """
    size = request.query.get("pageSize", "0")
    if not size.isdecimal():
        raise bad_field("page_size", "must be a whole number, 0 or more")
    token = request.query.get("pageToken", "")
    try:
        return records.page(min(int(size) or _PAGE_SIZE, _MAX_PAGE_SIZE), token, wanted)
    except MissingError:
        raise bad_field("page_token", "is not a token of an earlier page") from None


def text(body: Record, name: str, at: str) -> str:
    """Return a string of a body that must be there.

    Args:
        body: JSON.
        name: of the field in JSON.
        at: path of the body's message in the proto.

    Raises:
        RestError: it is not there.
    """
    value = body.get(name, "")
    if not isinstance(value, str) or not value:
        raise bad_field(f"{at}.{_snake(name)}", "is needed")
    return value


def whole(body: Record, name: str, at: str) -> int:
    """Return a whole number of a body, 1 or more; arguments and errors as for `text`."""
    value: Any = body.get(name, 0)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)  # 64-bit numbers come as strings from protobuf's JSON
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise bad_field(f"{at}.{_snake(name)}", "must be a whole number, 1 or more")
    return value


def changed(request: web.Request, body: Record, names: Sequence[str]) -> list[str]:
    """Return which of the fields `names` a PATCH changes: those of its mask, or of its body."""
    mask = request.query.get("updateMask")
    wanted = body if mask is None else [name for name in mask.split(",") if name]
    return [name for name in names if name in wanted]


async def change(
    records: Records,
    kind: str,
    request: web.Request,
    *,
    needed: Sequence[str],
    optional: Sequence[str] = (),
) -> Record:
    """Change the strings of a record that a PATCH names, and return the record.

    Args:
        records: where it is.
        kind: as for `found`.
        request: the PATCH.
        needed: strings that a record always has.
        optional: strings that it may have.

    Raises:
        RestError: there is no such record, or a value that cannot be.
    """
    body = await json_body(request)
    found(records, kind, request)
    at = kind.rpartition("/")[2]
    names = changed(request, body, (*needed, *optional))
    values = strings(body, at, needed=[n for n in names if n in needed], optional=names)
    return records.change(request.match_info["id"], values, names)


def strings(
    body: Record, at: str, *, needed: Iterable[str], optional: Iterable[str] = ()
) -> Record:
    """Return the strings of a body; `optional` ones where it has them.

    Raises:
        RestError: one is missing, or is none.
    """
    names = [*needed, *(name for name in optional if name in body)]
    return {name: text(body, name, at) for name in names}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
