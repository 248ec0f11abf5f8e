"""Which methods are held to constraints, and what of them does not compile."""

from google.protobuf.descriptor import Descriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.schema import Schema
from gateway.transcode.constraints import ConstraintError, Constraints, constrained

__all__ = ["ConstraintError", "Validation"]


class Validation:
    """The constraints of request types, each compiled once.

    Args:
        schema: message classes.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known: dict[str, Constraints | None] = {}

    def of(self, policy: MethodPolicy, request: Descriptor) -> Constraints | None:
        """Return what a method's requests are held to, None for nothing.

        Raises:
            ConstraintError: a rule does not compile.
        """
        if policy.validation.disabled:
            return None
        name = request.full_name
        if name not in self._known:
            parts = constrained(request)
            new = self._schema.new_message
            self._known[name] = (
                Constraints(request, new(request), [new(part) for part in parts]) if parts else None
            )
        return self._known[name]
