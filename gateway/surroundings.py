"""What every pipeline of a process is made with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from gateway.core.clock import Clock, Rng
from gateway.core.events import Events
from gateway.core.peer import PeerAddress
from gateway.interceptors.auth import ListenerAuth, Providers
from gateway.interceptors.overload.guard import OverloadGuard
from gateway.interceptors.serialize import Turns
from gateway.state.answers import AnswerStore
from gateway.state.limits import LimitStore
from gateway.state.operations import OperationStore
from gateway.state.records import RecordStore
from gateway.state.turns import TicketStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What every pipeline of a process is made with.

    Args:
        clock: for everything that waits or measures.
        rng: for everything that draws.
        events: told what happens.
        overload: the guard of the process, None where it is off.
        trusted: tells whether a peer's word on criticality is believed.
        providers: of identities, None where there are none.
        listeners: what listeners say of callers, by their addresses.
        limits: counts calls.
        peer: the address that a call is counted by.
        credential_metadata: keys of metadata that identity providers read credentials from.
        answers: keeps answers, None where nothing is kept.
        records: keeps the keys of calls that must not happen twice, None where there are none.
        operations: keeps calls that are made later, None where there are none.
        tickets: keeps turns that processes share, None where there are none.
        turns: by what is serialized together.
        traced: whether calls may be traced.
        ending_streams: what ends long streams when the process begins to end.
        ending: what is to be ended when no calls come any more, in its order; each is told until
            when it has time, in monotonic seconds.
    """

    clock: Clock
    rng: Rng
    events: Events
    overload: OverloadGuard | None = None
    trusted: Callable[[str], bool] | None = None
    providers: Providers | None = None
    listeners: Mapping[str, ListenerAuth] = field(default_factory=dict)
    limits: LimitStore | None = None
    peer: PeerAddress = field(default_factory=PeerAddress)
    credential_metadata: frozenset[str] = frozenset()
    answers: AnswerStore | None = None
    records: RecordStore | None = None
    operations: OperationStore | None = None
    tickets: TicketStore | None = None
    turns: dict[str, Turns] = field(default_factory=dict)
    traced: bool = False
    ending_streams: list[Callable[[], None]] = field(default_factory=list)
    ending: list[Callable[[float], Awaitable[None]]] = field(default_factory=list)
