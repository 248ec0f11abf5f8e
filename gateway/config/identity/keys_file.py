"""API keys in a file of their own: YAML, `keys:` as in the configuration.

Rules:
1. The file is read again while the gateway runs, and what is wrong with it is logged: no
   sentence shows a value or an unknown name, only lines.
2. It is used as a whole or not at all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from seawall.config.v1.config_pb2 import ApiKey as ApiKeyMessage

from gateway.config.files import UnreadableFileError, read_bytes
from gateway.config.identity.key import key_mistakes, key_option
from gateway.interceptors.auth import ApiKey, UnreadableKeysError

_MAX_FILE_BYTES = 16 * 1024 * 1024
_MAX_DEPTH = 8
_FIELDS = frozenset(ApiKeyMessage.DESCRIPTOR.fields_by_name)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Return the keys of a file.

    Raises:
        ValueError: it cannot be used; says why, without any value of it.
        UnreadableKeysError: it could not be opened.
    """
    try:
        text = read_bytes(path, _MAX_FILE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    except UnreadableFileError as error:
        raise UnreadableKeysError(str(error)) from None
    root = _compose(text)
    nodes = _mapping(root, frozenset(("keys",))) if root is not None else {}
    keys = nodes.get("keys")
    if keys is None:
        raise ValueError("has no 'keys'")
    if not isinstance(keys, yaml.SequenceNode):
        raise ValueError(f"line {_line(keys)}: 'keys' must be a list")
    found: dict[bytes, ApiKey] = {}
    for node in keys.value:
        key = _key(node)
        if key.sha256 in found:
            raise ValueError(f"line {_line(node)}: this key is given twice")
        found[key.sha256] = key
    return tuple(found.values())


def _compose(text: str) -> yaml.Node | None:
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):  # composing recurses without a limit
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise ValueError(f"is nested deeper than {_MAX_DEPTH}")
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        raise ValueError(f"line {mark.line + 1}: is not YAML" if mark else "is not YAML") from None
    return root


def _key(node: yaml.Node) -> ApiKey:
    message = ApiKeyMessage()
    for name, value in _mapping(node, _FIELDS).items():
        if name == "roles":
            if not isinstance(value, yaml.SequenceNode):
                raise ValueError(f"line {_line(value)}: 'roles' must be a list")
            message.roles.extend(_text(role, name) for role in value.value)
        else:
            setattr(message, name, _text(value, name))
    for field, wrong in key_mistakes(message):
        raise ValueError(f"line {_line(node)}: {field} {wrong}")
    return key_option(message)


def _mapping(node: yaml.Node, known: frozenset[str]) -> Mapping[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"line {_line(node)}: must be a mapping")
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value not in known:
            raise ValueError(f"line {_line(key)}: unknown key; known: {', '.join(sorted(known))}")
        if key.value in found:
            raise ValueError(f"line {_line(key)}: {key.value!r} is given twice")
        found[key.value] = value
    return found


def _text(node: yaml.Node, name: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
        raise ValueError(f"line {_line(node)}: {name!r} must hold a text")
    value: str = node.value
    return value


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line + 1
    return line
