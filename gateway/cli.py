"""`seawall`: the command line.

Every command reads the same flags, says all mistakes at once, a line each, and
ends with status 1 (2 for a wrong use of the command line itself).
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from gateway import __version__, process, report
from gateway import explain as explanation
from gateway.app import Gateway, Loaded, Settings, load
from gateway.config.state import DEFAULT_WORKERS
from gateway.core.errors import ConfigError, Problem
from gateway.demo import run as demo_run
from gateway.flags import (
    Concurrency,
    Config,
    DescriptorSet,
    Format,
    Listen,
    LogFormat,
    LogFormatOption,
    LogLevel,
    LogLevelOption,
    OpsListen,
    OutputFormat,
    Proto,
    SchedulingOption,
    Service,
    Upstream,
    settings_of,
)
from gateway.process import Scheduling
from gateway.telemetry.logs import AccessLog, configure

app = typer.Typer(
    name="seawall",
    help="A gRPC reliability gateway: any annotated proto, over the REST services behind it.",
    epilog="Try it: seawall demo. Begin with: seawall serve --proto protos --upstream http://HOST",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@contextmanager
def _mistakes_told() -> Iterator[None]:
    """Print what the operator got wrong, a line each, and end with status 1."""
    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            print(f"seawall: {_one_line(problem)}", file=sys.stderr)
        raise typer.Exit(1) from None


def _one_line(problem: Problem) -> str:
    return " ".join(str(problem).split())


@app.command()
def serve(
    descriptor_set: DescriptorSet = None,
    proto: Proto = None,
    config: Config = None,
    service: Service = None,
    upstream: Upstream = None,
    listen: Listen = None,
    ops_listen: OpsListen = None,
    log_format: LogFormatOption = LogFormat.CONSOLE,
    log_level: LogLevelOption = LogLevel.INFO,
    scheduling: SchedulingOption = Scheduling.BATCH,
) -> None:
    """Serve the protos as gRPC until SIGTERM or SIGINT, then drain.

    Example: seawall serve --descriptor-set api.binpb --upstream http://localhost:8080
    """
    log = configure(log_format, log_level)
    # What startup builds stays until the end: looking through it for garbage, now and while
    # serving, is half of the time that a large API takes to start.
    gc.disable()
    with _mistakes_told():
        settings = settings_of(descriptor_set, proto, config, service, upstream, listen, ops_listen)
        process.run(run(settings, load(settings), log), scheduling)


@app.command()
def worker(
    descriptor_set: DescriptorSet = None,
    proto: Proto = None,
    config: Config = None,
    service: Service = None,
    upstream: Upstream = None,
    ops_listen: OpsListen = None,
    concurrency: Concurrency = DEFAULT_WORKERS,
    log_format: LogFormatOption = LogFormat.CONSOLE,
    log_level: LogLevelOption = LogLevel.INFO,
    scheduling: SchedulingOption = Scheduling.BATCH,
) -> None:
    """Make durable operations that gateways have accepted, and serve nothing.

    Give it the protos and the configuration of those gateways: they meet in state.durable.
    With `state: {workers: 0}` the gateways leave all operations to workers.

    Example: seawall worker --config seawall.yaml --concurrency 32
    """
    log = configure(log_format, log_level)
    gc.disable()
    with _mistakes_told():
        settings = settings_of(descriptor_set, proto, config, service, upstream, None, ops_listen)
        loaded = load(settings)
        if not loaded.resolved.has_operations:
            raise ConfigError.one(
                "", "no method has `operation` in its policy: there is nothing to work on"
            )
        settings = replace(settings, workers=concurrency)
        process.run(run(settings, loaded, log), scheduling)


async def run(settings: Settings, loaded: Loaded, log: AccessLog) -> None:
    """Serve until a signal, then drain; a second signal ends at once."""
    gateway = Gateway(settings, loaded, listeners=[log])
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop, number)
    await gateway.start()
    try:
        gc.collect()
        gc.freeze()
        gc.enable()
        if settings.workers is None:
            report.serving(loaded, gateway.addresses, gateway.ops_address, gateway.kept_at)
        else:
            report.working(loaded, settings.workers, gateway.ops_address, gateway.kept_at)
        await stop.wait()
    finally:
        await gateway.stop()


def _on_signal(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        os._exit(128 + number)
    stop.set()


@app.command()
def check(
    descriptor_set: DescriptorSet = None,
    proto: Proto = None,
    config: Config = None,
    service: Service = None,
    upstream: Upstream = None,
) -> None:
    """Check protos, bindings, configuration and flags, without serving.

    Prints a line for every mistake, with file, method and column, and ends with
    status 1; nothing but a summary, and status 0, where there is none.
    """
    with _mistakes_told():
        loaded = load(settings_of(descriptor_set, proto, config, service, upstream))
        report.checked(loaded)


@app.command()
def routes(
    descriptor_set: DescriptorSet = None,
    proto: Proto = None,
    config: Config = None,
    service: Service = None,
    upstream: Upstream = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """List every served method with its verb, path, body and upstream."""
    with _mistakes_told():
        loaded = load(settings_of(descriptor_set, proto, config, service, upstream))
        report.routes(loaded, as_json=output is OutputFormat.JSON)


@app.command()
def explain(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="pkg.Service/Method, as grpcurl writes it.")
    ],
    descriptor_set: DescriptorSet = None,
    proto: Proto = None,
    config: Config = None,
    service: Service = None,
    upstream: Upstream = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Print the effective policy of a method, and where each value came from."""
    with _mistakes_told():
        loaded = load(settings_of(descriptor_set, proto, config, service, upstream))
        explanation.explain(loaded, method, as_json=output is OutputFormat.JSON)


@app.command()
def key(
    caller: Annotated[str, typer.Argument(metavar="CALLER", help="Whose key it is.")],
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="What the caller may do; repeatable."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="WHEN",
            help="From when on it is refused: 90d, 2027-01-31 or 2027-01-31T12:00:00Z. "
            "Default: never.",
        ),
    ] = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Make an API key, and print it once with what the configuration needs of it.

    Example: seawall key billing --role admin --expires 90d
    """
    with _mistakes_told():
        report.new_api_key(caller, role or [], expires, as_json=output is OutputFormat.JSON)


@app.command()
def demo(
    listen: Listen = None,
    ops_listen: OpsListen = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="Of the simulated service's data and of how it misbehaves. Default: 0.",
        ),
    ] = 0,
    log_format: LogFormatOption = LogFormat.CONSOLE,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Serve panel.v1 over a simulated REST service, and print calls to try.

    Example: seawall demo
    """
    configure(log_format, log_level)
    with _mistakes_told():
        asyncio.run(demo_run.run(listen, ops_listen, seed))


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"seawall {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="seawall")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of what is printed has gone: `| head`
        sys.stdout = None
        sys.exit(1)
