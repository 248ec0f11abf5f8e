"""The flags that `seawall`'s commands share, and what they say together."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import DEFAULT_LISTEN, DEFAULT_OPS_LISTEN, Settings
from gateway.config.resolve import Flags
from gateway.core.errors import ConfigError
from gateway.process import Scheduling

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)=(.*)", re.DOTALL)


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """From which severity on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class OutputFormat(StrEnum):
    """How answers are printed."""

    TABLE = "table"
    JSON = "json"


DescriptorSet = Annotated[
    list[Path] | None,
    typer.Option(
        "--descriptor-set",
        metavar="FILE",
        help="Binary FileDescriptorSet with imports (protoc --include_imports, buf build -o).",
        rich_help_panel="What to serve",
    ),
]
Proto = Annotated[
    list[Path] | None,
    typer.Option(
        "--proto",
        metavar="DIR",
        help="Folder of .proto files, compiled at startup. google/api and seawall/policy "
        "need not lie there.",
        rich_help_panel="What to serve",
    ),
]
Config = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="YAML: upstreams and policies. Flags beat it.",
        rich_help_panel="What to serve",
    ),
]
Service = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        metavar="NAME",
        help="Serve only this service (full name); repeatable. Default: every service with a "
        "google.api.http binding.",
        rich_help_panel="What to serve",
    ),
]
Upstream = Annotated[
    list[str] | None,
    typer.Option(
        "--upstream",
        metavar="[NAME=]URL",
        help="Base URL of the REST service; NAME= where there are several. Repeatable. "
        "Several endpoints: http://HOST:PORT,HOST:PORT.",
        rich_help_panel="What to serve",
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help=f"gRPC listener; port 0 picks a free one. Default: {DEFAULT_LISTEN}.",
        rich_help_panel="Where to listen",
    ),
]
OpsListen = Annotated[
    str | None,
    typer.Option(
        "--ops-listen",
        metavar="HOST:PORT",
        help=f"/livez, /readyz and /metrics; 'off' for none. Default: {DEFAULT_OPS_LISTEN}.",
        rich_help_panel="Where to listen",
    ),
]
Format = Annotated[OutputFormat, typer.Option("--format", "-f", help="For people or for machines.")]
LogFormatOption = Annotated[LogFormat, typer.Option("--log-format", rich_help_panel="Logs")]
LogLevelOption = Annotated[
    LogLevel,
    typer.Option("--log-level", help="'info' has a line for every call.", rich_help_panel="Logs"),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency", min=1, max=10_000, help="Attempts at one time.", rich_help_panel="Process"
    ),
]
SchedulingOption = Annotated[
    Scheduling,
    typer.Option(
        "--scheduling",
        help="'batch' serves more calls where the process has one core or less (Linux); 'normal' "
        "leaves the kernel's defaults.",
        rich_help_panel="Process",
    ),
]


def _flags(services: Sequence[str] | None, upstreams: Sequence[str] | None) -> Flags:
    named: dict[str, str] = {}
    for text in upstreams or ():
        match = _NAMED.fullmatch(text)
        name, url = match.groups() if match else ("", text)
        if name in named:
            which = f"{name!r}" if name else "without a name"
            raise ConfigError.one("--upstream", f"the upstream {which} is given twice")
        named[name] = url
    return Flags(tuple(services or ()), named)


def _once(flag: str, paths: Sequence[Path] | None) -> Path | None:
    if paths and len(paths) > 1:
        raise ConfigError.one(flag, f"is given {len(paths)} times; it can be given once")
    return paths[0] if paths else None


def settings_of(
    descriptor_set: Sequence[Path] | None,
    proto: Sequence[Path] | None,
    config: Sequence[Path] | None,
    service: Sequence[str] | None,
    upstream: Sequence[str] | None,
    listen: str | None = None,
    ops_listen: str | None = None,
) -> Settings:
    """Return what the flags of a command say.

    Raises:
        ConfigError: a flag that is given more often than it can be.
    """
    return Settings(
        descriptor_set=_once("--descriptor-set", descriptor_set),
        proto=_once("--proto", proto),
        config=_once("--config", config),
        listen=listen,
        ops_listen=ops_listen,
        flags=_flags(service, upstream),
    )
