"""READ FIRST. Which pipeline answers which method.

The way of a call: `ingress/handler.py` makes a Call from what grpc hands over,
asks here for the method's pipeline, and runs it. The pipeline (`chain.py`) goes
through its interceptors to a target: a REST binding (`transcode/target.py`, over
`downstream/`) or a servicer of the gateway's own (`ingress/health.py`, …).

Everything is composed at startup; finding a pipeline is one dictionary look-up.
"""

from collections.abc import Iterable, Iterator

from gateway.pipeline import Pipeline


class Dispatch:
    """The pipelines of a gateway, by path ("/panel.v1.OrderService/GetOrder")."""

    def __init__(self, pipelines: Iterable[Pipeline]) -> None:
        self._by_path = {pipeline.method.path: pipeline for pipeline in pipelines}

    def find(self, path: str) -> Pipeline | None:
        """Return the pipeline of a method, None where it is not served."""
        return self._by_path.get(path)

    def __iter__(self) -> Iterator[Pipeline]:
        return iter(self._by_path.values())

    def services(self) -> list[str]:
        """Return the full names of the services, in the order they were given."""
        return list(dict.fromkeys(p.method.service for p in self._by_path.values()))
