"""Keys of an issuer: from a file, from a URL, old and new ones."""

import asyncio
from typing import Any

import pytest
from fakes.clock import FakeRng
from support.calls import new_call
from unit.interceptors.auth.issuer import (
    ALGORITHMS,
    START,
    Gateway,
    Url,
    b64,
    file_gateway,
    good,
    jwk,
    jwt_options,
    key_set,
    private_key,
    settled,
    token,
    until,
)

from gateway.core.errors import CallError, Origin, Reason
from gateway.core.outcome import SUCCESS
from gateway.core.status import Code
from gateway.interceptors.auth import jwks_url
from gateway.interceptors.auth.freshness import Freshness
from gateway.interceptors.auth.jwks import JwksFile
from gateway.interceptors.auth.keyset import (
    MAX_KEYS,
    MAX_SET_BYTES,
    UnusableKeysError,
    read_key_set,
)

LONG = good(exp=START + 1_000_000)
OLD, NEW = token(LONG), token(LONG, kid="k2", number=1)


async def started(url: Url, **more: Any) -> Gateway:
    gateway = Gateway(jwt_options(**more), url=url)
    gateway.providers.start()
    await settled()
    return gateway


# The set.


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no list 'keys'"),
        (b"{}", "no list 'keys'"),
        (b'{"keys": {}}', "no list 'keys'"),
        (b'{"keys": []}', "no public key for ES256, RS256"),
        (b'{"keys": [1, null, "x", [], {}]}', "no public key"),
        (b" " * (MAX_SET_BYTES + 1), f"larger than {MAX_SET_BYTES} bytes"),
        (key_set(*[jwk(f"k{n}") for n in range(MAX_KEYS + 1)]), f"more than {MAX_KEYS} keys"),
        (key_set({"kty": "oct", "kid": "k1", "k": "AAAA"}), "no public key"),
        (key_set(jwk("k1", "RS256/1024")), "no public key"),
        (key_set(jwk("k1", "EdDSA")), "no public key"),  # which is not asked for
        (key_set(jwk("k1") | {"n": "!"}), "no public key"),
        (key_set(jwk("k1") | {"n": 1}), "no public key"),
        (key_set(jwk("k1") | {"n": ""}), "no public key"),
        (key_set(jwk("k1") | {"e": "AQ"}), "no public key"),
        (key_set(jwk("k1", "ES256") | {"x": "AAAA"}), "no public key"),
        (key_set(jwk("k1", "ES256") | {"y": jwk("k1", "ES256")["x"]}), "no public key"),
        (key_set(jwk("k1") | {"kty": ["RSA"]}), "no public key"),
        (key_set(jwk("k1") | {"crv": {}}), "no public key"),
        (key_set(jwk("k1") | {"kid": 1}), "no public key"),
        (key_set(jwk("k1") | {"alg": ["RS256"]}), "no public key"),
        (key_set(jwk("k1") | {"alg": "HS256"}), "no public key"),
        (key_set(jwk("k1") | {"key_ops": "verify"}), "no public key"),
        (key_set(jwk("k1") | {"d": "AQAB"}), "no public key"),
    ],
)
def test_a_set_without_a_key_that_can_be_used_is_refused(data, wrong):
    with pytest.raises(UnusableKeysError, match=wrong):
        read_key_set(data, ("RS256", "ES256"))


def test_private_keys_are_left_out_and_others_stay():
    numbers = private_key("RS256").private_numbers()
    private = jwk("k1") | {"d": b64(numbers.d.to_bytes(256, "big"))}
    keys = read_key_set(key_set(private, jwk("k2", number=1), jwk("k3", "ES256")), ("RS256",))
    assert keys.kids == {"k2"}


def test_one_bad_key_does_not_spoil_the_set():
    keys = read_key_set(key_set({"kty": "PQC"}, jwk("k1")), ("RS256",))
    assert len(keys) == 1


def test_keys_show_no_material():
    keys = read_key_set(key_set(jwk("k1")), ("RS256",))
    assert jwk("k1")["n"][:20] not in repr(keys.find("k1", "RS256"))


def test_a_key_verifies_by_its_own_algorithms_only():
    key = read_key_set(key_set(jwk("k1", alg="PS256")), ("RS256", "PS256")).find("k1", "PS256")
    assert key is not None
    for algorithm in ("RS256", "PS256"):
        signature = ALGORITHMS[algorithm].sign(b"text", private_key("RS256"))
        assert key.verifies(algorithm, b"text", signature) is (algorithm == "PS256")


# A file.


async def looks(jwks: JwksFile, times: int = 2) -> None:
    for _ in range(times):
        await jwks.look()


async def test_a_file_that_changes_is_read_again(tmp_path):
    gateway = file_gateway(tmp_path)
    jwks = gateway.providers.by_name["corp"].jwks
    assert gateway.material == []
    assert (await gateway.bearer(OLD))[1] is None
    (tmp_path / "jwks.json").write_bytes(key_set(jwk("k1"), jwk("k2", number=1)))
    await looks(jwks)
    assert (await gateway.bearer(NEW))[1] is None
    assert (await gateway.bearer(OLD))[1] is None
    (tmp_path / "jwks.json").write_bytes(key_set(jwk("k2", number=1)))
    await looks(jwks)
    # Verified, remembered, not over: but its key is gone.
    assert (await gateway.refusal(OLD)).reason is Reason.UNAUTHENTICATED
    assert (await gateway.bearer(NEW))[1] is None
    assert [(e.kind, e.name, e.accepted, e.why) for e in gateway.material] == [
        ("jwks", "corp", True, f"{tmp_path / 'jwks.json'}: 2 keys are known"),
        ("jwks", "corp", True, f"{tmp_path / 'jwks.json'}: 1 keys are known"),
    ]


async def test_tokens_of_a_name_that_has_another_key_now_are_forgotten(tmp_path):
    gateway = file_gateway(tmp_path)
    assert (await gateway.bearer(OLD))[1] is None
    (tmp_path / "jwks.json").write_bytes(key_set(jwk("k1", number=1)))
    await looks(gateway.providers.by_name["corp"].jwks)
    assert (await gateway.refusal(OLD)).reason is Reason.UNAUTHENTICATED


@pytest.mark.parametrize("content", [b"", b"{}", key_set(), None])
async def test_a_broken_file_keeps_the_old_keys_and_says_so_once(tmp_path, content):
    gateway = file_gateway(tmp_path)
    path = tmp_path / "jwks.json"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    jwks = gateway.providers.by_name["corp"].jwks
    await looks(jwks, 3)
    assert (await gateway.bearer(OLD))[1] is None
    assert (await gateway.refusal(NEW)).reason is Reason.UNAUTHENTICATED
    assert [event.accepted for event in gateway.material] == [False]
    assert gateway.material[0].why.startswith(f"{path}: ")
    path.write_bytes(key_set(jwk("k1")) + b" ")
    await looks(jwks)
    assert [event.accepted for event in gateway.material] == [False, True]


async def test_a_file_is_looked_at_while_the_gateway_runs(tmp_path):
    gateway = file_gateway(tmp_path)
    gateway.providers.start()
    await settled()
    (tmp_path / "jwks.json").write_bytes(key_set(jwk("k2", number=1)))
    for _ in range(2):
        gateway.clock.advance(1.01)
        await settled()
    await until(lambda: bool(gateway.material))
    assert (await gateway.bearer(NEW))[1] is None
    await gateway.providers.stop()
    assert gateway.clock.pending == 0


async def test_without_its_file_nobody_can_tell(tmp_path):
    gateway = Gateway(jwt_options(jwks_file=tmp_path / "missing.json"))
    error = await gateway.refusal(OLD)
    assert error.reason is Reason.IDENTITY_UNAVAILABLE
    assert error.code is Code.UNAVAILABLE
    assert [event.accepted for event in gateway.material] == [False]


# A URL.


async def test_keys_are_asked_for_at_the_start_and_again_a_little_before_the_interval():
    url = Url(key_set(jwk("k1")))
    gateway = await started(url)
    assert url.asked == 1
    assert [event.why for event in gateway.material] == ["1 keys are known"]
    gateway.clock.advance(569)  # 600 less half of a tenth
    await settled()
    assert url.asked == 1
    gateway.clock.advance(2)
    await settled()
    assert url.asked == 2
    assert len(gateway.material) == 1  # the same keys are no news
    await gateway.providers.stop()
    assert gateway.clock.pending == 0


async def test_old_and_new_keys_overlap_and_a_new_one_costs_one_fetch():
    url = Url(key_set(jwk("k1")))
    gateway = await started(url)
    gateway.clock.advance(60)
    assert (await gateway.bearer(OLD))[1] is None
    url.answer = key_set(jwk("k1"), jwk("k2", number=1))
    held = url.hold()
    waiting = [asyncio.ensure_future(gateway.auth(_call(gateway, NEW), _answer)) for _ in range(50)]
    await settled()
    assert not any(task.done() for task in waiting)
    assert url.asked == 2
    held.set()
    outcomes = await asyncio.gather(*waiting)
    assert all(outcome.error is None for outcome in outcomes)
    assert url.asked == 2
    url.held = None
    assert (await gateway.bearer(OLD))[1] is None
    assert (await gateway.bearer(NEW))[1] is None
    gateway.clock.advance(60)
    url.answer = key_set(jwk("k2", number=1))
    await gateway.refusal(token(LONG, kid="k3", number=1))  # which brings the news
    assert (await gateway.refusal(OLD)).reason is Reason.UNAUTHENTICATED
    assert (await gateway.bearer(NEW))[1] is None
    assert url.asked == 3
    await gateway.providers.stop()


async def _answer(call: Any) -> Any:
    assert call.identity is not None
    return SUCCESS


def _call(gateway: Gateway, text: str) -> Any:
    return new_call(gateway.clock, metadata=[("authorization", f"Bearer {text}")])


async def test_a_call_that_is_cancelled_leaves_the_question_to_the_others():
    url = Url(key_set(jwk("k1")))
    held = url.hold()
    gateway = await started(url)
    first, second = (
        asyncio.ensure_future(gateway.auth(_call(gateway, OLD), _answer)) for _ in range(2)
    )
    await settled()
    first.cancel()
    await settled()
    assert first.cancelled()
    assert url.cancelled == 0
    assert gateway.providers.by_name["corp"].jwks._waiting == 1
    held.set()
    assert (await second).error is None
    assert url.asked == 1
    assert gateway.providers.by_name["corp"].jwks._waiting == 0
    await gateway.providers.stop()


async def test_a_first_call_waits_for_the_keys_of_the_start():
    url = Url(key_set(jwk("k1")))
    held = url.hold()
    gateway = await started(url)
    waiting = asyncio.ensure_future(gateway.auth(_call(gateway, OLD), _answer))
    await settled()
    assert not waiting.done()
    held.set()
    assert (await waiting).error is None
    await gateway.providers.stop()


async def test_a_question_ends_after_its_timeout_and_calls_are_told_when_to_come_back():
    url = Url(b"")
    url.hold()
    gateway = await started(url, timeout_s=2.0)
    waiting = asyncio.ensure_future(gateway.auth(_call(gateway, OLD), _answer))
    await settled()
    gateway.clock.advance(2)
    error = (await waiting).error
    assert error is not None
    assert error.code is Code.UNAVAILABLE
    assert error.reason is Reason.IDENTITY_UNAVAILABLE
    assert error.retry_after_s == pytest.approx(8)
    assert gateway.material[-1].why == "there was no answer in 2 s"
    assert url.cancelled == 1
    await gateway.providers.stop()


async def test_of_too_many_waiting_calls_the_last_are_sent_away(monkeypatch):
    monkeypatch.setattr(jwks_url, "MAX_WAITING", 3)
    url = Url(key_set(jwk("k1")))
    gateway = await started(url)
    gateway.clock.advance(11)
    held = url.hold()
    url.answer = key_set(jwk("k1"), jwk("k2", number=1))
    waiting = [asyncio.ensure_future(gateway.auth(_call(gateway, NEW), _answer)) for _ in range(3)]
    await settled()
    error = await gateway.refusal(NEW)
    assert error.reason is Reason.IDENTITY_UNAVAILABLE  # the answer may still be yes
    assert error.retry_after_s == pytest.approx(2)
    assert (await gateway.bearer(OLD))[1] is None  # a known key waits for nothing
    held.set()
    assert all(outcome.error is None for outcome in await asyncio.gather(*waiting))
    await gateway.providers.stop()


@pytest.mark.parametrize(
    "failure",
    [
        OSError("secret-in-the-url"),
        ValueError("secret-in-the-url"),
        RuntimeError("secret-in-the-url"),
        CallError(Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, "answered 503", origin=Origin.UPSTREAM),
    ],
)
async def test_keys_are_used_on_while_the_url_fails_and_not_for_ever(failure):
    url = Url(key_set(jwk("k1")))
    gateway = await started(url)
    assert (await gateway.bearer(OLD))[1] is None
    url.answer = failure
    for _ in range(24 * 60):
        gateway.clock.advance(60)
        await settled()
    assert (await gateway.bearer(OLD))[1] is None
    assert (await gateway.refusal(NEW)).reason is Reason.IDENTITY_UNAVAILABLE
    assert url.asked > 1000  # every ten seconds and a little
    assert [event.accepted for event in gateway.material] == [True, False]  # said once
    for _ in range(2):
        gateway.clock.advance(60)
        await settled()
    # A day after the last answer: remembered tokens are forgotten with their keys.
    error = await gateway.refusal(OLD)
    assert error.reason is Reason.IDENTITY_UNAVAILABLE
    assert "too old" in gateway.material[-1].why
    url.answer = key_set(jwk("k1"))
    gateway.clock.advance(11)
    await settled()
    assert (await gateway.bearer(OLD))[1] is None
    assert "secret-in-the-url" not in repr(gateway.said)
    await gateway.providers.stop()


@pytest.mark.parametrize("answer", [b"", b"<html>", key_set(), b" " * (MAX_SET_BYTES + 1)])
async def test_an_answer_that_cannot_be_used_keeps_the_old_keys(answer):
    url = Url(key_set(jwk("k1")))
    gateway = await started(url)
    url.answer = answer
    gateway.clock.advance(600)
    await settled()
    assert url.asked == 2
    assert (await gateway.bearer(OLD))[1] is None
    assert [event.accepted for event in gateway.material] == [True, False]
    url.answer = key_set(jwk("k1"))
    gateway.clock.advance(11)
    await settled()
    assert gateway.material[-1].why == "the same keys can be had again"
    await gateway.providers.stop()


async def test_the_end_lets_waiting_calls_go():
    url = Url(b"")
    url.hold()
    gateway = await started(url)
    waiting = asyncio.ensure_future(gateway.auth(_call(gateway, OLD), _answer))
    await settled()
    await gateway.providers.stop()
    error = (await waiting).error
    assert error is not None
    assert error.reason is Reason.IDENTITY_UNAVAILABLE
    assert gateway.clock.pending == 0


async def test_an_end_before_the_first_question_began_leaves_nothing():
    url = Url(key_set(jwk("k1")))
    gateway = Gateway(jwt_options(), url=url)
    jwks = gateway.providers.by_name["corp"].jwks
    waiting = asyncio.ensure_future(jwks.renewed())
    await asyncio.sleep(0)
    jwks._question.cancel()  # type: ignore[union-attr]
    await gateway.providers.stop()
    await asyncio.gather(waiting)
    assert not jwks.may_wait()
    assert url.asked == 0


# The times.


def test_freshness_asks_again_by_its_rules():
    options = jwt_options()
    freshness = Freshness(options, 0.0)
    rng = FakeRng((0.5,))
    assert freshness.due_at == 0.0
    assert freshness.may_ask(0.0)
    freshness.asked(0.0)
    assert not freshness.may_ask(9.9)
    assert freshness.wait_s(4.0) == 6.0
    freshness.failed(2.0, rng)
    assert freshness.failing
    assert freshness.due_at == pytest.approx(10.5)  # up to a tenth late
    freshness.asked(10.5)
    freshness.answered(11.0, rng)
    assert not freshness.failing
    assert freshness.due_at == pytest.approx(11 + 570)  # up to a tenth early
    assert not freshness.is_stale(11 + 86_400)
    assert freshness.is_stale(11 + 86_401)
