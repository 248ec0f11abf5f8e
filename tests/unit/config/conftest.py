"""Protos and YAML, written in the tests, to what a gateway would serve."""

import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.config.document import Document, empty_document, read_document
from gateway.config.resolve import Flags, Resolved, resolve
from gateway.config.schema import Schema, compile_protos
from gateway.core.errors import ConfigError

_HEAD = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "seawall/policy/v1/policy.proto";
message Item { string id = 1; string name = 2; }
"""
HEAD_LINES = _HEAD.count("\n")

CA_PEM = """
-----BEGIN CERTIFICATE-----
MIIBdDCCARqgAwIBAgITRo++w833qZWNWJrn56V38/XMJDAKBggqhkjOPQQDAjAP
MQ0wCwYDVQQDDAR0ZXN0MCAXDTI2MTEyMjE2MjgxM1oYDzIxMjYxMDI5MTYyODEz
WjAPMQ0wCwYDVQQDDAR0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBiBy
BCyJtbcFILlnUzI7FdqehUElr6qoVVpVDXecU+AS754SP9COZqN3ViH2grjCde0I
PAMp0s931VdQMMHHSKNTMFEwHQYDVR0OBBYEFM83lOPh9WQ6/y2M0S0wNaI25RCh
MB8GA1UdIwQYMBaAFM83lOPh9WQ6/y2M0S0wNaI25RChMA8GA1UdEwEB/wQFMAMB
Af8wCgYIKoZIzj0EAwIDSAAwRQIgPM5xivMT7BXSBt4U4DXKjTjTo++P031P0I3U
/zkJ/tYCIQCOmYpVOPaltyWP7HQ99wYuyWjj9FjAbrwtHHnhfnut9A==
-----END CERTIFICATE-----
"""
"""A certificate authority that signs nothing; its key was not kept."""


@functools.cache
def schema_of(body: str) -> Schema:
    """Return the schema of shop.proto: `body` behind a head that imports what it needs."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "shop.proto").write_text(_HEAD + body)
        return compile_protos(Path(folder))


def get(name: str, more: str = "", *, returns: str = "Item") -> str:
    """Return an rpc over one line, bound to a GET."""
    path = f"/v1/{name.lower()}/{{id}}"
    return (
        f"  rpc {name}(Item) returns ({returns}) "
        f'{{ option (google.api.http) = {{get: "{path}"}}; {more} }}\n'
    )


class Given:
    """What an operator gave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def document(self, yaml: str, environ: Mapping[str, str] | None = None) -> Document:
        """Return the configuration file with this text."""
        path = self.folder / "seawall.yaml"
        path.write_text(yaml)
        return read_document(path, environ or {})

    def served(
        self,
        protos: str,
        yaml: str = "",
        *,
        services: Sequence[str] = (),
        upstreams: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Resolved:
        """Return what is served; `upstreams` are flags, by default one URL without a name."""
        document = self.document(yaml, environ) if yaml else empty_document()
        urls = {"": "http://upstream:80"} if upstreams is None else upstreams
        return resolve(schema_of(protos), document, Flags(services, urls), environ or {})

    def mistakes(self, *arguments: Any, **more: Any) -> list[str]:
        """Return the lines that `served` ends with."""
        return self._mistakes(lambda: self.served(*arguments, **more))

    def yaml_mistakes(self, yaml: str, environ: Mapping[str, str] | None = None) -> list[str]:
        """Return the lines that reading the file ends with."""
        return self._mistakes(lambda: self.document(yaml, environ))

    def _mistakes(self, read: Callable[[], object]) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            read()
        return [str(problem).replace(f"{self.folder}/", "") for problem in raised.value.problems]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(tmp_path)
