"""Envoy's configuration for a case: the benchmark's own file, and what the case changes.

`bench/contenders/envoy.yaml` is the frame (listener, access log, reverse transcoder,
route, cluster). `settings/LETTER.envoy.yaml` says what an expert would have otherwise
for the case, by these keys, each replacing what the frame has under the same name:

    route:         fields of the route action (retry_policy, hedge_policy, …)
    cluster:       fields of every cluster (outlier_detection, circuit_breakers, …)
    routes:        a list of {match, route, cluster} instead of the one route; what is
                   under `route` and `cluster` is added to that of the case, and each
                   has a cluster of its own with the same endpoints
    hcm:           fields of the HTTP connection manager (local_reply_config, …)
    http_filters:  filters before the transcoder
"""

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.contenders import envoy

FRAME = Path(envoy.__file__).with_name("envoy.yaml")
_KEYS = {"route", "cluster", "routes", "hcm", "http_filters"}


def configuration(
    settings: Path, *, descriptor_set: str, port: int, endpoints: Sequence[int]
) -> dict[str, Any]:
    """Return the configuration.

    Args:
        settings: what the case changes.
        descriptor_set: file of the proto.
        port: for the gRPC listener.
        endpoints: ports of the upstream on 127.0.0.1.

    Raises:
        ValueError: the settings have a key that is not known.
    """
    text = string.Template(FRAME.read_text()).substitute(
        port=port,
        descriptor_set=descriptor_set,
        upstream_host="127.0.0.1",
        upstream_port=endpoints[0],
    )
    config: dict[str, Any] = yaml.safe_load(text)
    changes: dict[str, Any] = yaml.safe_load(settings.read_text()) or {}
    if unknown := changes.keys() - _KEYS:
        raise ValueError(f"{settings}: {', '.join(sorted(unknown))} is not one of {sorted(_KEYS)}")
    resources = config["static_resources"]
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager |= changes.get("hcm", {})
    manager["http_filters"] = [*changes.get("http_filters", []), *manager["http_filters"]]
    host = manager["route_config"]["virtual_hosts"][0]
    (route,), (cluster,) = host["routes"], resources["clusters"]
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [_endpoint(p) for p in endpoints]}]
    cluster |= changes.get("cluster", {})
    route["route"] |= changes.get("route", {})
    if "routes" in changes:
        host["routes"], resources["clusters"] = [], []
        for number, change in enumerate(changes["routes"]):
            name = f"orders-{number}"
            action = route["route"] | change.get("route", {}) | {"cluster": name}
            host["routes"].append({"match": change["match"], "route": action})
            assignment = cluster["load_assignment"] | {"cluster_name": name}
            own = change.get("cluster", {}) | {"name": name, "load_assignment": assignment}
            resources["clusters"].append(cluster | own)
    return config


def _endpoint(port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"endpoint": {"address": address}}
