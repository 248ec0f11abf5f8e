"""YAML nodes to what the protobuf JSON mapping takes, by the message's descriptor.

Rules:
1. A string field takes a scalar as it is written: `ops_listen: off` is "off", not
   false. Numbers are decimal, durations "1.5s", enums go by name.
2. Keys are field names or their lowerCamel twins, each once. Unknown ones are
   mistakes.
3. Nothing (an empty value) says nothing where a mapping or list could stand; an
   empty list or map, `[]` or `{}`, says that it is empty.
4. References are followed in every scalar; see `references.py`.
5. What stands where secrets do is never quoted, whatever its shape: a list where a text should
   be may hold the secret.

Knows nothing of what the fields mean, except which may name a file.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.descriptor import FieldDescriptor

from gateway.config.references import BrokenReferenceError, expand, is_file_reference, read_file
from gateway.config.suggest import for_key, for_value
from gateway.core.errors import Problem

MAX_VALUES = 1_000_000
"""Values in one file, aliases followed: a few aliases can stand for very many."""

_F = FieldDescriptor
_MAY_BE_FILE = frozenset(
    (
        "seawall.config.v1.Upstream.url",
        "seawall.policy.v1.UpstreamPolicy.url",
        "seawall.policy.v1.HeaderPolicy.SetEntry.value",
        "seawall.policy.v1.RequestPolicy.QueryEntry.value",
        "seawall.policy.v1.WebhookPolicy.secrets",
        "seawall.policy.v1.UpstreamCredentials.bearer_token",
        "seawall.policy.v1.UpstreamCredentials.HeadersEntry.value",
        "seawall.policy.v1.BasicCredentials.username",
        "seawall.policy.v1.BasicCredentials.password",
        "seawall.policy.v1.OAuth2Credentials.client_id",
        "seawall.policy.v1.OAuth2Credentials.client_secret",
        "seawall.config.v1.State.shared",
        "seawall.config.v1.State.durable",
        "seawall.config.v1.Tracing.HeadersEntry.value",
    )
)
_DURATION = re.compile(r"([0-9]{1,12})(\.[0-9]{1,9})?s")
_MAX_DURATION_S = 315_576_000_000
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,19})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_INTEGERS = {
    _F.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    _F.CPPTYPE_UINT32: (0, 2**32 - 1),
    _F.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    _F.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_SECRET_PLACES = frozenset(
    ("credentials", "secrets", "api_keys", "set", "query", "shared", "durable", "tracing")
)
"""Keys below which a value may be a secret."""
_MERGE_KEY = "tag:yaml.org,2002:merge"


class NodeReader:
    """Reads one file's nodes.

    Args:
        path: of the file, for mistakes and relative references.
        environ: for `${NAME}`.

    Attributes:
        lines: by key's path, where it stands.
        emptied: paths of lists and maps that are given as empty.
        problems: every mistake.
    """

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._values = 0
        self.lines: dict[str, int] = {}
        self.emptied: list[str] = []
        self.referenced: set[str] = set()
        self.problems: list[Problem] = []

    def message(self, node: yaml.Node, descriptor: Any, at: str) -> dict[str, Any]:
        """Return a mapping as the JSON mapping of the message that `descriptor` describes."""
        plain: dict[str, Any] = {}
        for key, key_node, value in self._items(node, at):
            field = _field(descriptor, key)
            path = f"{at}.{field.name if field else key}".lstrip(".")
            if field is None:
                self._problem(key_node, path, f"unknown key{for_key(key, descriptor, at)}")
            elif path in self.lines:
                self._twice(key_node, path)
            else:
                self.lines[path] = _line(key_node)
                if not (_is_null(value) and (field.is_repeated or _is_mapping(field))):
                    plain[field.name] = self._field(value, field, path)
        return plain

    def _problem(self, node: yaml.Node, key: str, text: str) -> None:
        where = f"{self._path}:{_line(node)}"
        self.problems.append(Problem(where, f"{key}: {text}" if key else text))

    def _twice(self, node: yaml.Node, path: str) -> None:
        self._problem(node, path, f"is given twice, first on line {self.lines[path]}")

    def _items(self, node: yaml.Node, at: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        if _is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, at, f"expected a mapping, found {_kind(node, at)}")
            return
        for key, value in node.value:
            self._values += 1
            if self._values > MAX_VALUES:
                if self._values == MAX_VALUES + 1:
                    self._problem(key, at, f"the file comes to more than {MAX_VALUES} values")
                return
            if not isinstance(key, yaml.ScalarNode):
                self._problem(key, at, "a key must be a plain word")
            elif key.tag == _MERGE_KEY:
                self._problem(
                    key, at, "merge keys (<<) are not taken; the levels of policy serve for that"
                )
            else:
                yield key.value, key, value

    def _field(self, node: yaml.Node, field: FieldDescriptor, path: str) -> Any:
        if not field.is_repeated:
            return self._one(node, field, path)
        if isinstance(node, yaml.CollectionNode) and not node.value:
            self.emptied.append(path)
        if _is_map(field):
            return self._map(node, field, path)
        if not isinstance(node, yaml.SequenceNode):
            self._problem(node, path, f"expected a list, found {_kind(node, path)}")
            return []
        plain = []
        for i, item in enumerate(node.value):
            self.lines[f"{path}[{i}]"] = _line(item)
            plain.append(self._one(item, field, f"{path}[{i}]"))
        return plain

    def _map(self, node: yaml.Node, field: FieldDescriptor, path: str) -> dict[str, Any]:
        entry: Any = field.message_type
        plain: dict[str, Any] = {}
        for key, key_node, value in self._items(node, path):
            at = f"{path}.{key}"
            if key in plain:
                self._twice(key_node, at)
                continue
            self.lines[at] = _line(key_node)
            _, wrong = _scalar(key, entry.fields_by_name["key"])
            if wrong:
                self._problem(key_node, at, f"the key: {wrong}")
            plain[key] = self._one(value, entry.fields_by_name["value"], at)
        return plain

    def _one(self, node: yaml.Node, field: FieldDescriptor, path: str) -> Any:
        if _is_mapping(field):
            if isinstance(node, yaml.ScalarNode) and not _is_null(node):
                hint = "" if _holds_secrets(path) else for_value(node.value, field)
                self._problem(node, path, f"expected a mapping, found {_kind(node, path)}{hint}")
                return None
            return self.message(node, field.message_type, path)
        if not isinstance(node, yaml.ScalarNode) or _is_null(node):
            self._problem(node, path, f"expected {_expected(field)}, found {_kind(node, path)}")
            return None
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._problem(node, path, f"the tag {node.tag!r} means nothing here")
            return None
        try:
            text = expand(node.value, self._environ)
            if field.full_name in _MAY_BE_FILE and is_file_reference(text):
                text = read_file(text, self._path.parent)
        except BrokenReferenceError as error:
            self._problem(node, path, str(error))
            return None
        if text != node.value:
            self.referenced.add(text)
        value, wrong = _scalar(text, field)
        if wrong:
            # As it is written: what a reference stands for may be a secret.
            hint = "" if _holds_secrets(path) else for_value(node.value, field)
            self._problem(node, path, f"{wrong}, found {_kind(node, path)}{hint}")
        return value


def _scalar(text: str, field: FieldDescriptor) -> tuple[Any, str]:
    """Return the value for the JSON mapping, and what is wrong with it."""
    expected = f"expected {_expected(field)}"
    if field.cpp_type == _F.CPPTYPE_STRING:
        return text, ""
    if field.message_type is not None:
        match = _DURATION.fullmatch(text)
        return text, "" if match and int(match[1]) <= _MAX_DURATION_S else expected
    if field.enum_type is not None:
        known = field.enum_type.values_by_name.get(text)
        return text, "" if known is not None and known.number else expected
    if field.cpp_type == _F.CPPTYPE_BOOL:
        return text.lower() == "true", "" if text.lower() in ("true", "false") else expected
    if field.cpp_type not in _INTEGERS:
        return (float(text), "") if _NUMBER.fullmatch(text) else (0, expected)
    low, high = _INTEGERS[field.cpp_type]
    fits = _WHOLE.fullmatch(text) and low <= int(text) <= high
    return (int(text), "") if fits else (0, expected)


def _expected(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return 'a duration such as "1.5s"'
    if field.enum_type is not None:
        return "one of " + ", ".join(v.name for v in field.enum_type.values if v.number)
    if field.cpp_type == _F.CPPTYPE_STRING:
        return "a text"
    if field.cpp_type == _F.CPPTYPE_BOOL:
        return "true or false"
    if field.cpp_type not in _INTEGERS:
        return "a number"
    low, high = _INTEGERS[field.cpp_type]
    return f"a whole number from {low} to {high}"


def _field(descriptor: Any, key: str) -> FieldDescriptor | None:
    by_name: FieldDescriptor | None = descriptor.fields_by_name.get(key)
    if by_name is not None:
        return by_name
    return next((f for f in descriptor.fields if f.json_name == key), None)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _is_mapping(field: FieldDescriptor) -> bool:
    """Tell whether a value of `field` is written as a YAML mapping."""
    kind = field.message_type
    return kind is not None and kind.full_name != "google.protobuf.Duration"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _holds_secrets(path: str) -> bool:
    return any(part in _SECRET_PLACES for part in re.split(r"[.\[]", path))


def _kind(node: yaml.Node, path: str) -> str:
    if _is_null(node):
        return "nothing"
    if isinstance(node, yaml.ScalarNode):
        return "a text (not shown)" if _holds_secrets(path) else repr(node.value[:80])
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line + 1
    return line
