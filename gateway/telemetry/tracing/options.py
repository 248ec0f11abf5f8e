"""What is said of traces."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_RATIO: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class TracingOptions:
    """See seawall.config.v1.Tracing.

    Args:
        endpoint: a URL.
        over_http: OTLP over HTTP; else over gRPC.
        headers: for the collector, names in lower case.
        ca: PEM of the authorities that are believed; None for the system's.
        ca_file: where that stands.
        sample_ratio: of calls whose callers say nothing.
        failures: calls that fail are told although they were not sampled.
        service_name: "" for what the environment says.
    """

    endpoint: str
    over_http: bool = False
    headers: Mapping[str, str]
    ca: bytes | None = None
    ca_file: Path | None = None
    sample_ratio: float = DEFAULT_RATIO
    failures: bool = True
    service_name: str = ""
