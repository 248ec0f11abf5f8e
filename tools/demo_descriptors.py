"""Write the descriptor sets of the demo's systems to gateway/demo/NAME.binpb.

The stubs of these systems never enter a wheel; this is what `seawall demo` serves
them from. protoc compiles it (buf's descriptors differ in details), with imports, so that
the set is complete, and with the source positions of the system's own files, so
that `explain` and mistakes can name lines.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = ("panel", "cloud", "commerce", "deploy", "market")


def compile_system(name: str) -> descriptor_pb2.FileDescriptorSet:
    """Return the files below protos/NAME with everything that they import."""
    protos = ROOT / "protos"
    own = sorted(p.relative_to(protos).as_posix() for p in (protos / name).rglob("*.proto"))
    site = Path(str(grpc_tools.__file__)).parent.parent
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out.binpb"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                f"--proto_path={protos}",
                f"--proto_path={ROOT / 'build' / 'googleapis'}",  # from the googleapis wheel
                f"--proto_path={site}",  # google/protobuf
                f"--descriptor_set_out={out}",
                "--include_imports",
                "--include_source_info",
                *own,
            ],
            check=True,
        )
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    for file in files.file:
        if file.name not in own:
            file.ClearField("source_code_info")
    return files


def main() -> None:
    """Write every system's set; the same protos give the same bytes."""
    for name in SYSTEMS:
        target = ROOT / "gateway" / "demo" / f"{name}.binpb"
        target.write_bytes(compile_system(name).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
