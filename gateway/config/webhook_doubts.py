"""What of a signed request nobody has signed.

Rules:
1. A webhook signs one field, the raw body; a signature, and a timestamp that is signed with
   it, may be fields too. Whoever has seen one signed request can send its body again with
   other fields, before the sender's own arrives.
2. Fields beside those that travel in the path, the query or a header are told: they say what
   is done with the body, and for whom. What the upstream must be able to trust belongs into
   the signed body. What stands beside it in a JSON body is not told: there it is one value
   among others, and the upstream sees that it is.
"""

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import Descriptor
from seawall.policy.v1.policy_pb2 import WebhookPolicy

from gateway.config.effective import EffectiveMethod
from gateway.core.errors import Problem
from gateway.transcode.binding import Binding

_SHOWN = 5


def webhook_doubts(methods: Iterable[EffectiveMethod]) -> Iterator[Problem]:
    """Yield methods whose requests carry more than what is signed."""
    for method in methods:
        webhook = method.policy.webhook
        if webhook.disabled or not method.policy.HasField("webhook") or not method.bindings:
            continue
        unsigned = [
            f"{name} (in {way})"
            for name in _unsigned(method.descriptor.input_type, webhook)
            if (way := _way(name, method.bindings))
        ]
        if not unsigned:
            continue
        shown = unsigned[:_SHOWN]
        if len(unsigned) > _SHOWN:
            shown.append(f"{len(unsigned) - _SHOWN} more")
        yield Problem(
            method.where,
            f"{method.method.full_name}: webhook: only {webhook.body_field} is signed; "
            f"what stands in {', '.join(shown)} is anybody's word: keep it out of the request, "
            "or have the upstream hold it against the body",
        )


def _unsigned(message: Descriptor, webhook: WebhookPolicy) -> Iterator[str]:
    """Yield the paths of fields that are beside the signed one, at each of its levels."""
    known = {webhook.body_field}
    if not webhook.signature_metadata:
        known.add(webhook.signature_field)
    if not webhook.timestamp_metadata:
        known.add(webhook.timestamp_field)
    yield from _beside(message, "", known)


def _beside(message: Descriptor, prefix: str, known: set[str]) -> Iterator[str]:
    for field in message.fields:
        path = f"{prefix}{field.name}"
        if path in known:
            continue
        inner = field.message_type
        if inner is not None and any(name.startswith(f"{path}.") for name in known):
            yield from _beside(inner, f"{path}.", known)
        else:
            yield path


def _way(path: str, bindings: Iterable[Binding]) -> str:
    """Return what a field travels in, "" for a body, by the first binding that says another."""
    for binding in bindings:
        if any(_holds(path, reader.path) for _, reader in binding.variables):
            return "the path"
        if any(_holds(path, reader.path) for _, reader in binding.headers):
            return "a header"
        if binding.body != "*" and path.partition(".")[0] != binding.body_text:
            return "the query"
    return ""


def _holds(path: str, inner: str) -> bool:
    return inner == path or inner.startswith(f"{path}.")
