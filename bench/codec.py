"""`python -m bench.codec`: the JSON codec beside google.protobuf.json_format.

Four messages, both ways, in one process: rounds are interleaved, medians are shown.
Before anything is timed, the answers of both are compared.
"""

import argparse
import importlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import google.api.annotations_pb2
import orjson
from google.protobuf import descriptor_pool, json_format
from grpc_tools import protoc

from bench.contenders.roster import ROOT
from bench.order import make_order
from gateway.transcode.codec import JsonCodec

_DEFAULT_JSON = ROOT / "build" / "bench-codec.json"
_PROTOS = Path(__file__).parent / "protos"
_CONTENDERS = ("json_format", "seawall")
_DIRECTIONS = ("parse", "print")

Call = Callable[[], Any]


class DifferenceError(Exception):
    """Two contenders read or print one message differently."""


@dataclass(frozen=True, slots=True)
class Case:
    """One message.

    Attributes:
        name: in the table.
        text: the message as JSON.
        message: the message.
    """

    name: str
    text: bytes
    message: Any


def cases(folder: Path, seed: int) -> list[Case]:
    """Return the messages that `seed` draws; their stubs are compiled into `folder`."""
    order = make_order(folder, seed).message
    status = protoc.main(
        [
            "protoc",
            f"-I{_PROTOS}",
            f"-I{Path(str(google.api.annotations_pb2.__file__)).parents[2]}",
            f"-I{Path(protoc.__file__).parent / '_proto'}",
            f"--python_out={folder}",
            "loadtest/v1/ledger.proto",
        ]
    )
    if status:
        raise RuntimeError("the benchmark's proto does not compile")
    stubs = importlib.import_module("loadtest.v1.ledger_pb2")
    small = order.customer
    large = type(order)()
    large.CopyFrom(order)
    while large.ByteSize() < 21_400:
        large.lines.extend(order.lines)
    ledger = stubs.Ledger()
    rng = random.Random(seed)
    for _ in range(40):
        name = f"entry-{rng.randrange(10**6):06d}"
        ledger.labels[name] = f"value {rng.randrange(10**6)}"
        ledger.cents_by_account[rng.randrange(2**40)] = rng.randrange(10**7)
        ledger.rates[name] = rng.random()
        ledger.lines[name].CopyFrom(rng.choice(order.lines))
    drawn = {"small": small, "order": order, "50 kB": large, "maps": ledger}
    return [
        Case(name, orjson.dumps(json_format.MessageToDict(message)), message)
        for name, message in drawn.items()
    ]


def calls(case: Case) -> dict[tuple[str, str], Call]:
    """Return what is timed, by direction and contender.

    Raises:
        DifferenceError: the contenders differ.
    """
    text, message, new = case.text, case.message, type(case.message)
    codec = JsonCodec(descriptor_pool.Default())
    parse = codec.parser(new, new.DESCRIPTOR).parse
    to_json = codec.printer(new.DESCRIPTOR).to_json
    found: dict[tuple[str, str], Call] = {
        ("parse", "json_format"): lambda: json_format.Parse(
            text, new(), ignore_unknown_fields=True
        ),
        ("parse", "seawall"): lambda: parse(text),
        ("print", "json_format"): lambda: json_format.MessageToJson(message, indent=None),
        ("print", "seawall"): lambda: to_json(message),
    }
    check(case.name, found)
    return found


def check(name: str, found: dict[tuple[str, str], Call]) -> None:
    """Raise `DifferenceError` where two contenders give different answers."""
    if found["parse", "seawall"]() != found["parse", "json_format"]():
        raise DifferenceError(f"the message {name!r} is parsed into different messages")
    one, other = (orjson.loads(found["print", contender]()) for contender in _CONTENDERS)
    if one != other:
        raise DifferenceError(f"the message {name!r} is printed as different JSON")


def measure(
    found: dict[tuple[str, str], Call], rounds: int, turn_s: float
) -> dict[tuple[str, str], list[float]]:
    """Return microseconds per call, one figure a round, everyone in turn in each."""
    times: dict[tuple[str, str], list[float]] = {key: [] for key in found}
    counts = {key: _calibrate(call, turn_s) for key, call in found.items()}
    for _ in range(rounds):
        for key, call in found.items():
            times[key].append(_time(call, counts[key]) / counts[key] * 1e6)
    return times


def _time(call: Call, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - began


def _calibrate(call: Call, turn_s: float) -> int:
    count = 1
    while (took := _time(call, count)) < turn_s / 4:
        count *= 2
    return max(1, round(count * turn_s / took))


def rows(case: Case, times: dict[tuple[str, str], list[float]]) -> Iterator[dict[str, Any]]:
    """Yield the figures of one message, direction by direction."""
    for direction in _DIRECTIONS:
        medians = {name: statistics.median(times[direction, name]) for name in _CONTENDERS}
        yield {
            "message": case.name,
            "json_bytes": len(case.text),
            "direction": direction,
            "us": medians,
            "ratio": medians["json_format"] / medians["seawall"],
            "rounds_us": {name: times[direction, name] for name in _CONTENDERS},
        }


def as_table(found: Sequence[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| message | JSON bytes |       | json_format us | seawall us | times faster |",
        "| ------- | ---------: | ----- | -------------: | ---------: | -----------: |",
    ]
    lines += [
        f"| {row['message']:<7} | {row['json_bytes']:>10,} | {row['direction']} "
        f"| {row['us']['json_format']:>14,.1f} | {row['us']['seawall']:>10,.1f} "
        f"| {row['ratio']:>12.1f} |"
        for row in found
    ]
    return "\n".join(lines)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.codec",
        description="Measure Seawall's JSON codec beside google.protobuf.json_format: the time "
        "of one call,\nfrom JSON text to a message and back, for four messages.",
        epilog="messages:\n"
        "  small    three texts\n"
        "  order    the order of `python -m bench`\n"
        "  50 kB    the same with many lines\n"
        "  maps     four maps of 40 entries: texts, integers, doubles, messages\n\n"
        "examples:\n"
        "  python -m bench.codec                 about fifteen seconds\n"
        "  python -m bench.codec --rounds 3      a first look\n\n"
        "The answers are compared first; exit status 1 says that two differ.\n"
        "How to read the table: docs/benchmarks.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--rounds",
        type=int,
        choices=range(1, 101),
        default=15,
        metavar="N",
        help="rounds; each has every contender once, medians are shown (default: %(default)s)",
    )
    add(
        "--turn-ms",
        type=int,
        choices=range(1, 1001),
        default=50,
        metavar="MS",
        help="how long each contender runs in a round (default: %(default)s)",
    )
    add(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="draws the messages' content (default: %(default)s)",
    )
    add(
        "--json",
        type=Path,
        default=_DEFAULT_JSON,
        metavar="FILE",
        help=f"where every figure is written (default: {_DEFAULT_JSON.relative_to(ROOT)})",
    )
    return parser


def run(given: argparse.Namespace, clock: Callable[[], datetime]) -> None:
    """Compare, measure and report.

    Raises:
        DifferenceError: the contenders differ.
    """
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as folder:
        drawn = [(case, calls(case)) for case in cases(Path(folder), given.seed)]
        found = [
            row
            for case, timed in drawn
            for row in rows(case, measure(timed, given.rounds, given.turn_ms / 1000))
        ]
    given.json.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "date": clock().isoformat(timespec="seconds"),
        "seed": given.seed,
        "rounds": given.rounds,
        "turn_ms": given.turn_ms,
        "python": sys.version.split()[0],
        "results": found,
    }
    given.json.write_text(json.dumps(report, indent=2) + "\n")
    print(as_table(found))
    print(
        f"\nMedians of {given.rounds} x {given.turn_ms} ms, seed {given.seed}. "
        f"Every figure: {given.json}. What the columns mean: docs/benchmarks.md"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = arguments().parse_args(argv)
    try:
        run(given, lambda: datetime.now(UTC))
    except DifferenceError as error:
        print(f"bench.codec: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
