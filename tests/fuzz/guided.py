"""The edge under atheris: libFuzzer looks for inputs that reach new branches of the gateway.

    python -m fuzz.guided --seconds 20 --seed 1

Ends with status 0 when the time is over, with what it found otherwise.
"""

import argparse
import asyncio
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["gateway"], enable_loader_override=False):
    from fuzz.edge import Edge, metadata_of


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    edge = Edge()
    loop.run_until_complete(edge.start())

    def one(data: bytes) -> None:
        if len(data) < 3:
            return
        pipeline = edge.pipelines[data[0] % len(edge.pipelines)]
        cut = data[1] * len(data) // 256
        request, metadata = data[2 : 2 + cut], tuple(metadata_of(data[2 + cut :]))
        loop.run_until_complete(edge.call(pipeline, request, metadata))

    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            sys.argv[0],
            f"-max_total_time={given.seconds}",
            f"-seed={given.seed}",
            "-max_len=4096",
            "-rss_limit_mb=1024",
            "-timeout=10",
            "-print_final_stats=1",
            f"-artifact_prefix={folder}/",
        ]
        atheris.Setup(arguments, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
