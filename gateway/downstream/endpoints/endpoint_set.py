"""The endpoints of one upstream, as `core.endpoint.Endpoints`.

Where it stands: `interceptors/endpoint.py` → here → a member's client. It ties the
machines beside it together and decides nothing that they can decide.

Rules:
1. Attempts choose among the usable endpoints: those that are well; where fewer than
   `panic_threshold` of all are, every one but those that cannot be connected to. The list
   is made when something changes, never for a call.
2. A failure, for ejection and balancing: the upstream failed (Kind.FAILURE), without a
   status or with one from 500. 4xx, too large answers, cancellations and the gateway's
   own refusals are neither failure nor success.
3. Nothing that fails out there is raised here: not when it is made, not in `start`.
4. An endpoint that is no longer found is chosen no more; its unused connections are
   closed at once, the others when what uses them has ended.
5. `on_reachable` is called, and UpstreamReachability emitted, when the first endpoint can
   be connected to again; the event also when the last no longer can.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from gateway.core.clock import Clock, Rng
from gateway.core.endpoint import Endpoint
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.events import EndpointChanged, Events, UpstreamReachability
from gateway.core.outcome import Kind, Outcome
from gateway.core.state import EndpointState
from gateway.downstream.dial import place_of
from gateway.downstream.endpoints.balance import Balancer
from gateway.downstream.endpoints.discovery import MAX_ENDPOINTS, Directory, Place, shown
from gateway.downstream.endpoints.member import Member, MemberMaker, State
from gateway.downstream.endpoints.options import Discovery, EndpointOptions
from gateway.downstream.endpoints.outliers import Change
from gateway.downstream.endpoints.reachability import failed_to_connect
from gateway.downstream.endpoints.watch import Ejector, HealthChecker, Prober, Tasks
from gateway.downstream.resolve import Resolve, resolve_by_system

_NEVER = float("inf")


class EndpointSet:
    """`core.endpoint.Endpoints`. Must be made on the running event loop.

    Args:
        options: which there are, and how they are treated.
        clock: for everything that waits or fades.
        rng: draws endpoints and jitter.
        events: where changes are told.
        on_reachable: called when the first endpoint can be connected to again.
        resolve: knows the addresses of names.
    """

    def __init__(
        self,
        options: EndpointOptions,
        clock: Clock,
        rng: Rng,
        events: Events,
        on_reachable: Callable[[], None] | None = None,
        *,
        resolve: Resolve = resolve_by_system,
    ) -> None:
        self.name = options.client.name
        self.last_failure = ""
        """Why the last connection failed, for people; "" where none has."""
        self._options = options
        self._clock = clock
        self._rng = rng
        self._events = events
        self._on_reachable = on_reachable
        self._balancer = Balancer(options.balancing)
        self._ejector: Ejector | None = None
        several = len(options.addresses) > 1 or options.mode is Discovery.ADDRESSES
        if options.outlier is not None and several:
            self._ejector = Ejector(options.outlier, clock, self._say)
        self._prober, self._checker = self._watchers(options)
        reachability = options.reachability
        self._verifies = reachability is not None and reachability.consecutive_failures > 1
        self._maker = MemberMaker(options, clock, rng, resolve, self._connected)
        self._members: dict[Place, Member] = {}
        self._leaving: set[Member] = set()
        self._usable: list[Member] = []
        self._reachable = True
        self._left_out = 0
        self._tasks = Tasks()
        self._started = self._closed = False
        self._directory = Directory(
            options.addresses or [place_of(options.client.url)],
            options.mode,
            options.refresh_interval_s,
            resolve=resolve,
            clock=clock,
            rng=rng,
            changed=self._take_over,
        )
        self._take_over()

    def _watchers(self, options: EndpointOptions) -> tuple[Prober | None, HealthChecker | None]:
        clock, rng = self._clock, self._rng
        probes, checks = options.reachability, options.health
        return (
            Prober(probes, clock, rng, self._probed) if probes else None,
            HealthChecker(checks, clock, rng, self._checked) if checks else None,
        )

    # What attempts ask

    def choose(self, tried: Sequence[Endpoint], now: float, *, timed: bool = True) -> Member | None:
        """Return where the next attempt goes, and count it as under way; None for nowhere."""
        usable = self._usable
        if len(usable) == 1:
            chosen = usable[0]
        elif usable:
            chosen = self._balancer.pick(usable, tried, now, self._rng)
        else:
            return None
        chosen.take(now, timed=timed)
        return chosen

    def refusal_s(self, now: float) -> float | None:
        """Return when something may have changed, in seconds: the next probe, or a return."""
        probes_at = [m.probe_at for m in self._members.values() if m.state is State.UNREACHABLE]
        if probes_at and self._options.reachability is not None:
            wait_s = min(probes_at) - now  # below zero while a probe is under way
            return wait_s if wait_s > 0 else self._options.reachability.probe_interval_s
        due_at = _NEVER if self._ejector is None else self._ejector.due_at
        return None if due_at == _NEVER else max(0.0, due_at - now)

    def ended(
        self, endpoint: Endpoint, outcome: Outcome | None, duration_s: float | None, now: float
    ) -> None:
        """Take note that an attempt there is over; no outcome where it was cancelled."""
        assert isinstance(endpoint, Member)
        endpoint.give_back(now, timed=duration_s is not None)
        duration_s = duration_s or 0.0
        if outcome is None:
            self._balancer.lasted(endpoint, duration_s, now)
        elif outcome.error is None:
            self._balancer.succeeded(endpoint, duration_s, now)
            if endpoint.reachability.failures:
                endpoint.reachability.got_through()
            if endpoint.record is not None and self._ejector is not None:
                self._ejector.succeeded(endpoint.record, now)
        else:
            self._failed(endpoint, outcome, outcome.error, duration_s, now)
        if endpoint.state is State.REMOVED and not endpoint.in_flight and not self._closed:
            self._tasks.spawn(self._dismiss(endpoint))

    def _failed(
        self, member: Member, outcome: Outcome, error: CallError, duration_s: float, now: float
    ) -> None:
        if _got_through(outcome, error):
            member.reachability.got_through()
        if not is_failure(outcome):
            self._balancer.lasted(member, duration_s, now)
            return
        self._balancer.failed(member, duration_s, now)
        if member.record is not None and self._ejector is not None:
            self._ejector.failed(member.record, now)

    # What operators ask

    def states(self) -> list[EndpointState]:
        """Return how each endpoint is."""
        return [
            EndpointState(
                address=m.address,
                state=m.state.value,
                in_flight=m.in_flight,
                latency_s=m.latency_s or None,
            )
            for m in self._members.values()
        ]

    @property
    def reachable(self) -> bool:
        """Whether any endpoint can be connected to, as far as anybody knows."""
        return self._reachable

    def start(self) -> None:
        """Begin to look names up, and to ask for health. Waits for nothing."""
        self._started = True
        for name in self._directory.names:
            self._tasks.spawn(self._directory.watch(name))
        for member in self._members.values():
            self._watch_health(member)

    async def close(self) -> None:
        """End what waits, close every connection, and fail every call."""
        self._closed = True
        if self._ejector is not None:
            self._ejector.stop()
            self._ejector = None
        await self._tasks.cancel()
        everyone = [*self._members.values(), *self._leaving]
        await asyncio.gather(*(member.client.close() for member in everyone))

    # Which there are

    def _take_over(self) -> None:
        """Make the members those that the directory knows."""
        if self._closed:
            return
        places = self._directory.places
        wanted = dict.fromkeys(places[:MAX_ENDPOINTS])
        for place in [place for place in wanted if place not in self._members]:
            self._add(place)
        for place in [place for place in self._members if place not in wanted]:
            self._remove(place)
        left_out = len(places) - len(wanted)
        if left_out and left_out != self._left_out:
            why = f"{left_out} more than {MAX_ENDPOINTS} endpoints are not used"
            address = shown(places[MAX_ENDPOINTS])
            self._events.emit(EndpointChanged(self.name, address, State.REMOVED.value, why))
        self._left_out = left_out
        self._rebuild("its endpoints are others")

    def _add(self, place: Place) -> None:
        record = None if self._ejector is None else self._ejector.add()
        self._members[place] = member = self._maker.new(place, record)
        if self._started:
            self._tell(member, "it was found")
            self._watch_health(member)

    def _remove(self, place: Place) -> None:
        member = self._members.pop(place)
        member.state = State.REMOVED
        self._tell(member, "it is no longer found")
        for watcher in member.watchers:
            watcher.cancel()
        member.connections.retire()
        self._leaving.add(member)
        if not member.in_flight:
            self._tasks.spawn(self._dismiss(member))
        if self._ejector is not None and member.record is not None:
            self._ejector.remove(member.record)
            member.record = None

    async def _dismiss(self, member: Member) -> None:
        await member.client.close()
        self._leaving.discard(member)

    # How they are

    def _connected(self, member: Member, failure: CallError | None, began_at: float) -> None:
        if failure is None:
            member.reachability.got_through()
        elif failed_to_connect(failure):
            self.last_failure = _words(failure)
            if member.reachability.failed(began_at):
                self._changed(member, self.last_failure)
            elif self._verifies and member.reachability.failures == 1 and not self._closed:
                assert self._prober is not None
                self._watch(member, self._prober.verify(member))

    def _probed(self, member: Member, failure: CallError | None) -> None:
        if failure is not None:
            self.last_failure = _words(failure)
        elif member.reachability.probed(self._clock.now()):
            if member.record is not None:
                member.record.clear()
            self._changed(member, "a probe connected")

    def _checked(self, member: Member, well: bool, why: str) -> None:
        if member.health is not None and member.health.answered(well=well):
            self._changed(member, f"its health check {why or 'is good'}")

    def _say(self, changes: Sequence[Change]) -> None:
        for change in changes:
            for member in self._members.values():
                if member.record is change.record:
                    self._changed(member, change.why)

    def _changed(self, member: Member, why: str) -> None:
        state = member.look()
        if state is member.state or self._closed:
            return
        if state is State.HEALTHY:
            member.forget()
        member.state = state
        self._tell(member, why)
        if state is State.UNREACHABLE and self._prober is not None:
            self._watch(member, self._prober.run(member))
        self._rebuild(why)

    def _rebuild(self, why: str) -> None:
        members = list(self._members.values())
        usable = [member for member in members if member.state is State.HEALTHY]
        if len(usable) < self._options.panic_threshold * len(members):
            usable = [member for member in members if member.state is not State.UNREACHABLE]
        self._usable = usable
        reachable = any(member.state is not State.UNREACHABLE for member in members)
        if reachable is not self._reachable:
            self._reachable = reachable
            self._events.emit(UpstreamReachability(self.name, reachable, why))
            if reachable and self._on_reachable is not None:
                self._on_reachable()

    def _tell(self, member: Member, why: str) -> None:
        self._events.emit(EndpointChanged(self.name, member.address, member.state.value, why))

    def _watch_health(self, member: Member) -> None:
        if self._checker is not None:
            self._watch(member, self._checker.run(member))

    def _watch(self, member: Member, loop: Coroutine[Any, Any, None]) -> None:
        member.watchers = [task for task in member.watchers if not task.done()]
        member.watchers.append(self._tasks.spawn(loop))


def is_failure(outcome: Outcome) -> bool:
    """Tell whether an outcome counts against the endpoint; rule 2."""
    error = outcome.error
    return (
        outcome.kind is Kind.FAILURE
        and error is not None
        and (error.http_status is None or error.http_status >= 500)
        and error.reason is not Reason.UPSTREAM_ANSWER_TOO_LARGE
    )


def _got_through(outcome: Outcome, error: CallError) -> bool:
    """Tell whether an attempt that failed had a connection."""
    if error.http_status is not None:
        return True
    return outcome.kind is Kind.FAILURE and error.sent is not Sent.NOT_SENT


def _words(error: CallError) -> str:
    return error.message.removeprefix(f"upstream {error.upstream!r} ")
