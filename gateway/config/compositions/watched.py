"""Streams of what a unary method answers, to options, with every mistake in them."""

from gateway.compose.watch import WatchOptions
from gateway.config.compositions.place import Place
from gateway.config.values import seconds

_LEAST_INTERVAL_S = 0.1


def is_watched(place: Place) -> bool:
    """Tell whether a method's stream is made of another's answers."""
    return bool(place.policy.polling.method) and not place.policy.polling.disabled


def watch_options(place: Place) -> WatchOptions | None:
    """Return the options of a polled stream, None where it cannot be built."""
    said, effective = place.policy.polling, place.effective
    if effective.bindings:
        place.add("polling", "the method carries google.api.http too; one of the two must go")
        return None
    if effective.method.client_streaming or not effective.method.server_streaming:
        place.add("polling", "is for methods that answer one request with a stream")
        return None
    called = place.called("polling.method", said.method)
    if called is None:
        return None
    if not called.reads_only:
        place.add("polling.method", f"{said.method} must have no side effects: it is asked often")
    if seconds(said.interval) < _LEAST_INTERVAL_S:
        place.add("polling.interval", f"must be {_LEAST_INTERVAL_S}s at least")
    own, other = effective.descriptor, called.descriptor
    request = place.mapping("polling.request", own.input_type, other.input_type, said.request)
    place.can_be_sent("polling.request", called, request)
    response = place.mapping("polling.response", other.output_type, own.output_type, said.response)
    if request is None or response is None:
        return None
    return WatchOptions(
        method=said.method,
        request=request,
        response=response,
        interval_s=seconds(said.interval),
        on_change=said.on_change,
        max_failures=said.max_failures,
        max_polls=said.max_polls,
    )
