"""From `webhook` of a policy to options and readers, and what it may not say."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy, WebhookPolicy

from gateway.config.values import Mistake, seconds
from gateway.core.call import Call
from gateway.interceptors.webhook import Encoding, Scheme, WebhookOptions, WebhookReaders
from gateway.transcode.headers import check_header_name

_LEAST_SECRET = 16
_MOST_SECRETS = 8
"""What is forged is held against each of them."""
_MOST_REMEMBERED = 10_000_000
_TEXT = frozenset((FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES))
_WHOLE = frozenset(
    (
        *(FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_INT32),
        *(FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_FIXED32),
        *(FieldDescriptor.TYPE_SFIXED64, FieldDescriptor.TYPE_SFIXED32),
        *(FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SINT32),
    )
)


def webhook_options(policy: WebhookPolicy) -> tuple[WebhookOptions, WebhookReaders] | None:
    """Return how a method's requests are signed and where that is read, None where they are not."""
    if policy.disabled:
        return None
    options = WebhookOptions(
        secrets=tuple(secret.encode() for secret in policy.secrets),
        scheme=Scheme(policy.scheme or Scheme.HMAC_SHA256.value),
        tolerance_s=seconds(policy.tolerance),
        encoding=Encoding(policy.encoding or Encoding.HEX.value),
        prefix=policy.prefix,
        timestamped=bool(policy.timestamp_metadata or policy.timestamp_field),
        max_remembered=policy.max_remembered,
    )
    read_body = _field(policy.body_field)

    def body(call: Call) -> bytes:
        value = read_body(call)
        return value.encode() if isinstance(value, str) else value

    return options, WebhookReaders(
        body,
        _text(policy.signature_metadata, policy.signature_field),
        _text(policy.timestamp_metadata, policy.timestamp_field),
    )


def _text(metadata: str, field: str) -> Callable[[Call], str]:
    if metadata:
        return _metadata(metadata.lower())
    if not field:
        return lambda _call: ""
    read = _field(field)

    def text(call: Call) -> str:
        value = read(call)
        if isinstance(value, bytes):
            return value.decode("ascii", "replace")
        return str(value) if value else ""

    return text


def _metadata(name: str) -> Callable[[Call], str]:
    def text(call: Call) -> str:
        found = [value for key, value in call.metadata if key == name]
        # Of two nobody knows which one is meant.
        return found[0] if len(found) == 1 and isinstance(found[0], str) else ""

    return text


def _field(path: str) -> Callable[[Call], Any]:
    get = attrgetter(path)
    return lambda call: b"" if call.message is None else get(call.message)


def webhook_mistakes(policy: WebhookPolicy) -> Iterator[Mistake]:
    """Yield what one level may not say of a webhook, by paths below the policy."""
    for one, other in (
        ("signature_metadata", "signature_field"),
        ("timestamp_metadata", "timestamp_field"),
    ):
        if getattr(policy, one) and getattr(policy, other):
            yield f"webhook.{other}", f"webhook.{one} says it already; one of them must go"
        said = getattr(policy, one)
        if said and (wrong := check_header_name(said, incoming=True)):
            yield f"webhook.{one}", wrong
    if len(policy.secrets) > _MOST_SECRETS:
        yield "webhook.secrets", f"at most {_MOST_SECRETS}, found {len(policy.secrets)}"
    for i, secret in enumerate(policy.secrets):
        if len(secret.encode()) < _LEAST_SECRET:
            yield f"webhook.secrets[{i}]", f"is shorter than {_LEAST_SECRET} bytes"
    remembered = policy.max_remembered
    if policy.HasField("max_remembered") and not 1 <= remembered <= _MOST_REMEMBERED:
        yield "webhook.max_remembered", f"must be 1 to {_MOST_REMEMBERED}, found {remembered}"
    if not (policy.prefix.isascii() and policy.prefix.isprintable()):
        yield "webhook.prefix", "must be printable ASCII"


def effective_webhook_mistakes(
    policy: MethodPolicy, request: Descriptor, *, client_streaming: bool = False
) -> Iterator[Mistake]:
    """Yield what the merged policy of a method lacks, or says of fields that it has not.

    Args:
        policy: of all levels.
        request: the method's request type.
        client_streaming: the method takes a stream.
    """
    webhook = policy.webhook
    if webhook.disabled or not policy.HasField("webhook"):
        return
    if client_streaming:
        yield "webhook", "a stream has no signature; the method must take one message"
    if not webhook.secrets:
        yield (
            "webhook.secrets",
            "there are none; say them in the configuration file, as ${ENV} or file:PATH",
        )
    stripe = webhook.scheme == WebhookPolicy.STRIPE
    if not webhook.body_field:
        yield "webhook.body_field", "names no field: the raw body that is signed"
    if not webhook.signature_metadata and not webhook.signature_field:
        yield "webhook.signature_metadata", "nothing says where the signature is"
    for name, kinds, what in (
        ("body_field", _TEXT, "bytes or a string"),
        ("signature_field", _TEXT, "a string"),
        ("timestamp_field", _TEXT | _WHOLE, "a whole number or a string"),
    ):
        path = getattr(webhook, name)
        if path and (wrong := _field_mistake(request, path, kinds, what)):
            yield f"webhook.{name}", wrong
    if stripe:
        for name in ("prefix", "timestamp_metadata", "timestamp_field"):
            if getattr(webhook, name):
                yield f"webhook.{name}", "Stripe's scheme has its own; this is for HMAC_SHA256"


def _field_mistake(request: Descriptor, path: str, kinds: frozenset[int], what: str) -> str:
    message: Descriptor | None = request
    field: FieldDescriptor | None = None
    for name in path.split("."):
        if message is None:
            return f"{path!r}: the field before {name!r} is no message"
        field = message.fields_by_name.get(name)
        if field is None:
            return f"{path!r}: {message.full_name} has no field {name!r}"
        if field.is_repeated:
            return f"{path!r}: {name!r} is repeated"
        message = field.message_type
    assert field is not None
    return "" if field.type in kinds else f"{path!r} must be {what}"
