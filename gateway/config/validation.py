"""Which methods are held to constraints, and what of them does not compile."""

from google.protobuf.descriptor import Descriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.schema import Schema
from gateway.transcode.constraints import ConstraintError, Constraints, Rules

__all__ = ["ConstraintError", "Validation"]


class Validation:
    """The constraints of request types, each compiled once.

    Args:
        schema: message classes.
    """

    def __init__(self, schema: Schema) -> None:
        self._rules = Rules(schema.new_message, schema.where_rule)

    def of(self, policy: MethodPolicy, request: Descriptor) -> Constraints | None:
        """Return what a method's requests are held to, None for nothing.

        Raises:
            ConstraintError: with every mistake in the rules of the request's types.
        """
        return None if policy.validation.disabled else self._rules.of(request)
