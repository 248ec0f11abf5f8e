"""From `deduplication` of a policy to options, and to what reads the key of a call.

Rules:
1. Built in for unary methods that are not idempotent by themselves; elsewhere only where a
   level speaks of it.
2. A key is 1 to 255 printable ASCII characters (draft-ietf-httpapi-idempotency-key-header; the
   quotes of a structured header's string do not count). A key in a field is any text of that
   length.
3. What is known again is caller, method, key and part: a digest of them.
"""

from collections.abc import Callable, Set
from hashlib import sha256
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from seawall.policy.v1.policy_pb2 import DeduplicationPolicy, LookupPolicy, MethodPolicy

from gateway.config.merge import Origins
from gateway.config.sharing.coalescing import is_said
from gateway.config.sharing.metadata import caller_of_call
from gateway.config.values import seconds
from gateway.core.call import Call
from gateway.core.errors import CallError, invalid_request
from gateway.interceptors.deduplicate import (
    CallKey,
    DeduplicationOptions,
    InFlight,
    KeyOf,
    OnUnknown,
)
from gateway.transcode.canonical import Canonical

MAX_KEY = 255


class DeclaredDeduplication(NamedTuple):
    """What a method's deduplication is made with; `lookup` is None but for LOOKUP."""

    options: DeduplicationOptions
    key_of: KeyOf
    fingerprint_of: Callable[[Call], bytes]
    place: str
    lookup: LookupPolicy | None


def deduplication_options(
    policy: MethodPolicy,
    origins: Origins,
    name: str,
    of_identity: Set[str],
    canonical: Canonical,
    *,
    idempotent: bool,
    unary: bool,
) -> DeclaredDeduplication | None:
    """Return how a method's calls are kept from happening twice, None where they are not.

    Args:
        policy: merged.
        origins: of its values.
        name: of the method, in full.
        of_identity: metadata that identity providers read credentials from.
        canonical: makes fingerprints.
        idempotent: by itself.
        unary: one message each way.
    """
    said = policy.deduplication
    if said.disabled or not unary or (idempotent and not is_said(origins, "deduplication")):
        return None
    metadata = said.metadata.lower()
    options = _options(said)
    fields = tuple(said.fields)
    of_fields = canonical.of_fields(fields) if fields else canonical.fingerprint
    read_given = _of_metadata(metadata)
    if said.json_path:
        read_given = _of_json(said.field, said.json_path)
    elif said.field:
        read_given = _of_field(said.field)
    caller = caller_of_call(of_identity)
    seed = f"{name}\0".encode()

    def key_of(call: Call) -> CallKey | None:
        given = read_given(call)
        who = b"" if said.across_callers else caller(call)
        if given:
            record = _digest(seed, b"key", who, given.encode(), call.key_path.encode())
            plain = given.isascii() and given.isprintable() and not call.key_path
            header = given if plain else record.hex()[:40]
            return CallKey(record, header, derived=False)
        if not options.window_s:
            return None
        path = call.key_path.encode()
        return CallKey(_digest(seed, b"same", who, of_fields(call.message), path), "", derived=True)

    def fingerprint_of(call: Call) -> bytes:
        return canonical.fingerprint(call.message)

    def fingerprint_of_window(call: Call) -> bytes:
        # Calls without a key are equal by these fields, whatever else they say.
        return b"" if read_given(call) == "" else canonical.fingerprint(call.message)

    def fingerprint_of_json(call: Call) -> bytes:
        # A sender may say a little else when it sends an event again: its id tells.
        return b"" if read_given(call) else fingerprint_of_window(call)

    fingerprint = fingerprint_of_window if options.window_s else fingerprint_of
    return DeclaredDeduplication(
        options,
        key_of,
        fingerprint_of_json if said.json_path else fingerprint,
        f"the field {said.field!r}" if said.field else f"the metadata {metadata!r}",
        said.lookup if options.on_unknown is OnUnknown.LOOKUP else None,
    )


def _options(said: DeduplicationPolicy) -> DeduplicationOptions:
    in_flight = InFlight(said.in_flight) if said.in_flight else None
    return DeduplicationOptions(
        required=said.required,
        window_s=seconds(said.window),
        retention_s=seconds(said.retention),
        in_flight=in_flight or InFlight.WAIT,
        window_in_flight=in_flight or InFlight.ABORT,
        replay=said.replay,
        on_unknown=OnUnknown(said.on_unknown or OnUnknown.HOLD.value),
        max_completion_s=seconds(said.max_completion),
        header=said.header.lower(),
    )


def _digest(*parts: bytes) -> bytes:
    digest = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _of_metadata(name: str) -> Callable[[Call], str]:
    def read(call: Call) -> str:
        found = ""
        for key, value in call.metadata:
            if key != name:
                continue
            if found or not isinstance(value, str):
                raise _not_a_key(name, "is given twice, or is binary")
            found = value.strip().strip('"')
            if not found or len(found) > MAX_KEY or not (found.isascii() and found.isprintable()):
                raise _not_a_key(name, f"must be 1 to {MAX_KEY} printable ASCII characters")
        return found

    return read


def _of_field(path: str) -> Callable[[Call], str]:
    get = attrgetter(path)

    def read(call: Call) -> str:
        value: Any = get(call.message)
        text = value.hex() if isinstance(value, bytes) else str(value) if value else ""
        if len(text) > MAX_KEY:
            raise invalid_request(f"the field {path!r} has more than {MAX_KEY} characters", path)
        return text

    return read


def _of_json(path: str, keys: str) -> Callable[[Call], str]:
    """Return what reads a key in JSON; "" where it is no JSON, or has none."""
    get, names = attrgetter(path), keys.split(".")

    def read(call: Call) -> str:
        try:
            value: Any = orjson.loads(get(call.message))
        except orjson.JSONDecodeError:
            return ""
        for name in names:
            if not isinstance(value, dict):
                return ""
            value = value.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return ""
        text = str(value)
        if len(text) > MAX_KEY:
            raise invalid_request(f"{keys!r} in {path!r} has more than {MAX_KEY} characters", path)
        return text

    return read


def _not_a_key(name: str, why: str) -> CallError:
    return invalid_request(f"the metadata {name!r} {why}")
