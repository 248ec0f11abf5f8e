"""Bindings under a policy: what it says of names, headers and forms is compiled in.

A method is bound once as its proto has it (`services.py`); where a policy says how its
messages are written, it is bound anew here, with every mistake in that.
"""

from collections.abc import Iterator
from dataclasses import replace

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy, RequestPolicy, StreamPolicy

from gateway.config.checks import Mistake
from gateway.config.merge import Merged
from gateway.config.operations.said import answer_of
from gateway.config.problems import Problems
from gateway.config.services import BoundMethod
from gateway.config.writing import BY_FIELDS, writing_of
from gateway.transcode.binding import BindingError, Writing, compile_bindings, http_rule
from gateway.transcode.fields import OWN_JSON, FieldPathError, Plans, is_map
from gateway.transcode.header_fields import check_response_fields

_STRUCT = "google.protobuf.Struct"


class Rebinding:
    """Binds methods anew where their policies say how messages are written.

    Args:
        problems: what is wrong.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._plans: Plans = {}

    def under(self, method: BoundMethod, merged: Merged) -> BoundMethod:
        """Return the method as it is bound under a policy."""
        if not method.bindings:  # it is not written
            return method
        policy, origins = merged
        descriptor, rule = method.descriptor, http_rule(method.descriptor)
        writing = writing_of(policy)
        answer = answer_of(descriptor, policy, origins) or descriptor.output_type
        if answer is not descriptor.output_type:
            writing = replace(writing, answer=answer)
        try:
            if writing != Writing(habits=BY_FIELDS) and rule is not None:
                found = compile_bindings(descriptor, rule, self._plans, writing)
                method = replace(method, bindings=found)
            if not descriptor.server_streaming:  # whose messages have no headers of their own
                fields = {k.lower(): v for k, v in policy.headers.response_fields.items()}
                check_response_fields(answer, fields, writing.habits)
        except BindingError as error:
            for mistake in error.mistakes:
                self._add(method, merged, mistake)
        except FieldPathError as error:
            self._add(method, merged, str(error))
        if policy.request.body_format == RequestPolicy.FORM:
            for text in _form_mistakes(method, policy):
                self._add(method, merged, f"request.body_format: {text}")
        for path, text in _header_clashes(method, policy):
            self._add(method, merged, f"headers.{path}: {text}")
        return method

    def _add(self, method: BoundMethod, merged: Merged, text: str) -> None:
        # "headers.request_fields.etag: …" was said where "headers.request_fields" was.
        path = text.partition(":")[0]
        origins = merged[1]
        said = next((origins[at] for at in origins if f"{path}.".startswith(f"{at}.")), "")
        self._problems.add(method.where, f"{method.name}: {text}" + (f" ({said})" if said else ""))


def _header_clashes(method: BoundMethod, policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield which fields would be sent by two ways, or not at all."""
    fixed = {name.lower() for name in policy.headers.set}
    for name in sorted(policy.headers.request_fields):
        if name.lower() in fixed:
            yield f"request_fields.{name}", "headers.set sends that header with a fixed value"
    for binding in method.bindings:
        in_path = {reader.path for _, reader in binding.variables}
        for name, reader in binding.headers:
            if isinstance(binding.body, FieldDescriptor) and reader.path == binding.body.name:
                yield f"request_fields.{name}", f"{reader.path!r} is the body already"
            if reader.path in in_path:
                at = f'"{binding.template.text}"'
                yield f"request_fields.{name}", f"{reader.path!r} travels in the path {at} already"


def _form_mistakes(method: BoundMethod, policy: MethodPolicy) -> Iterator[str]:
    descriptor = method.descriptor
    if descriptor.client_streaming and (
        not descriptor.server_streaming or policy.stream.requests == StreamPolicy.ONE_BODY
    ):
        yield "a stream of messages is no form; write JSON for this method"
    for binding in method.bindings:
        body = binding.body
        if body is None or binding.body_is_raw:
            continue
        message: Descriptor | None = descriptor.input_type
        single = True
        if isinstance(body, FieldDescriptor):
            message, single = body.message_type, not body.is_repeated or is_map(body)
        if not single or message is None or message.full_name in OWN_JSON - {_STRUCT}:
            what = body if isinstance(body, str) else body.full_name
            yield f"a form has names and values; the body {what} is no object of fields"
