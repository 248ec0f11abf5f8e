"""The YAML file as a GatewayConfig message, every value with its line.

Reads the file and composes it to YAML nodes; `reader.py` turns those into the
message. Every mistake is reported with its line and its key's path, all at once.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import GatewayConfig

from gateway.config.files import UnreadableFileError, read_text
from gateway.config.reader import NodeReader
from gateway.core.errors import ConfigError
from gateway.state.durable.url import SqliteUrl, parse_durable_url

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64

# The same grammar in C where PyYAML was built with it: ten times faster.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """A configuration file that was read.

    Args:
        config: the message.
        path: of the file, None where there is none.
        lines: by key's path.
        emptied: paths of the lists and maps that are given as empty.
        referenced: values that came from the environment or a file, which may be secrets.

    Attributes:
        folder: what relative paths in it start from.
        referenced: as given.
    """

    def __init__(
        self,
        config: GatewayConfig,
        path: Path | None = None,
        lines: Mapping[str, int] | None = None,
        emptied: Iterable[str] = (),
        referenced: Iterable[str] = (),
    ) -> None:
        self.config = config
        self.folder = path.parent if path is not None else Path()
        self._name = str(path) if path is not None else ""
        self._lines = lines or {}
        self._emptied = tuple(emptied)
        self.referenced = frozenset(referenced)

    def where(self, key: str) -> str:
        """Return "file:line" of a key's path, or of the closest key above it."""
        while key and key not in self._lines:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        line = self._lines.get(key)
        return f"{self._name}:{line}" if line else self._name

    def emptied(self, key: str) -> frozenset[str]:
        """Return the lists and maps given as empty below `key`, by their paths from there."""
        start = f"{key}."
        return frozenset(p.removeprefix(start) for p in self._emptied if p.startswith(start))


def empty_document() -> Document:
    """Return the configuration of a start without a file."""
    return Document(GatewayConfig())


def read_document(path: Path, environ: Mapping[str, str] = os.environ) -> Document:
    """Read a configuration file.

    Raises:
        ConfigError: with every mistake in it.
    """
    root = _compose(_text(path), str(path))
    reader = NodeReader(path, environ)
    plain = reader.message(root, GatewayConfig.DESCRIPTOR, "") if root is not None else {}
    if reader.problems:
        raise ConfigError(reader.problems)
    try:
        config = json_format.ParseDict(plain, GatewayConfig())
    except json_format.ParseError as error:  # the reader should have said so, with a line
        raise ConfigError.one(str(path), str(error)) from None
    if config.state.durable:
        with suppress(ValueError):  # a mistake, which is told with the others
            url = parse_durable_url(config.state.durable)
            if isinstance(url, SqliteUrl) and not url.path.is_absolute():
                # As every path in the file: from its folder, wherever a process was started.
                place = (path.parent / url.path).absolute()
                config.state.durable = SqliteUrl(path=place).shown
    return Document(config, path, reader.lines, reader.emptied, reader.referenced)


_OPEN_REFERENCE = "${"


def _text(path: Path) -> str:
    try:
        return read_text(path, MAX_FILE_BYTES)
    except UnreadableFileError as error:
        raise ConfigError.one(str(path), str(error)) from None


def _compose(text: str, where: str) -> yaml.Node | None:
    try:
        _check_depth(text, where)
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark
        at = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark is not None else where
        line = "" if mark is None else "".join(text.splitlines()[mark.line : mark.line + 1])
        hint = '; within { } and [ ] write "${NAME}" in quotes' if _OPEN_REFERENCE in line else ""
        raise ConfigError.one(at, f"is not YAML: {error.problem}{hint}") from None
    except yaml.YAMLError as error:
        raise ConfigError.one(where, f"is not YAML: {' '.join(str(error).split())}") from None
    return root


def _check_depth(text: str, where: str) -> None:
    """Refuse deep nesting: composing recurses, in C without a limit of its own."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark: Any = event.start_mark
                at = f"{where}:{mark.line + 1}:{mark.column + 1}"
                raise ConfigError.one(at, f"is nested deeper than {MAX_DEPTH}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
