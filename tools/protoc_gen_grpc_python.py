"""A protoc plugin that writes the gRPC stubs grpc_tools ships its generator for.

buf has no built-in grpc_python. This reads a CodeGeneratorRequest, hands its
descriptors to `grpc_tools.protoc --grpc_python_out` and returns what that wrote;
files without a service get none.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from grpc_tools import protoc


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """Return the `_pb2_grpc.py` of every requested file that declares a service."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    wanted = set(request.file_to_generate)
    files = [f.name for f in request.proto_file if f.name in wanted and f.service]
    if not files:
        return response
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder) / "in.binpb"
        descriptors.write_bytes(
            descriptor_pb2.FileDescriptorSet(file=request.proto_file).SerializeToString()
        )
        out = Path(folder) / "out"
        out.mkdir()
        status = protoc.main(
            ["protoc", f"--descriptor_set_in={descriptors}", f"--grpc_python_out={out}", *files]
        )
        if status:
            response.error = f"grpc_python failed with status {status}"
            return response
        for path in sorted(p for p in out.rglob("*") if p.is_file()):
            response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text())
    return response


if __name__ == "__main__":
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(request).SerializeToString())
