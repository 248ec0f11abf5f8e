"""The limit that follows latency: how many attempts an upstream can have under way.

The names are those of Netflix concurrency-limits and Envoy's adaptive concurrency filter;
that a cut has to prove itself is this file's own. Rules:

1. A window is at least 100 ms and 20 samples (window.py), 40 where it answers a question.
   After the limit was changed the next one opens when what was under way before is over.
2. A limit that was not used tells nothing: it neither grows nor falls. It was used if a
   quarter of the window's attempts ended with at least 80 % of it under way, and it binds
   if half of them did.
3. It doubles each window at first, and grows by up to its root later, while answers take
   no longer than `latency_tolerance` times what they usually do (baselines.py).
4. It falls if it binds and answers surely take longer than that, in proportion and at
   most by half; or by 30 % if so many more attempts than usual end in what speaks of
   overload (429, 503, 504, a timeout) that they are a fifth of the window.
5. A cut has to prove itself. If latency, or the share of drops, does not fall with the
   limit, the limit is raised again; and if they do not rise with it either, twice, the
   upstream has become slower or worse by itself: what it shows is usual from then on.
6. While the limit binds and answers are late, usual times cannot be learned. Every 5 s,
   and less often the less it teaches, the limit therefore dips for one window, or is
   raised where it cannot fall.
7. While it does not bind, usual times follow what is seen, with 30 s to forget.
8. After an outage it begins at one, and doubles whenever it has been filled by answers,
   until it is what it was, or there is a queue. Only then it may be under `min_limit`.
9. If it binds and most attempts end as in rule 4, nothing has to be proved: it is halved,
   for each limit full of them again, and then grows as after an outage. An upstream that
   works on what nobody waits for any more recovers in no other way.
"""

from math import exp, inf, log, sqrt

from gateway.interceptors.concurrency import findings
from gateway.interceptors.concurrency.baselines import Baselines, MethodTimes
from gateway.interceptors.concurrency.findings import Finding, Reference
from gateway.interceptors.concurrency.options import AdaptiveOptions
from gateway.interceptors.concurrency.phases import QUESTIONS, TRANSITIONS, Act, Phase
from gateway.interceptors.concurrency.window import Level, Window

_WINDOW_S = 0.1
_WINDOW_SAMPLES = 20
_QUESTION_SAMPLES = 40
_STALE_S = 2.0
"""Samples further apart are not looked at together."""
_LONGEST_SETTLING_S = 5.0
_NEAR = 0.8
_LEAST_CUT = 0.8
_MOST_CUT = 0.5
_DROP_CUT = 0.7
_DROP_MEMORY = 0.2
_DIPPED_TO = 0.7
"""A dip goes to where answers should take this many times as long as usual."""
_DEEPEST = 0.2
_RAISE = 2.0
_LOOK_AFTER_S = 5.0
_LONGEST_LOOK_AFTER_S = 40.0
_FORGET_S = 30.0
_PATIENCE = 100
"""Samples of a method that move its usual time half of the way."""
_HASTE = 2
"""The same where it is known that the usual time is another."""
_EARLY_S = 1e-6
_LEAST_TOLERANCE = 1.1


class AdaptiveLimit:
    """The limit of one upstream. Pure: `now`, monotonic seconds, is an argument.

    Args:
        options: bounds and tolerance.
        baselines: the methods' times.
        now: when it begins.
    """

    __slots__ = (
        "_baselines",
        "_former",
        "_look_after_s",
        "_look_at",
        "_near",
        "_needed",
        "_options",
        "_queue",
        "_ramp_least",
        "_ramping",
        "_reference",
        "_size",
        "_tolerated",
        "_usual_drops",
        "_window",
        "limit",
        "phase",
    )

    def __init__(self, options: AdaptiveOptions, baselines: Baselines, now: float) -> None:
        self._options = options
        self._baselines = baselines
        self._tolerated = log(max(options.latency_tolerance, _LEAST_TOLERANCE))
        self._usual_drops = 0.0
        self._queue = 0.0
        self._look(now, _LOOK_AFTER_S)
        self._reference: Reference | None = None
        self._needed = _WINDOW_SAMPLES
        self._former = 0.0
        self._ramp_least = 1.0
        self._window = Window(now)
        self.phase = Phase.DOUBLING
        self._ramping = False
        self._resize(float(min(max(options.initial_limit, options.min_limit), options.max_limit)))

    # What attempts tell

    def answered(self, times: MethodTimes, duration_s: float, in_flight: int, now: float) -> None:
        """Take note of an answer.

        Args:
            times: of its method.
            duration_s: of the attempt, in seconds.
            in_flight: attempts under way, this one included.
            now: monotonic seconds.
        """
        window = self._noted(duration_s, in_flight, now)
        if window is None:
            return
        window.add(times.excess(duration_s, self._queue, now), times.weight, duration_s)
        if window.answers >= self._needed or self._ramping:
            self._close_if_full(window, now)

    def dropped(self, duration_s: float, in_flight: int, now: float) -> None:
        """Take note of an attempt whose end speaks of overload; arguments as `answered`."""
        window = self._noted(duration_s, in_flight, now)
        if window is not None:
            window.drops += 1
            self._close_if_full(window, now)

    def restart(self, now: float) -> None:
        """Begin again at one, after an outage."""
        if self.phase is not Phase.RAMPING:
            self._former = self._size if self._reference is None else self._reference.limit
        self._reference = None
        self._ramp_least = 1.0
        self._look(now, 0.0)
        self._look_after_s = _LOOK_AFTER_S
        self.phase = Phase.RAMPING
        self._ramping = True
        self._resize(1.0)
        self._needed = 1
        self._window = Window(now)

    def _noted(self, duration_s: float, in_flight: int, now: float) -> Window | None:
        """Return the window that an attempt belongs to, None where it is too early."""
        window = self._window
        if now < window.opens_at:
            return None
        if self._ramping:
            if now - duration_s < window.opens_at - _EARLY_S:
                return None  # it began on an earlier step
        elif now - window.last_at > _STALE_S and now - window.last_at > window.mean_s * 4:
            window = self._give_up(window, now)
        window.last_at = now
        if in_flight >= self._near:
            window.near += 1
        return window

    def _give_up(self, window: Window, now: float) -> Window:
        """Learn from what was seen before a pause, and decide nothing by it."""
        self._learn(window, Finding.UNUSED, now)
        if self._reference is not None:
            self._resize(max(self._size, self._reference.limit))
            self._reference = None
            self.phase = Phase.STEADY
        self._needed = _WINDOW_SAMPLES
        self._window = Window(now)
        return self._window

    # What a window says

    def _close_if_full(self, window: Window, now: float) -> None:
        if not self._is_full(window, now):
            return
        finding = self._find(window, now)
        if finding is Finding.OPEN and self._should_wait():
            self._needed *= 2
            return
        self._learn(window, finding, now)
        before = self._size
        self.phase, act = TRANSITIONS[self.phase, finding]
        self._apply(act, window, now)
        self._ramping = self.phase is Phase.RAMPING
        if self.phase not in QUESTIONS:
            self._reference = None
        settling_s = 0.0
        if self._size != before and not self._ramping:
            settling_s = window.mean_s * (2 if self.phase in QUESTIONS else 1)
        self._needed = _WINDOW_SAMPLES if self._reference is None else _QUESTION_SAMPLES
        self._window = Window(now + min(settling_s, _LONGEST_SETTLING_S))

    def _should_wait(self) -> bool:
        """Tell whether a window goes on until it says more, rather than another cut."""
        if self.phase is Phase.DIPPED:
            return False
        half = 0.0 if self._reference is None else self._reference.limit * _MOST_CUT
        raised = self.phase in (Phase.RAISED, Phase.CONFIRMED)
        return raised or not self._may_fall or self._size <= half

    def _is_full(self, window: Window, now: float) -> bool:
        if self._ramping:
            return window.count >= self.limit
        needed = self._needed
        return (
            window.count >= needed
            and now - window.opens_at >= _WINDOW_S
            and (
                window.evidence + window.drops >= needed
                or window.count >= findings.DECISIVE_SAMPLES
            )
        )

    def _find(self, window: Window, now: float) -> Finding:
        level = window.crowding()
        if self._ramping:
            found = findings.on_ramp(window, self._tolerated)
            if found is Finding.CROWDED and self._size < self._options.min_limit:
                found = Finding.ROOM  # so many it may have anyway
            last = self._size * 2 >= self._former
            return Finding.ARRIVED if last and found is Finding.ROOM else found
        binds = findings.binds(window)
        if binds and self._may_fall and window.drop_share >= findings.FAILING_SHARE:
            return Finding.FAILING
        if self._reference is not None:
            return self._answer(window, level, self._reference)
        if not binds:
            self._look(now, _LOOK_AFTER_S)
        elif self._may_fall and self._drops(window):
            return Finding.DROPPING
        if not findings.used(window) or window.drop_share >= findings.FAILING_SHARE:
            return Finding.UNUSED
        if level is None:
            return Finding.ROOM if self.phase is Phase.DOUBLING else Finding.UNUSED
        stuck = level.value > self._tolerated / 2 or self._size >= self._options.max_limit
        if stuck and now >= self._look_at:
            return Finding.UNSURE if self._may_fall else Finding.CORNERED
        if level.value <= self._tolerated:
            return Finding.ROOM
        surely = findings.surely_above(level, self._tolerated)
        return Finding.CROWDED if binds and surely and self._may_fall else Finding.UNUSED

    def _answer(self, window: Window, level: Level | None, reference: Reference) -> Finding:
        """Return what a window says to the question that the limit was changed for."""
        if level is not None and not reference.dropping:
            if self.phase is Phase.DIPPED and findings.surely_below(level, 0.0):
                return Finding.FASTER
            enough = {Phase.LOWERED: self._tolerated, Phase.DIPPED: self._tolerated / 2}
            if level.value <= enough.get(self.phase, -inf):
                return Finding.OURS
        found = findings.followed(window, self._size, reference)
        still = level is not None and level.value > self._tolerated
        if self.phase is Phase.DIPPED and found is Finding.OURS and still:
            return Finding.CROWDED
        return found

    def _drops(self, window: Window) -> bool:
        return window.drop_share >= self._usual_drops + findings.DROP_SHARE

    @property
    def _may_fall(self) -> bool:
        return self._size > self._options.min_limit

    def _look(self, now: float, after_s: float) -> None:
        """Doubt usual times not before `after_s`."""
        self._look_after_s = after_s
        self._look_at = now + after_s

    def _learn(self, window: Window, finding: Finding, now: float) -> None:
        """Let usual times follow a window as far as it can be trusted."""
        self._usual_drops += min(0.0, window.drop_share - self._usual_drops) * _DROP_MEMORY
        level = window.crowding()
        reference = self._reference
        patience, most = _PATIENCE, 0.0
        if finding is Finding.NOT_OURS and self.phase is Phase.CONFIRMED:
            self._look(now, _LOOK_AFTER_S)
            if reference is not None and reference.dropping:
                self._usual_drops = min(window.drop_share, findings.FAILING_SHARE)
            else:
                patience, most = _HASTE, 1.0
        elif level is not None and findings.surely_below(level, 0.0):
            patience, most = _HASTE, 1.0 if finding is Finding.FASTER else 0.5
        elif not (self._ramping or reference is not None or findings.binds(window)):
            most = min(1.0, (window.last_at - window.opens_at) / _FORGET_S)
        self._baselines.learn(patience, most)
        self._queue = 0.0 if level is None or most == 1.0 else max(0.0, level.value)

    # What is done about it

    def _resize(self, size: float) -> None:
        self._size = size
        self.limit = int(size)
        self._near = _NEAR * self.limit

    def _apply(self, act: Act, window: Window, now: float) -> None:
        """Change the limit as a transition says."""
        least: float = self._options.min_limit
        most = self._options.max_limit
        level = window.crowding()
        late = 0.0 if level is None else level.value
        size = self._size
        match act:
            case Act.DOUBLE:
                size *= 2
            case Act.GROW:
                size += sqrt(size) * min(1.0, 2 * (1 - late / self._tolerated))
            case Act.LOWER:
                size = self._cut(window, late)
            case Act.DIP:
                self._ask(window)
                size *= max(_DEEPEST, _DIPPED_TO * exp(-late))
            case Act.DEEPEN if self._reference is not None:
                back = size * self._options.latency_tolerance
                self._reference = self._reference._replace(limit=back)
                size /= 2
            case Act.RAISE:
                former = 0.0 if self._reference is None else self._reference.limit
                self._ask(window)
                size = max(size * _RAISE, former)
            case Act.RAISE_ON:
                size *= _RAISE
            case Act.RETURN if self._reference is not None:
                size = self._reference.limit
                self._look(now, min(self._look_after_s * 2, _LONGEST_LOOK_AFTER_S))
            case Act.ARRIVE:
                size = self._former
            case Act.FALL_BACK:
                known = size if self._reference is None else self._reference.limit
                self._former, self._ramp_least = min(size, known), least
                size /= 2
            case Act.CLIMB:
                least, size = self._ramp_least, size * 2
            case Act.STEP_BACK:
                least, size = self._ramp_least, size / 2
            case Act.STOP:
                size /= 2
        self._resize(min(max(size, least), most))

    def _cut(self, window: Window, late: float) -> float:
        """Return the limit that fits latency; the second cut of one question goes to half."""
        if self._reference is not None:
            return self._reference.limit * _MOST_CUT
        if self._ask(window):
            return self._size * _DROP_CUT
        return self._size * min(max(exp(self._tolerated - late), _MOST_CUT), _LEAST_CUT)

    def _ask(self, window: Window) -> bool:
        """Remember what was seen under this limit, to compare with what is seen next.

        Returns:
            Whether it is the share of drops that is compared.
        """
        reference = self._reference
        dropping = self._drops(window) if reference is None else reference.dropping
        level = findings.seen(window, self._size, dropping=dropping)
        if level is not None:
            self._reference = Reference(self._size, level, dropping)
        return dropping
