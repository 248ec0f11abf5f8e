"""How long a token is used, when another is asked for, and when nobody is asked.

Rules:
1. A token's time counts from when it was asked for, not from when it came. It ends a margin
   before its own end: a tenth of its life, thirty seconds at most. It is never used later.
2. Another is due after 70 to 80 % of its life, drawn, so that processes do not all ask in
   the same moment. Until it is there the old one is used, also where asking fails.
3. A token whose life is not told (RFC 6749, 5.1: `expires_in` is recommended) has a minute.
4. After a failure nobody is asked for a pause: a second, twice as long after each further
   one, half a minute at most, shortened by up to a fifth at random; as long as the server
   says where it says so, a minute at most. A success ends that.
5. A token that the upstream does not accept is forgotten, if it is still the one in use: at
   most once in five seconds, or an upstream that accepts none would have one asked for with
   every call.
6. A caller's credential that the server refuses is refused for five seconds without asking.
"""

from collections.abc import Mapping
from typing import NamedTuple

UNTOLD_LIFE_S = 60.0
FORGET_INTERVAL_S = 5.0
DENIED_FOR_S = 5.0
_MARGIN_SHARE = 0.1
_MOST_MARGIN_S = 30.0
_DUE_SHARE = 0.7
_DUE_SPREAD = 0.1
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_PAUSE_SPREAD = 0.2
_LONGEST_TOLD_S = 60.0
_NEVER = float("-inf")


class Token(NamedTuple):
    """What requests are sent with, and until when.

    Args:
        headers: of a request; one object as long as it is the same token.
        due_at: another is asked for from then on, in monotonic seconds.
        ends_at: it is not used from then on.
    """

    headers: Mapping[str, str]
    due_at: float
    ends_at: float

    def __repr__(self) -> str:
        return f"Token(due_at={self.due_at:.3f}, ends_at={self.ends_at:.3f})"


def token_of(value: str, life_s: float | None, asked_at: float, draw: float) -> Token:
    """Return an access token with its times.

    Args:
        value: the token.
        life_s: `expires_in`, None where it is not told.
        asked_at: when the question was sent, in monotonic seconds.
        draw: in [0, 1), for rule 2.
    """
    life_s = UNTOLD_LIFE_S if life_s is None else life_s
    return Token(
        {"authorization": f"Bearer {value}"},
        asked_at + life_s * (_DUE_SHARE + _DUE_SPREAD * draw),
        asked_at + life_s - min(life_s * _MARGIN_SHARE, _MOST_MARGIN_S),
    )


class Pause:
    """When a server that fails is asked again; rule 4.

    Attributes:
        until: in monotonic seconds.
        why: what failed last, for people.
    """

    __slots__ = ("_failures", "until", "why")

    def __init__(self) -> None:
        self._failures = 0
        self.until = _NEVER
        self.why = ""

    def begin(self, why: str, told_s: float | None, now: float, draw: float) -> None:
        """Ask nobody for a while.

        Args:
            why: a phrase without secrets.
            told_s: how long the server says, None where it does not.
            now: monotonic seconds.
            draw: in [0, 1).
        """
        pause_s = min(_FIRST_PAUSE_S * 2 ** min(self._failures, 10), _LONGEST_PAUSE_S)
        pause_s *= 1 - _PAUSE_SPREAD * draw
        if told_s is not None:
            pause_s = max(pause_s, min(told_s, _LONGEST_TOLD_S))
        self._failures += 1
        self.until = now + pause_s
        self.why = why

    def end(self) -> None:
        """The server answered as it should."""
        self._failures = 0
        self.until = _NEVER
        self.why = ""


class Life:
    """The one token of an upstream of its own.

    Attributes:
        token: in use; None where there is none.
        pause: of its server.
    """

    __slots__ = ("_forgotten_at", "pause", "token")

    def __init__(self) -> None:
        self.token: Token | None = None
        self.pause = Pause()
        self._forgotten_at = _NEVER

    def usable(self, now: float) -> Token | None:
        """Return the token that requests are sent with, None where there is none."""
        token = self.token
        return token if token is not None and now < token.ends_at else None

    def may_ask(self, now: float) -> bool:
        """Tell whether another may be asked for."""
        return now >= self.pause.until

    def obtained(self, token: Token) -> None:
        """Use `token` from now on."""
        self.token = token
        self.pause.end()

    def forget(self, headers: Mapping[str, str], now: float) -> bool:
        """Forget the token that a request with `headers` was sent with; rule 5."""
        token = self.token
        if token is None or token.headers is not headers:
            return False
        if now < self._forgotten_at + FORGET_INTERVAL_S:
            return False
        self.token = None
        self._forgotten_at = now
        return True

    @property
    def due_at(self) -> float:
        """When the token in use is to be replaced, pauses kept."""
        return _NEVER if self.token is None else max(self.token.due_at, self.pause.until)
