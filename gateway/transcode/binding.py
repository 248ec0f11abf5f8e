"""A method's google.api.http rule, checked against its messages at startup.

What comes out holds everything that encoding needs; nothing about a rule is
looked up or found wrong while serving. The rules are those of
google/api/http.proto, read from the sending side:

1. Path variables come from request fields; a field in the path is sent nowhere else
   when `body: "*"`.
2. `body` names a field whose JSON form is the body, or "*" for all that the path
   does not carry; without it there is no body.
3. What neither path nor body carries goes to the query.
4. `response_body` names the field of the answer that the body holds.
5. Of several bindings the first whose variables are all set and match is used.
"""

import re
from dataclasses import dataclass
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
from gateway.transcode.template import PathTemplate, TemplateError, Variable, parse_template

_VERBS = ("get", "put", "post", "delete", "patch")
_VERB = re.compile(r"[A-Z]+(?:-[A-Z]+)*")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to send a request.

    Args:
        verb: "GET".
        template: of the path.
        variables: of the template, each with the reader of its field.
        body: None, "*", or the field that is the body.
        query: what goes to the query, None where nothing can.
        body_skip: JSON paths left out of a `body: "*"`.
        response_body: the field of the answer that the body holds.
    """

    verb: str
    template: PathTemplate
    variables: tuple[tuple[Variable, FieldReader], ...]
    body: str | FieldDescriptor | None
    query: QueryPlan | None
    body_skip: tuple[tuple[str, ...], ...]
    response_body: FieldDescriptor | None

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
    method: MethodDescriptor, rule: http_pb2.HttpRule, plans: Plans
) -> tuple[Binding, ...]:
    """Return the binding of `rule` and its additional ones, in order.

    Args:
        method: whose messages the rule is about.
        rule: its google.api.http option.
        plans: query plans shared between methods; filled on the way.

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
            bindings.append(_compile(method, one, plans))
        except BindingError as error:
            mistakes.extend(label + mistake for mistake in error.mistakes)
    if mistakes:
        raise BindingError(mistakes)
    return tuple(bindings)


def _compile(method: MethodDescriptor, rule: http_pb2.HttpRule, plans: Plans) -> Binding:
    mistakes: list[str] = []
    verb, text = _verb_and_path(rule, mistakes)
    template = PathTemplate(text, (text,), ())
    if text:
        try:
            template = parse_template(text)
        except TemplateError as error:
            mistakes.append(f'{verb} "{text}": {error}')
    variables = _variables(method.input_type, verb, template, mistakes)
    body = _body(method.input_type, verb, rule.body, mistakes)
    skip = frozenset(reader.path for _, reader in variables)
    query = None
    # A body that is not known leaves open what the query must carry.
    if body != "*" and (body is not None or not rule.body):
        if isinstance(body, FieldDescriptor):
            skip |= {body.name}
        query = plan_query(method.input_type, skip, plans)
        mistakes.extend(f"{refusal}; put it into the body" for refusal in query.refusals())
    response_body = None
    if rule.response_body:
        try:
            response_body = find_field(method.output_type, rule.response_body)
        except FieldPathError as error:
            mistakes.append(f"response_body: {error}")
    if mistakes:
        raise BindingError(mistakes)
    body_skip = tuple(reader.json_path for _, reader in variables) if body == "*" else ()
    return Binding(verb, template, variables, body, query, body_skip, response_body)


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
    message: Descriptor, verb: str, template: PathTemplate, mistakes: list[str]
) -> tuple[tuple[Variable, FieldReader], ...]:
    variables = []
    for variable in template.variables:
        try:
            variables.append((variable, FieldReader(message, variable.path)))
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
