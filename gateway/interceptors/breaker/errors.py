"""What a breaker tells a call that it does not let through."""

from gateway.core.errors import CallError, Reason, refused
from gateway.core.status import Code
from gateway.interceptors.breaker.circuit import Circuit
from gateway.interceptors.breaker.states import State


def breaker_open(upstream: str, name: str, circuit: Circuit, now: float) -> CallError:
    """Return the error: UNAVAILABLE, with the time until a probe may pass.

    A key of the breaker is not named: it may be nobody else's business.

    Args:
        upstream: whose calls the breaker watches.
        name: the breaker's, as declared.
        circuit: what refused.
        now: monotonic seconds.
    """
    probing = circuit.snapshot(now).state is State.HALF_OPEN
    stands = "tries it with other calls first" if probing else "is open"
    because = f" ({circuit.why})" if circuit.why else ""
    return refused(
        Code.UNAVAILABLE,
        Reason.BREAKER_OPEN,
        f"upstream {upstream!r} is not called: breaker {name!r} {stands}{because}",
        upstream=upstream,
        retry_after_s=circuit.refusal_s(now),
    )
