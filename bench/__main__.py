"""`python -m bench`: options in, table and JSON out.

The way of a run:
`order.py` makes the proto and the order → `upstream.py` serves it as JSON →
`rounds.py` starts the contenders (`contenders/roster.py`) and loads them in turn
with a client of `clients.py` → `report.py` prints.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import report
from bench.clients import OWN, Client, find_ghz, ghz
from bench.contenders.roster import ROOT, ROSTER, Contender
from bench.order import make_order
from bench.processes import StartError, choose_cores, pin
from bench.rounds import WARM_UP_S, BenchError, RoundOptions, measure
from bench.upstream import upstream

_DEFAULT_JSON = ROOT / "build" / "bench.json"


def _between(least: float, most: float, convert: type[int] | type[float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = convert(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return value

    return parse


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    roster = "\n".join(f"  {contender.name:<20}{contender.what}" for contender in ROSTER)
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Seawall beside Envoy and gateways written by hand: the same proto, "
        "the same order of\nabout 1.3 kB, the same REST upstream. One core for the server under "
        "test, another for load and upstream.",
        epilog=f"contenders:\n{roster}\n\n"
        "examples:\n"
        "  python -m bench                                      everyone, about three minutes\n"
        "  python -m bench --rounds 1 --seconds 1               a first look\n"
        "  python -m bench --only seawall --only hand-written   two of them\n"
        "  python -m bench --only seawall --concurrency 1       the latency of a call alone\n"
        "  python -m bench --client ghz --json build/ghz.json   confirmed by another client\n\n"
        "How to read the table: docs/benchmarks.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--seconds",
        type=_between(0.1, 60, float),
        default=3.0,
        metavar="S",
        help="load on each contender in each round (default: %(default)g)",
    )
    add(
        "--rounds",
        type=_between(1, 50, int),
        default=5,
        metavar="N",
        help="rounds; each has every contender once, medians are shown (default: %(default)s)",
    )
    add(
        "--concurrency",
        type=_between(1, 1024, int),
        default=64,
        metavar="N",
        help="calls in flight (default: %(default)s)",
    )
    add(
        "--connections",
        type=_between(1, 64, int),
        default=4,
        metavar="N",
        help="connections that the calls share (default: %(default)s)",
    )
    add(
        "--only",
        action="append",
        choices=[contender.name for contender in ROSTER],
        metavar="NAME",
        help="measure only this contender; repeatable (default: all below). Ratios need "
        "hand-written, usual-stack and pass-through",
    )
    add(
        "--client",
        choices=("own", "ghz"),
        default="own",
        help="who loads: bench/load.py, or ghz where it is installed (`make tools`)",
    )
    add(
        "--upstream",
        choices=("auto", "nginx", "python"),
        default="auto",
        help="auto is nginx where it is installed, otherwise a small asyncio server",
    )
    add(
        "--json",
        type=Path,
        default=_DEFAULT_JSON,
        metavar="FILE",
        help=f"where every figure is written (default: {_DEFAULT_JSON.relative_to(ROOT)})",
    )
    add(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="draws the order's content (default: %(default)s)",
    )
    return parser


def present(only: Sequence[str] | None) -> list[Contender]:
    """Return who takes part; who is not installed is left out, unless asked for by name.

    Raises:
        StartError: one that was asked for is not installed.
    """
    found = []
    for contender in ROSTER:
        if only and contender.name not in only:
            continue
        missing = contender.missing()
        if missing is None:
            found.append(contender)
        elif only:
            raise StartError(f"{contender.name}: {missing}")
        else:
            _say(f"bench: {contender.name} is left out. {missing}")
    return found


def client(name: str) -> Client:
    """Return the load client of that name.

    Raises:
        StartError: it is not installed.
    """
    if name == "own":
        return OWN
    found = find_ghz()
    if found is None:
        raise StartError("ghz is not installed; `make tools` installs it (needs Go)")
    return ghz(found)


def run(given: argparse.Namespace, clock: Callable[[], datetime]) -> None:
    """Measure and report."""
    contenders = present(given.only)
    options = RoundOptions(
        seconds=given.seconds,
        rounds=given.rounds,
        concurrency=given.concurrency,
        connections=given.connections,
        client=client(given.client),
    )
    cores = choose_cores()
    pin(cores.load)
    about_s = 10 + len(contenders) * options.rounds * (options.seconds + WARM_UP_S + 0.1)
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as folder:
        files = make_order(Path(folder), given.seed)
        with upstream(given.upstream, files, cores) as behind:
            _say(f"{len(contenders)} contenders over {behind.what}, about {about_s:.0f} s")
            standings = measure(contenders, behind, files, cores, options, _say)
            what = behind.what
        order = {"json_bytes": files.json_bytes, "protobuf_bytes": files.answer_bytes}
    found = report.as_json(
        standings,
        options=options,
        cores=cores,
        upstream=what,
        seed=given.seed,
        order=order,
        clock=clock,
    )
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(found, indent=2) + "\n")
    print(
        f"\n{order['json_bytes']} bytes of JSON, {order['protobuf_bytes']} of protobuf; "
        f"{options.concurrency} calls in flight over {options.connections} connections; "
        f"client {options.client.what}; upstream {what}; "
        f"medians of {options.rounds} x {options.seconds:g} s\n"
    )
    print(report.as_table(standings))
    for warning in found["warnings"]:
        print(f"\nwarning: {warning}")
    print(f"\nEvery figure: {given.json}. What the columns mean: docs/benchmarks.md")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = arguments().parse_args(argv)
    # So that SIGTERM, like Ctrl-C, ends every process on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        run(given, lambda: datetime.now(UTC))
    except (BenchError, StartError) as error:
        _say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
