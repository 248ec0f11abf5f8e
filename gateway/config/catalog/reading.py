"""The entries of the error catalog, from enum values with an option and from YAML."""

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from seawall.error.v1 import error_pb2
from seawall.error.v1.error_pb2 import ErrorEntry

from gateway.config.catalog.mistakes import CODES, entry_mistakes
from gateway.config.catalog.reasons import Catalog
from gateway.config.document import Document
from gateway.config.problems import Problems
from gateway.config.schema import Schema
from gateway.config.values import seconds
from gateway.core.catalog import Entry
from gateway.core.errors import Words
from gateway.core.status import Code


def read_catalog(schema: Schema, document: Document, problems: Problems) -> Catalog:
    """Return the catalog.

    Args:
        schema: with annotated enums.
        document: YAML.
        problems: told of entries that cannot be.
    """
    config = document.config.errors
    language = config.language or "en"
    of_packages: dict[str, dict[str, Entry]] = {}
    enums: dict[tuple[str, str], tuple[str, str]] = {}
    for enum in schema.enums():
        for name, said in _annotated(enum):
            where, at = enum.file.name, f"{enum.full_name}: {name}"
            for path, text in entry_mistakes(name, said):
                problems.add(where, f"{at}{path}: {text}")
            package = enum.file.package
            entry = _entry(name, said, config.domain or package, language)
            if (other := enums.get((package, name))) is not None:
                problems.add(where, f"{at}: is a reason of {other[0]} ({other[1]}) already")
            elif entry is not None:
                of_packages.setdefault(package, {})[name] = entry
                enums[package, name] = (enum.full_name, where)
    said_here: dict[str, Entry] = {}
    for name in sorted(config.reasons):
        entry = _entry(name, config.reasons[name], config.domain, language)
        if entry is not None:
            said_here[name] = entry
    return Catalog(said_here, of_packages, enums)


def _annotated(enum: EnumDescriptor) -> Iterator[tuple[str, ErrorEntry]]:
    prefix = _upper_snake(enum.name) + "_"
    for value in enum.values:
        if not value.has_options:
            continue
        options: Any = value.GetOptions()
        if options.HasExtension(error_pb2.entry):
            yield value.name.removeprefix(prefix), options.Extensions[error_pb2.entry]


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()


def _entry(name: str, said: ErrorEntry, domain: str, language: str) -> Entry | None:
    if said.HasField("code") and said.code not in CODES:
        return None
    return Entry(
        name=name,
        domain=domain,
        words=Words(said.title, said.message, said.action),
        language=language,
        code=Code[said.code] if said.code else None,
        should_retry=said.should_retry if said.HasField("should_retry") else None,
        retry_delay_s=seconds(said.retry_delay) if said.HasField("retry_delay") else None,
        localized={
            tag: Words(text.title, text.message, text.action)
            for tag, text in sorted(said.localized.items())
        },
    )
