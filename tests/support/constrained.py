"""Protos with constraints, compiled by protoc for a test."""

import tempfile
from pathlib import Path
from typing import Any

from gateway.config.schema import Schema, compile_protos
from gateway.transcode.constraints import Constraints, Rules

HEAD = """syntax = "proto3";
package t.v1;
import "buf/validate/validate.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
"""


def compiled(text: str, **files: str) -> Schema:
    """Return the schema of t.proto, which is `HEAD` and `text`, and of other files."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "t.proto").write_text(HEAD + text)
        for name, other in files.items():
            Path(folder, f"{name}.proto").write_text(other)
        return compile_protos(Path(folder))


class Constrained:
    """One message type of a schema with its rules."""

    def __init__(self, schema: Schema, name: str = "M") -> None:
        descriptor = schema.pool.FindMessageTypeByName(f"t.v1.{name}")
        self.new: Any = schema.new_message(descriptor)
        constraints = Rules(schema.new_message).of(descriptor)
        assert constraints is not None
        self.constraints: Constraints = constraints

    def told(self, message: Any = None, **fields: Any) -> list[tuple[str, str]]:
        """Return path and sentence of each violation."""
        found = self.constraints.violations(self.new(**fields) if message is None else message)
        return [(violation.field, violation.description) for violation in found]
