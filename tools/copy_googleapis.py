"""Copy google/api/{annotations,http}.proto from the installed wheel, for buf without a network."""

import shutil
import sys
from pathlib import Path

from google.api import annotations_pb2


def main() -> None:
    """Copy both files into the folder named on the command line."""
    source = Path(str(annotations_pb2.__file__)).parent
    target = Path(sys.argv[1])
    for name in ("annotations.proto", "http.proto"):
        shutil.copy(source / name, target / name)


if __name__ == "__main__":
    main()
