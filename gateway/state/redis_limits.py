"""Counts of rate limits in Redis, shared by all processes that ask the same server.

Rules, beside those of `limits.py`, `gcra.py`, `window.py` and `memory_limits.py`, which
`limits.lua` keeps too:
1. A question is one run of the script over all its limits, by the server's clock: exact under
   any race, one way to the server and back.
2. A count is kept under "seawall:limit:1:ALGORITHM:NAME|KEY". In a name what is no letter,
   digit or one of "/:._-" is percent-encoded, so the first "|" ends it. The 1 is the version
   of what is kept: another version of the script counts elsewhere.
3. A key that is longer than 128 characters, or not printable ASCII, is kept as a digest that
   no other key can look like.
4. `now` and numbers of limits that doubles hold exactly: 2**53 nanoseconds for the time in
   which all places of a GCRA limit come back (104 days), which config bounds.
5. A question that was given up may be counted all the same: then a limit is kept more
   strictly than it had to be, never less.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from redis import exceptions
from redis.asyncio import Connection

from gateway.core.clock import Clock
from gateway.state.limits import Algorithm, Decision, Hit, Limit, Verdict
from gateway.state.memory_limits import MAX_KEY
from gateway.state.redis_client import RedisClient, phrase
from gateway.state.redis_link import Link
from gateway.state.redis_question import LinkOptions, Script, bulk
from gateway.state.shared import Unavailable

_US = 1_000_000
_NS_PER_US = 1000
_PREFIX = b"seawall:limit:1:"
_ARGUMENTS = 5
"""Of each limit."""
_MAX_FORMS = 1024
_SERVER_CLOCK = bulk(b"")
_ONE = bulk(b"1")
SCRIPT = Script(Path(__file__).with_name("limits.lua").read_bytes())


class _Form:
    """What a question says of one limit, as it is written."""

    __slots__ = ("limit", "numbers", "prefix")

    def __init__(self, limit: Limit) -> None:
        per_us = max(1, math.floor(limit.per_s * _US + 0.5))
        if limit.algorithm is Algorithm.GCRA:
            name, places = b"gcra", limit.burst or limit.requests
            pace = -(-per_us * _NS_PER_US // limit.requests)
        else:
            name, places, pace = b"window", limit.requests, per_us
        self.limit = limit
        self.prefix = b"%s%s:%s|" % (_PREFIX, name, quote(limit.name, safe="/:").encode())
        self.numbers = b"".join(
            (
                bulk(name),
                bulk(b"shadow" if limit.shadow else b""),
                bulk(b"%d" % pace),
                bulk(b"%d" % places),
            )
        )


class RedisLimits:
    """Asks Redis; has to be opened, and again whenever it ended.

    Args:
        client: makes connections.
        clock: whose time the timeout counts.
        options: of the connection.
    """

    def __init__(
        self, client: RedisClient, clock: Clock, options: LinkOptions | None = None
    ) -> None:
        self._client = client
        self._clock = clock
        self._options = options or LinkOptions()
        self._link: Link | None = None
        self._forms: dict[int, _Form] = {}

    async def open(self, on_end: Callable[[str], None]) -> None:
        """Connect, and teach the server the script.

        Args:
            on_end: is told once why the store does not answer any more.

        Raises:
            Unavailable: it cannot be used now.
        """
        await self.close()
        connection = await self._client.connect()
        try:
            await _teach(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._link = Link(connection, SCRIPT, self._clock, self._options, on_end)

    async def close(self) -> None:
        """Give back the connection; what waits for an answer is told that there is none."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def take(self, hits: Sequence[Hit], now_us: int | None = None) -> Decision | None:
        """Count a call against each of `hits`, or against none.

        Args:
            hits: at least one.
            now_us: instead of the server's clock, for tests.

        Returns:
            None where the store did not answer in time, or not at all.
        """
        if self._link is None:
            return None
        answer = self._link.ask(len(hits) * (_ARGUMENTS + 1) + 2, self._body(hits, now_us))
        if answer is None:
            return None
        reply = await answer
        return None if reply is None else _decision(reply)

    def _body(self, hits: Sequence[Hit], now_us: int | None) -> bytes:
        keys = [bulk(b"%d" % len(hits))]
        numbers = [_SERVER_CLOCK if now_us is None else bulk(b"%d" % now_us)]
        forms = self._forms
        for limit, key, cost in hits:
            form = forms.get(id(limit))
            if form is None or form.limit is not limit:
                form = self._form(limit)
            kept = form.prefix + _kept(key)
            keys.append(b"$%d\r\n%s\r\n" % (len(kept), kept))
            numbers.append(form.numbers)
            numbers.append(_ONE if cost == 1 else bulk(b"%d" % cost))
        return b"".join(keys) + b"".join(numbers)

    def _form(self, limit: Limit) -> _Form:
        if len(self._forms) >= _MAX_FORMS:
            self._forms.clear()
        form = self._forms[id(limit)] = _Form(limit)
        return form


def _kept(key: str) -> bytes:
    if len(key) <= MAX_KEY and key.isascii() and key.isprintable():
        return key.encode()
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"))
    return b"~" + digest.hexdigest().encode()  # longer than any key that is kept as it is


def _decision(reply: bytes) -> Decision:
    numbers = [int(number) for number in reply.split()]
    if len(numbers) == 4:
        allowed, left, reset_us, wait_us = numbers
        return Decision(allowed == 1, (_verdict(left, reset_us, wait_us),))
    verdicts = [_verdict(*numbers[at : at + 3]) for at in range(1, len(numbers), 3)]
    return Decision(numbers[0] == 1, verdicts)


def _verdict(left: int, reset_us: int, wait_us: int) -> Verdict:
    wait_s = math.inf if wait_us < 0 else wait_us / _US
    return Verdict(not wait_us, left, reset_us / _US, wait_s)


async def _teach(connection: Connection) -> None:
    try:
        await connection.send_command("SCRIPT", "LOAD", SCRIPT.text)
        await connection.read_response()
    except exceptions.NoPermissionError:
        pass  # the first question sends the script
    except (exceptions.RedisError, OSError) as error:
        raise Unavailable(phrase(error)) from None
