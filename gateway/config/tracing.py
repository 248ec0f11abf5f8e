"""From `tracing` of the configuration to options, and what it may not say."""

from collections.abc import Iterator, Set
from pathlib import Path
from urllib.parse import urlsplit

from seawall.config.v1.config_pb2 import Tracing

from gateway.config.files import UnreadableFileError, read_bytes
from gateway.config.url import url_mistake
from gateway.config.values import Mistake
from gateway.telemetry.tracing.options import DEFAULT_RATIO, TracingOptions
from gateway.transcode.headers import check_header_value

_MAX_CA_BYTES = 4 * 1024 * 1024


def tracing_options(tracing: Tracing, folder: Path) -> TracingOptions | None:
    """Return how calls are traced, None where they are not.

    Args:
        tracing: without mistakes.
        folder: what relative paths start from.
    """
    if not tracing.endpoint:
        return None
    ca_file = folder / tracing.ca_file if tracing.ca_file else None
    return TracingOptions(
        endpoint=tracing.endpoint,
        over_http=tracing.protocol == Tracing.HTTP,
        headers={name.lower(): value for name, value in tracing.headers.items()},
        ca=None if ca_file is None else read_bytes(ca_file, _MAX_CA_BYTES),
        ca_file=ca_file,
        sample_ratio=tracing.sample_ratio if tracing.HasField("sample_ratio") else DEFAULT_RATIO,
        failures=tracing.failures if tracing.HasField("failures") else True,
        service_name=tracing.service_name,
    )


def tracing_mistakes(tracing: Tracing, folder: Path) -> Iterator[Mistake]:
    """Yield what is wrong; paths begin at the message.

    Args:
        tracing: as it was read.
        folder: what relative paths start from.
    """
    if tracing.HasField("endpoint") and (wrong := url_mistake(tracing.endpoint)):
        yield "endpoint", wrong
    if not tracing.endpoint and tracing.ListFields():
        yield "endpoint", "must be said: the URL of a collector, such as http://collector:4317"
    if tracing.HasField("sample_ratio") and not 0 <= tracing.sample_ratio <= 1:
        yield "sample_ratio", f"must be 0 to 1, found {tracing.sample_ratio:g}"
    for name, value in sorted(tracing.headers.items()):
        if wrong_value := check_header_value(value):
            yield f"headers.{name}", wrong_value
    if not tracing.ca_file:
        return
    if urlsplit(tracing.endpoint).scheme != "https":
        yield "ca_file", "is for an https endpoint"
    try:
        read_bytes(folder / tracing.ca_file, _MAX_CA_BYTES)
    except UnreadableFileError as error:
        yield "ca_file", f"{tracing.ca_file}: {error}"


def tracing_doubts(tracing: Tracing, referenced: Set[str] = frozenset()) -> Iterator[Mistake]:
    """Yield secrets that stand in the file itself, by paths from the message."""
    for name, value in sorted(tracing.headers.items()):
        if value not in referenced:
            yield (
                f"headers.{name}",
                "stands in the file itself; ${NAME} or file:PATH keep it out of there",
            )
