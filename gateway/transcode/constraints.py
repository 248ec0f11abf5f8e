"""buf.validate: what the protos say that a request must be.

Where it stands: behind decode, before anything is sent. The rules are read and held by
protovalidate, CEL included. What is decided here is when they are looked at:

1. A message type is constrained where a field, a oneof or the message itself, or those of a
   message that it holds, carries an option of buf.validate. Of other types nothing is made
   and nothing is asked.
2. Rules are compiled when the gateway starts, those of messages inside messages too: what does
   not compile stops the start.
3. All violations are told, up to `_MAX_TOLD`, by the path of their field: `items[0].sku`.
4. A rule that fails while it is evaluated is a mistake of the proto, not of the caller: it is
   INTERNAL, and the call goes no further.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.core.errors import CallError, Reason, Violation
from gateway.core.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = "buf/validate/validate.proto"
_OPTION = 1159
"""Number of every extension of buf.validate."""
_PACKAGE = "buf.validate."
_MAX_TOLD = 20
_MAX_PATH = 200


class ConstraintError(Exception):
    """A rule of a message type does not compile; the sentence names type and rule."""


def validate_file() -> bytes:
    """Return the serialized descriptor of `FILE`, for protos that import it."""
    from protovalidate._gen.buf.validate import validate_pb

    serialized: bytes = validate_pb.desc().proto.to_binary()
    return serialized


def constrained(message: Descriptor) -> list[Descriptor]:
    """Return the types within `message` (itself among them) that carry a rule."""
    found: dict[str, Descriptor] = {}
    _visit(message, found)
    return [one for one in found.values() if _has_rule(one)]


def _visit(message: Descriptor, found: dict[str, Descriptor]) -> None:
    if message.full_name in found:
        return
    found[message.full_name] = message
    for field in message.fields:
        if field.message_type is not None:
            _visit(field.message_type, found)


def _has_rule(message: Descriptor) -> bool:
    return any(
        element.has_options and _carries_rule(element.GetOptions())
        for element in (message, *message.fields, *message.oneofs)
    )


def _carries_rule(options: Any) -> bool:
    unknown: Any = UnknownFieldSet(options)
    return any(field.field_number == _OPTION for field in unknown) or any(
        field.full_name.startswith(_PACKAGE) for field, _ in options.ListFields()
    )


class Constraints:
    """The rules of one message type.

    Args:
        message: that is constrained.
        new_message: its class.
        parts: classes of the types within it that carry rules.

    Raises:
        ConstraintError: a rule does not compile.
    """

    def __init__(self, message: Descriptor, new_message: Any, parts: Sequence[Any]) -> None:
        import protovalidate

        self._failed: tuple[type[Exception], ...] = (
            protovalidate.EvaluationError,
            protovalidate.CompilationError,
        )
        self._collect: Callable[[Any], Sequence[Any]] = protovalidate.Validator().collect_violations
        for part in (new_message, *parts):
            try:
                self._collect(part())
            except protovalidate.CompilationError as error:
                name = part.DESCRIPTOR.full_name
                raise ConstraintError(f"{name}: {_plain(error)}") from None
            except protovalidate.EvaluationError:
                pass  # an empty message may be what a rule was not made for
        self._name = message.full_name

    def violations(self, message: Any) -> Sequence[Violation]:
        """Return what is wrong with a message.

        Raises:
            CallError: INTERNAL, for a rule that fails.
        """
        try:
            found = self._collect(message)
        except self._failed as error:
            raise CallError(
                Code.INTERNAL,
                Reason.INTERNAL,
                f"a constraint of {self._name} cannot be evaluated: {_plain(error)}",
            ) from None
        return [_told(one) for one in found[:_MAX_TOLD]] if found else ()


def _told(violation: Any) -> Violation:
    proto = violation.proto
    path = "".join(_path(proto.field.elements)) if proto.field is not None else ""
    text = proto.message or f"breaks the rule {proto.rule_id}"
    if proto.for_key:
        text = f"has a key that {text}"
    return Violation(path[:_MAX_PATH], text)


def _path(elements: Sequence[Any]) -> Iterator[str]:
    for i, element in enumerate(elements):
        yield f"{'.' if i else ''}{element.field_name}"
        subscript = element.subscript
        if subscript is not None:
            value = subscript.value
            yield f"[{value}]" if not isinstance(value, str) else f'["{value}"]'


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split())
