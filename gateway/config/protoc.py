"""protoc on a folder of .proto files, as a process of its own.

It ends at the first file that does not compile; so that all mistakes are told,
the files of a folder with a mistake are then compiled one by one as well.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.core.errors import ConfigError, Problem

_EACH = """
import sys
from grpc_tools import protoc
for name in sys.stdin.read().splitlines():
    print("\\0" + name, file=sys.stderr, flush=True)
    protoc.main(["protoc", *sys.argv[1:], name])
"""
_LINE = re.compile(r"(?P<where>(?P<file>.+?\.proto)(:\d+){0,2}): (?P<text>.*)")
_UNKNOWN_OPTION = re.compile(r'Option "\((?P<package>[\w.]+)\.(?P<name>\w+)\)" unknown')
_OPTION_FILES = {
    "google.api": "google/api/annotations.proto",
    "seawall.policy.v1": "seawall/policy/v1/policy.proto",
    "seawall.error.v1": "seawall/error/v1/error.proto",
    "buf.validate": "buf/validate/validate.proto",
}
_FOLLOWS = re.compile(r'Import "(?P<file>.+)" was not found or had errors\.')


def run_protoc(folder: Path, names: Sequence[str], carried: FileDescriptorSet) -> FileDescriptorSet:
    """Return the descriptors of `names` with their imports and source info.

    Args:
        folder: import root.
        names: of files, relative to it.
        carried: what they may import from elsewhere.

    Raises:
        ConfigError: a line for each mistake, with file, line and column.
    """
    with tempfile.TemporaryDirectory() as scratch:
        imports, out = Path(scratch, "imports.binpb"), Path(scratch, "out.binpb")
        imports.write_bytes(carried.SerializeToString())
        arguments = [
            "--proto_path=.",  # a path in this option ends at a colon
            f"--descriptor_set_in={imports}",
            f"--descriptor_set_out={out}",
            "--include_imports",
            "--include_source_info",
        ]
        done = _python(folder, ["-m", "grpc_tools.protoc", *arguments, *names])
        if done.returncode == 0:
            return FileDescriptorSet.FromString(out.read_bytes())
        each = _python(folder, ["-c", _EACH, *arguments], "\n".join(names))
    runs = [done.stderr, *each.stderr.split("\0")]
    found = dict.fromkeys(mistake for run in runs for mistake in _mistakes(run, set(names)))
    problems = [Problem(str(folder / where), text) for where, text in sorted(found, key=_place)]
    why = " ".join(done.stderr.split()) or "protoc failed without a message"
    raise ConfigError(problems or [Problem(str(folder), why)])


def _python(
    folder: Path, arguments: Sequence[str], text: str = ""
) -> subprocess.CompletedProcess[str]:
    # -P: nothing that lies in the folder is imported as Python.
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _mistakes(stderr: str, names: set[str]) -> Iterator[tuple[str, str]]:
    """Yield place and text of what one run complained of in `names`.

    A missing file is told where it is imported. A file whose import has mistakes is
    left out: its own may only follow from them, and are told once those are mended.
    """
    lines = [match for line in stderr.splitlines() if (match := _LINE.fullmatch(line))]
    follow = set()
    for line in lines:
        cause = _FOLLOWS.fullmatch(line["text"])
        if cause is not None and cause["file"] in names:
            follow.add(line["file"])
    for line in lines:
        is_own = line["file"] in names and line["file"] not in follow
        if is_own and not line["text"].startswith("warning:"):
            yield line["where"], _hinted(line["text"])


def _hinted(text: str) -> str:
    """Return protoc's sentence, or a better one where the way out is known."""
    unknown = _UNKNOWN_OPTION.match(text)
    file = _OPTION_FILES.get(unknown["package"]) if unknown is not None else None
    if unknown is None or file is None:
        return text
    return f'the option ({unknown["package"]}.{unknown["name"]}) is unknown; add: import "{file}";'


def _place(mistake: tuple[str, str]) -> tuple[str, list[int]]:
    file, *numbers = mistake[0].rsplit(":", 2) if ":" in mistake[0] else (mistake[0],)
    return file, [int(number) for number in numbers]
