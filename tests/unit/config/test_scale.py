"""A large API starts in a couple of seconds: 200 files, 5,000 methods, 10,000 messages.

Both sides are measured in processes of their own, in the same run: what the
protobuf library alone needs for the same descriptors, and `load`. Seen on two
shared cores: 0.2 s and 1.2 s, 140 MB and 90 MB (the latter with the policies and
bindings of every method).
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pb2 import FileDescriptorSet as Set
from seawall.policy.v1 import policy_pb2

ROOT = Path(__file__).parents[3]
FILES, SERVICES, METHODS, MESSAGES, FIELDS = 200, 5, 5, 50, 8

MEASURED = """
import json, sys, time
from pathlib import Path
from google.protobuf import descriptor_pb2, descriptor_pool
from gateway.app import Settings, load
from gateway.config.resolve import Flags
from gateway.config import schema

path = Path(sys.argv[2])


def rss():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def protobuf_alone():
    pool = descriptor_pool.DescriptorPool()
    for file in schema._CARRIED.values():
        pool.AddSerializedFile(file.serialized_pb)
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    methods = [
        (method, method.GetOptions(), method.input_type.fields, method.output_type.fields)
        for file in files
        for service in pool.FindFileByName(file.name).services_by_name.values()
        for method in service.methods
    ]
    return pool, methods


def seawall():
    loaded = load(Settings(descriptor_set=path, flags=Flags((), {"": "http://upstream"})), {})
    return loaded, loaded.resolved.methods


before, began = rss(), time.perf_counter()
kept = protobuf_alone() if sys.argv[1] == "protobuf" else seawall()
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "bytes": rss() - before, "methods": len(kept[1])}))
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    seconds: float
    bytes: int
    methods: int


def _file(number: int) -> FileDescriptorProto:
    package = f"big.v{number}"
    file = FileDescriptorProto(
        name=f"big/v{number}/api.proto",
        package=package,
        syntax="proto3",
        dependency=["google/api/annotations.proto", "seawall/policy/v1/policy.proto"],
    )
    kind = FieldDescriptorProto
    for i in range(MESSAGES):
        message = file.message_type.add(name=f"Message{i}")
        for f in range(FIELDS):
            message.field.add(
                name=f"field_{f}",
                json_name=f"field{f}",
                number=f + 1,
                type=kind.TYPE_STRING,
                label=1,
            )
        if i:
            of = f".{package}.Message{i - 1 if i % 5 else 0}"
            message.field.add(name="of", number=99, type=kind.TYPE_MESSAGE, type_name=of, label=1)
    for i in range(SERVICES):
        service = file.service.add(name=f"Service{i}")
        service.options.Extensions[policy_pb2.service].retry.max_attempts = 4
        for m in range(METHODS):
            message = 2 * (i * METHODS + m)
            method = service.method.add(
                name=f"Method{m}",
                input_type=f".{package}.Message{message}",
                output_type=f".{package}.Message{message + 1}",
            )
            rule = method.options.Extensions[annotations_pb2.http]
            rule.get = f"/v{number}/s{i}/m{m}/{{field_0}}/{{field_1}}"
            # A policy of its own, so that no two methods share what was merged.
            method.options.Extensions[policy_pb2.method].deadline.default.seconds = 1 + m
    _add_source_info(file)
    return file


def _add_source_info(file: FileDescriptorProto) -> None:
    """Add a location for each element, as protoc does."""
    paths: list[tuple[int, ...]] = []
    for i, message in enumerate(file.message_type):
        paths += [(4, i), (4, i, 1)]
        for f in range(len(message.field)):
            paths += [(4, i, 2, f), (4, i, 2, f, 5), (4, i, 2, f, 1), (4, i, 2, f, 3)]
    for i in range(SERVICES):
        paths += [(6, i), (6, i, 1)]
        for m in range(METHODS):
            paths += [(6, i, 2, m), *((6, i, 2, m, part) for part in (1, 2, 3, 4))]
    for line, path in enumerate(paths):
        file.source_code_info.location.add(path=path, span=[line, 0, 80])


def _cost(of: str, path: Path) -> Cost:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, of, path],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Cost(**json.loads(done.stdout))


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cost, Cost]:
    path = tmp_path_factory.mktemp("scale") / "big.binpb"
    path.write_bytes(Set(file=[_file(number) for number in range(FILES)]).SerializeToString())
    return _cost("protobuf", path), _cost("seawall", path)


def test_loading_takes_a_small_multiple_of_reading_the_descriptors(
    costs: tuple[Cost, Cost], record_property: Callable[[str, object], None]
) -> None:
    protobuf, seawall = costs
    record_property("protobuf_seconds", protobuf.seconds)
    record_property("seawall_seconds", seawall.seconds)
    print(f"\n5,000 methods: protobuf alone {protobuf.seconds:.2f} s, load {seawall.seconds:.2f} s")
    assert protobuf.methods == seawall.methods == FILES * SERVICES * METHODS
    assert seawall.seconds < 50 * protobuf.seconds


def test_loading_keeps_a_small_multiple_of_the_descriptors_memory(
    costs: tuple[Cost, Cost], record_property: Callable[[str, object], None]
) -> None:
    protobuf, seawall = costs
    record_property("protobuf_bytes", protobuf.bytes)
    record_property("seawall_bytes", seawall.bytes)
    print(f"\nprotobuf alone {protobuf.bytes / 1e6:.0f} MB, load {seawall.bytes / 1e6:.0f} MB")
    assert seawall.bytes < 2 * protobuf.bytes
