"""Copy what our protos import of googleapis from its wheel, for buf without a network."""

import shutil
import sys
from pathlib import Path

from google.api import annotations_pb2

FILES = ("api/annotations.proto", "api/http.proto", "api/httpbody.proto", "rpc/status.proto")
"""Below google/."""


def main() -> None:
    """Copy the files below the folder named on the command line."""
    source = Path(str(annotations_pb2.__file__)).parents[1]
    target = Path(sys.argv[1]) / "google"
    for name in FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, target / name)


if __name__ == "__main__":
    main()
