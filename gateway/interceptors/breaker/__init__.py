"""Circuit breakers: what fails is not called for a while, and then tried cautiously.

`machine.py` has the rules and is pure, `circuit.py` gives one machine a clock and the surface
of the circuitbreaker library, `breakers.py` keeps the circuits of one declared breaker, and
`adapters.py` puts them on the way of a call: a check before the queues, a permit just around
the attempt.
"""

from gateway.interceptors.breaker.adapters import (
    BreakerCheckInterceptor,
    BreakerPermitInterceptor,
)
from gateway.interceptors.breaker.breakers import Breakers
from gateway.interceptors.breaker.circuit import Circuit, Snapshot
from gateway.interceptors.breaker.machine import Permit
from gateway.interceptors.breaker.options import BreakerOptions, Mode
from gateway.interceptors.breaker.results import Result
from gateway.interceptors.breaker.states import State, Transition, Trigger, transitions

__all__ = [
    "BreakerCheckInterceptor",
    "BreakerOptions",
    "BreakerPermitInterceptor",
    "Breakers",
    "Circuit",
    "Mode",
    "Permit",
    "Result",
    "Snapshot",
    "State",
    "Transition",
    "Trigger",
    "transitions",
]
