"""An issuer of tokens with keys of its own, and a gateway's view of it."""

import asyncio
import base64
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from fakes.clock import FakeClock, FakeRng
from jwt.algorithms import get_default_algorithms
from support.calls import Recorder, Script, new_call

from gateway.core.call import Call
from gateway.core.errors import CallError
from gateway.core.events import Events, MaterialChanged
from gateway.interceptors.auth import (
    ApiKey,
    AuthInterceptor,
    AuthOptions,
    Fetch,
    JwtOptions,
    ListenerAuth,
    ProviderOptions,
    Providers,
)

ISSUER = "https://issuer.example"
AUDIENCE = "seawall"
START = 1_800_001_000
"""The wall clock of a new FakeClock."""
ALGORITHMS = get_default_algorithms()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: Any) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def private_key(kind: str, number: int = 0) -> Any:
    """Return the key `number` of a kind: "RS256", "RS256/1024", "ES384", "EdDSA"."""
    return _made(kind, number)


@functools.cache
def _made(kind: str, _number: int) -> Any:
    name, _, bits = kind.partition("/")
    if name == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    if name == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if name.startswith("ES"):
        curve = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}[name]
        return ec.generate_private_key(curve())
    return rsa.generate_private_key(65537, int(bits or 2048))


def jwk(kid: str | None, kind: str = "RS256", number: int = 0, **more: Any) -> dict[str, Any]:
    name = "EdDSA" if kind == "Ed448" else kind.partition("/")[0]
    public = ALGORITHMS[name].to_jwk(private_key(kind, number).public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, **({} if kid is None else {"kid": kid}), **more}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def good(**more: Any) -> dict[str, Any]:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": START + 600, **more}
    return {name: value for name, value in claims.items() if value is not None}


def token(
    claims: Any = None,
    *,
    kid: str | None = "k1",
    kind: str = "RS256",
    number: int = 0,
    header: Mapping[str, Any] | None = None,
) -> str:
    """Return a token that is signed by the key `number` of its kind."""
    named = {} if kid is None else {"kid": kid}
    algorithm = "EdDSA" if kind == "Ed448" else kind.partition("/")[0]
    head = {"alg": algorithm, "typ": "JWT", **named, **(header or {})}
    signed = f"{part(head)}.{part(good() if claims is None else claims)}"
    signature = ALGORITHMS[algorithm].sign(signed.encode(), private_key(kind, number))
    return f"{signed}.{b64(signature)}"


class Url:
    """A URL of keys: answers what it is told, and counts."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.asked = 0
        self.held: asyncio.Event | None = None
        self.cancelled = 0

    def hold(self) -> asyncio.Event:
        self.held = asyncio.Event()
        return self.held

    async def __call__(self) -> bytes:
        self.asked += 1
        if self.held is not None:
            try:
                await self.held.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Gateway:
    """Providers, an interceptor in front of nothing, and all that it says."""

    def __init__(
        self,
        *providers: ProviderOptions,
        auth: AuthOptions | None = None,
        listeners: Mapping[str, ListenerAuth] | None = None,
        url: Fetch | None = None,
        read_keys: Callable[[Path], Sequence[ApiKey]] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.said = Recorder()
        self.events = Events([self.said])
        self.providers = Providers(
            providers,
            clock=self.clock,
            rng=FakeRng(),
            events=self.events,
            fetch=lambda _options: url or Url(OSError("nobody there")),
            read_keys=read_keys or (lambda _path: ()),
        )
        self.auth = AuthInterceptor(auth or AuthOptions(), self.providers, self.events, listeners)
        self.behind = Script(None)

    async def call(
        self,
        *metadata: tuple[str, str | bytes],
        certificate: tuple[str, ...] = (),
        listener: str = "",
    ) -> tuple[Call, CallError | None]:
        call = new_call(self.clock, metadata=metadata)
        call.certificate, call.listener = certificate, listener
        reached = self.behind.attempts
        outcome = await self.auth(call, self.behind)
        assert self.behind.attempts == reached + (outcome.error is None)
        return call, outcome.error

    async def bearer(self, text: str) -> tuple[Call, CallError | None]:
        return await self.call(("authorization", f"Bearer {text}"))

    async def refusal(self, text: str) -> CallError:
        call, error = await self.bearer(text)
        assert error is not None
        assert call.identity is None
        return error

    @property
    def material(self) -> list[MaterialChanged]:
        return [event for event in self.said if isinstance(event, MaterialChanged)]


def jwt_options(**more: Any) -> JwtOptions:
    said = {"name": "corp", "issuer": ISSUER, "audiences": frozenset((AUDIENCE,)), **more}
    return JwtOptions(**said)


def file_gateway(
    tmp_path: Path, *keys: dict[str, Any], auth: AuthOptions | None = None, **more: Any
) -> Gateway:
    """Return a gateway that knows these keys of the issuer, by default "k1", from a file."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(*(keys or (jwk("k1"),))))
    return Gateway(jwt_options(jwks_file=path, **more), auth=auth)


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Return once a thread has done what makes `condition` true."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.to_thread(int)
    raise AssertionError("it did not come about")
