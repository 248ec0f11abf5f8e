"""What is read of calls that are kept, and what stands for them when they are made."""

from collections.abc import Callable, Set
from dataclasses import replace
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final

from gateway.config.credentials import is_credential
from gateway.config.effective import EffectiveMethod
from gateway.config.merge import Origins
from gateway.config.sharing.deduplication import DeclaredDeduplication
from gateway.config.sharing.metadata import caller_of_call
from gateway.core.call import Call
from gateway.interceptors.deduplicate import CallKey
from gateway.interceptors.deduplicate.errors import key_required
from gateway.operations.accept import CallReaders
from gateway.operations.options import OperationOptions
from gateway.operations.work import WorkCall
from gateway.transcode.canonical import Canonical

_FOLLOWS: Final = frozenset(("traceparent", "tracestate", "baggage", "x-request-id"))
"""What goes to upstreams and says nothing of the caller."""
_OF_CALLERS: Final = frozenset(("authorization", "cookie", "idempotency-key"))


def call_readers(
    method: EffectiveMethod,
    once: DeclaredDeduplication | None,
    options: OperationOptions,
    of_identity: Set[str],
    canonical: Canonical,
) -> CallReaders:
    """Return what is read of a method's calls.

    Args:
        method: whose calls are kept.
        once: how its calls are known again, None where they are not.
        options: of its operations.
        of_identity: metadata that identity providers read credentials from.
        canonical: makes fingerprints.
    """
    forwarded = {name.lower() for name in method.policy.headers.forward_request}
    kept = {
        name
        for name in forwarded | _FOLLOWS
        if name not in _OF_CALLERS and name not in of_identity and not is_credential(name)
    }
    return CallReaders(
        owner=caller_of_call(of_identity),
        key=_no_key if once is None else _key_of(once),
        fingerprint=_no_fingerprint if once is None else once.fingerprint_of,
        order=_order_of(method, options.order_by, canonical),
        kept=frozenset(kept),
    )


def _no_key(_call: Call) -> None:
    return None


def _no_fingerprint(_call: Call) -> bytes:
    return b""


def _key_of(
    once: DeclaredDeduplication,
) -> Callable[[Call], tuple[bytes, str, float, bool] | None]:
    options = once.options

    def key_of(call: Call) -> tuple[bytes, str, float, bool] | None:
        key = once.key_of(call)
        if key is None:
            if options.required:
                raise key_required(once.place)
            return None
        held_s = options.window_s if key.derived else options.retention_s
        return key.record, key.header, held_s, not key.derived

    return key_of


def _order_of(method: EffectiveMethod, path: str, canonical: Canonical) -> Callable[[Call], bytes]:
    if not path:
        return lambda _call: b""
    seed = sha256(f"order\0{method.method.full_name}".encode())
    fingerprint, get = canonical.of_fields((path,)), attrgetter(path)

    def order_of(call: Call) -> bytes:
        if not get(call.message):  # without a value it is in no order
            return b""
        digest = seed.copy()
        digest.update(fingerprint(call.message))
        return digest.digest()

    return order_of


def work_deduplication(
    method: EffectiveMethod, once: DeclaredDeduplication | None, options: OperationOptions
) -> DeclaredDeduplication | None:
    """Return how attempts of an operation are kept from having their effect twice.

    None where no level says what becomes of a call whose effect nobody knows: then it is made
    at least once.
    """
    said = method.policy.deduplication
    if once is None or said.disabled or not _says_unknown(method.origins):
        return None
    schedule = options.schedule
    kept_s = max(once.options.retention_s, schedule.total_timeout_s)

    def key_of(call: Call) -> CallKey | None:
        assert isinstance(call, WorkCall)
        record = sha256(f"operation\0{call.operation_id}".encode()).digest()
        return CallKey(record, call.header_key, derived=False, doubtful=call.doubtful)

    return once._replace(
        options=replace(once.options, required=False, window_s=0.0, retention_s=kept_s),
        key_of=key_of,
    )


def _says_unknown(origins: Origins) -> bool:
    said = origins.get("deduplication.on_unknown", "built-in")
    return said.partition(" ")[0] != "built-in"


def accepted_answer(answer: Any, field: str) -> Callable[[Any], bytes]:
    """Return what makes a method's answer of a google.longrunning.Operation.

    Args:
        answer: class of the response.
        field: that takes the operation.
    """
    of_name = answer.DESCRIPTOR.fields_by_name[field].message_type is None

    def made(operation: Any) -> bytes:
        told = answer()
        if of_name:
            setattr(told, field, operation.name)
        else:
            getattr(told, field).MergeFromString(operation.SerializeToString())
        return bytes(told.SerializeToString())

    return made
