"""Streams whose credential is withdrawn while they last."""

import asyncio
from pathlib import Path

import pytest
from support.calls import new_call
from unit.interceptors.auth.issuer import (
    AUDIENCE,
    ISSUER,
    START,
    Gateway,
    file_gateway,
    settled,
    token,
)
from unit.interceptors.auth.test_api_keys import KEY, OTHER, known

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import Reason
from gateway.core.events import CallRefused
from gateway.core.outcome import SUCCESS, Outcome
from gateway.interceptors.auth import ApiKeysOptions, AuthOptions
from gateway.interceptors.auth.lease import INTERVAL_S

WATCH = MethodInfo("shop.v1.OrderService", "WatchOrders", server_streaming=True)
UNARY = MethodInfo("shop.v1.OrderService", "GetOrder")


class Behind:
    """What the stream is answered by: goes on until it is told."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.cancelled = 0

    async def __call__(self, _call: Call) -> Outcome:
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return SUCCESS


class Keys:
    """A gateway whose keys are in a file."""

    def __init__(self, tmp_path: Path, auth: AuthOptions | None = None) -> None:
        self.path = tmp_path / "keys"
        self.write(f"admin {KEY}")
        options = ApiKeysOptions(
            name="keys", file=self.path, keys=(known("bob", OTHER, expires_at=START + 60),)
        )
        self.gateway = Gateway(options, auth=auth, read_keys=self._read)
        self.behind = Behind()

    def write(self, *lines: str) -> None:
        self.path.write_text("\n".join(lines))

    def _read(self, path: Path) -> list:
        lines = [line.split() for line in path.read_text().splitlines()]
        return [known("ann", key, roles=frozenset(role.split(","))) for role, key in lines]

    async def change(self, *lines: str) -> None:
        self.write(*lines)
        for _ in range(2):
            await self.gateway.providers.by_name["keys"].look()

    async def begin(self, *metadata: tuple[str, str], method: MethodInfo = WATCH):
        call = new_call(self.gateway.clock, metadata=metadata)
        call.method = method
        task = asyncio.ensure_future(self.gateway.auth(call, self.behind))
        await settled()
        return task

    async def wait(self, duration_s: float) -> None:
        self.gateway.clock.advance(duration_s)
        await settled()


async def test_a_stream_ends_when_its_key_is_withdrawn(tmp_path):
    keys = Keys(tmp_path)
    stream = await keys.begin(("x-api-key", KEY))
    await keys.wait(10 * INTERVAL_S)
    assert not stream.done()
    await keys.change()
    await keys.wait(INTERVAL_S)
    error = (await stream).error
    assert error is not None
    assert error.reason is Reason.UNAUTHENTICATED
    assert error.message == (
        "the stream ends before its time: the API key in 'x-api-key' is not known"
    )
    assert keys.behind.cancelled == 1
    assert keys.gateway.clock.pending == 0
    (refused,) = [event for event in keys.gateway.said if isinstance(event, CallRefused)]
    assert refused.mechanism == "auth"


async def test_a_stream_ends_when_its_key_ends(tmp_path):
    keys = Keys(tmp_path)
    stream = await keys.begin(("x-api-key", OTHER))
    await keys.wait(59)
    assert not stream.done()
    await keys.wait(INTERVAL_S)
    error = (await stream).error
    assert error is not None
    assert "has expired" in error.message


async def test_a_stream_ends_when_its_caller_loses_the_role(tmp_path):
    keys = Keys(tmp_path, AuthOptions(roles=frozenset(("admin",))))
    stream = await keys.begin(("x-api-key", KEY))
    await keys.change(f"user {KEY}")
    await keys.wait(INTERVAL_S)
    error = (await stream).error
    assert error is not None
    assert error.reason is Reason.PERMISSION_DENIED


async def test_a_stream_that_ends_by_itself_leaves_no_timer(tmp_path):
    keys = Keys(tmp_path)
    stream = await keys.begin(("x-api-key", KEY))
    keys.behind.end.set()
    assert (await stream) is SUCCESS
    assert keys.gateway.clock.pending == 0


async def test_a_stream_that_its_caller_leaves_is_cancelled_and_not_refused(tmp_path):
    keys = Keys(tmp_path)
    stream = await keys.begin(("x-api-key", KEY))
    await keys.change()
    stream.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream
    assert keys.gateway.clock.pending == 0


async def test_calls_with_one_answer_are_not_looked_at_again(tmp_path):
    keys = Keys(tmp_path)
    call = await keys.begin(("x-api-key", KEY), method=UNARY)
    assert keys.gateway.clock.pending == 0
    keys.behind.end.set()
    assert (await call) is SUCCESS


async def test_a_stream_outlives_its_token(tmp_path):
    gateway = file_gateway(tmp_path)
    behind = Behind()
    text = token({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": START + 10})
    metadata = (("authorization", f"Bearer {text}"),)
    call = new_call(gateway.clock, metadata=metadata)
    call.method = WATCH
    stream = asyncio.ensure_future(gateway.auth(call, behind))
    await settled()
    gateway.clock.advance(1000)
    await settled()
    assert not stream.done()
    behind.end.set()
    assert (await stream) is SUCCESS
