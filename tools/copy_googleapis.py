"""Copy what our protos import of googleapis from its wheel, for buf without a network."""

import shutil
import sys
from pathlib import Path

from google.api import annotations_pb2

FILES = {
    **{name: name for name in ("rpc/status.proto", "api/annotations.proto", "api/client.proto")},
    **{name: name for name in ("api/http.proto", "api/httpbody.proto", "api/launch_stage.proto")},
    "api/field_behavior.proto": "api/field_behavior.proto",
    # The wheel's name for it is its own: there is a module operations_pb2 with more in it.
    "longrunning/operations.proto": "longrunning/operations_proto.proto",
}
"""What they are called when imported, below google/, and in the wheel."""


def main() -> None:
    """Copy the files below the folder named on the command line."""
    source = Path(str(annotations_pb2.__file__)).parents[1]
    target = Path(sys.argv[1]) / "google"
    for name, there in FILES.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / there, target / name)


if __name__ == "__main__":
    main()
