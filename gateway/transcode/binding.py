"""A method's google.api.http rule, checked against its messages at startup.

What comes out holds everything that encoding needs; nothing about a rule is
looked up or found wrong while serving. The rules are those of
google/api/http.proto, read from the sending side:

1. Path variables come from request fields; a field in the path is sent nowhere else,
   neither in the query nor in a body that holds its message.
2. `body` names a field whose JSON form is the body, or "*" for all that the path
   does not carry; without it there is no body.
3. What neither path nor body carries goes to the query.
   A google.api.HttpBody, as the request or as that field, is the body as it is.
4. `response_body` names the field of the answer that the body holds.
5. Of several bindings the first whose variables are all set and match is used.

A policy may say more (`Writing`): fields that travel as headers are sent nowhere
else, and names and values may be written otherwise.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from gateway.transcode.fields import (
    FieldPathError,
    FieldReader,
    Plans,
    QueryPlan,
    find_field,
    plan_query,
)
from gateway.transcode.habits import STANDARD, Habits
from gateway.transcode.template import PathTemplate, TemplateError, Variable, parse_template

_VERBS = ("get", "put", "post", "delete", "patch")
_VERB = re.compile(r"[A-Z]+(?:-[A-Z]+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Writing:
    """What a policy says of how a method's messages are written.

    Args:
        habits: names and values.
        header_fields: header, in lower case, to the path of the request's field.
        response_field: what `response_body` is where the rule has none; or "".
    """

    habits: Habits = STANDARD
    header_fields: Mapping[str, str] = field(default_factory=dict)
    response_field: str = ""
    answer: Any = None
    """The descriptor of what answers are, None for the method's own response."""


STANDARD_WRITING = Writing()
"""As google.api.http and the protobuf JSON mapping say."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to send a request.

    Args:
        verb: "GET".
        template: of the path.
        variables: of the template, each with the reader of its field.
        body: None, "*", or the field that is the body.
        query: what goes to the query, None where nothing can.
        body_skip: JSON paths left out of the body, from where it begins.
        response_body: the field of the answer that the body holds.
    """

    verb: str
    template: PathTemplate
    variables: tuple[tuple[Variable, FieldReader], ...]
    body: str | FieldDescriptor | None
    query: QueryPlan | None
    body_skip: tuple[tuple[str, ...], ...]
    response_body: FieldDescriptor | None
    body_is_raw: bool = False
    """What the body holds is a google.api.HttpBody."""
    answer_is_raw: bool = False
    """What the answer's body holds is a google.api.HttpBody."""
    headers: tuple[tuple[str, FieldReader], ...] = ()
    """Headers that carry fields, each with the reader of its field."""
    request: Any = None
    """The descriptor of the request."""

    @property
    def body_text(self) -> str:
        """What the body holds, as the rule writes it."""
        if self.body is None:
            return ""
        return self.body if isinstance(self.body, str) else self.body.name


class BindingError(ValueError):
    """The mistakes of one rule, a sentence each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def http_rule(method: MethodDescriptor) -> http_pb2.HttpRule | None:
    """Return the google.api.http option of `method`, None where it has none."""
    if not method.has_options:
        return None
    options: Any = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return None
    rule: http_pb2.HttpRule = options.Extensions[annotations_pb2.http]
    return rule


def compile_bindings(
    method: MethodDescriptor,
    rule: http_pb2.HttpRule,
    plans: Plans,
    writing: Writing = STANDARD_WRITING,
) -> tuple[Binding, ...]:
    """Return the binding of `rule` and its additional ones, in order.

    Args:
        method: whose messages the rule is about.
        rule: its google.api.http option.
        plans: query plans shared between methods; filled on the way.
        writing: what the method's policy says.

    Raises:
        BindingError: with every mistake found.
    """
    mistakes: list[str] = []
    bindings: list[Binding] = []
    for number, one in enumerate([rule, *rule.additional_bindings]):
        label = f"additional binding {number}: " if number else ""
        if number and one.additional_bindings:
            mistakes.append(f"{label}additional bindings do not nest")
        try:
            bindings.append(_compile(method, one, plans, writing))
        except BindingError as error:
            mistakes.extend(label + mistake for mistake in error.mistakes)
    if mistakes:
        raise BindingError(mistakes)
    return tuple(bindings)


def _compile(
    method: MethodDescriptor, rule: http_pb2.HttpRule, plans: Plans, writing: Writing
) -> Binding:
    habits = writing.habits
    mistakes: list[str] = []
    verb, text = _verb_and_path(rule, mistakes)
    template = PathTemplate(text, (text,), ())
    if text:
        try:
            template = parse_template(text)
        except TemplateError as error:
            mistakes.append(f'{verb} "{text}": {error}')
    variables = _variables(method.input_type, verb, template, habits, mistakes)
    headers = _headers(method.input_type, writing, mistakes)
    body = _body(method.input_type, verb, rule.body, mistakes)
    readers = [reader for _, reader in (*variables, *headers)]
    skip = frozenset(reader.path for reader in readers)
    query = None
    # A body that is not known leaves open what the query must carry.
    if body != "*" and (body is not None or not rule.body):
        if isinstance(body, FieldDescriptor):
            skip |= {body.name}
        query = plan_query(method.input_type, skip, plans, habits)
        mistakes.extend(f"{refusal}; put it into the body" for refusal in query.refusals())
    answer = method.output_type if writing.answer is None else writing.answer
    response_body = _response_body(answer, rule.response_body, writing, mistakes)
    if mistakes:
        raise BindingError(mistakes)
    return Binding(
        *(verb, template, variables, body, query, _body_skip(body, readers), response_body),
        body_is_raw=body is not None and _is_http_body(method.input_type, body),
        answer_is_raw=_is_http_body(answer, response_body),
        headers=headers,
        request=method.input_type,
    )


def _headers(
    message: Descriptor, writing: Writing, mistakes: list[str]
) -> tuple[tuple[str, FieldReader], ...]:
    headers = []
    for header, path in sorted(writing.header_fields.items()):
        try:
            headers.append((header, FieldReader(message, path, writing.habits)))
        except FieldPathError as error:
            mistakes.append(f"headers.request_fields.{header}: {error}")
    return tuple(headers)


def _response_body(
    message: Descriptor, text: str, writing: Writing, mistakes: list[str]
) -> FieldDescriptor | None:
    name, said_by = writing.response_field, "json.response_field"
    if not name:
        name, said_by = text, "response_body"
    if not name:
        return None
    try:
        return find_field(message, name)
    except FieldPathError as error:
        mistakes.append(f"{said_by}: {error}")
        return None


def _body_skip(
    body: str | FieldDescriptor | None, in_path: Sequence[FieldReader]
) -> tuple[tuple[str, ...], ...]:
    if isinstance(body, FieldDescriptor):
        inside = [reader for reader in in_path if reader.path.startswith(f"{body.name}.")]
        return tuple(reader.json_path[1:] for reader in inside)
    return tuple(reader.json_path for reader in in_path) if body else ()


def _is_http_body(message: Descriptor, field: str | FieldDescriptor | None) -> bool:
    """Tell whether `field` of `message`, or all of it, is a google.api.HttpBody."""
    kind: Any = message
    if isinstance(field, FieldDescriptor):
        kind = None if field.is_repeated else field.message_type
    return kind is not None and kind.full_name == "google.api.HttpBody"


def _verb_and_path(rule: http_pb2.HttpRule, mistakes: list[str]) -> tuple[str, str]:
    kind = rule.WhichOneof("pattern")
    if kind == "custom":
        verb, text = rule.custom.kind.upper(), rule.custom.path
        if verb == "*":
            mistakes.append('custom kind "*" names no verb to send')
        elif verb == "CONNECT":
            mistakes.append("CONNECT asks for a tunnel, which no gateway can send")
        elif not _VERB.fullmatch(verb):
            mistakes.append(f"custom kind {rule.custom.kind!r} is not an HTTP verb")
    elif kind in _VERBS:
        verb, text = kind.upper(), getattr(rule, kind)
    else:
        mistakes.append("the rule names no verb and path (get, put, post, delete, patch or custom)")
        return "", ""
    if not text:
        mistakes.append(f"{verb}: the path is empty")
    return verb, text


def _variables(
    message: Descriptor, verb: str, template: PathTemplate, habits: Habits, mistakes: list[str]
) -> tuple[tuple[Variable, FieldReader], ...]:
    variables = []
    for variable in template.variables:
        try:
            variables.append((variable, FieldReader(message, variable.path, habits)))
        except FieldPathError as error:
            mistakes.append(f'{verb} "{template.text}": column {variable.column}: {error}')
    seen: set[str] = set()
    for variable, reader in variables:
        if reader.path in seen:
            mistakes.append(
                f'{verb} "{template.text}": column {variable.column}: '
                f"the field {reader.path!r} is bound twice"
            )
        seen.add(reader.path)
    return tuple(variables)


def _body(
    message: Descriptor, verb: str, text: str, mistakes: list[str]
) -> str | FieldDescriptor | None:
    if not text:
        return None
    if verb in ("GET", "HEAD"):
        mistakes.append(f'{verb} has no body; remove body: "{text}" or use another verb')
    if text == "*":
        return text
    try:
        return find_field(message, text)
    except FieldPathError as error:
        mistakes.append(f"body: {error}")
        return None
