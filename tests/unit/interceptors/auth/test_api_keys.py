"""Keys that the gateway knows by their hashes."""

import hashlib
import re
import threading
from pathlib import Path

import pytest
from unit.interceptors.auth.issuer import START, Gateway, settled, until

from gateway.core.errors import CallError, Reason
from gateway.interceptors.auth import ApiKey, ApiKeysOptions, UnreadableKeysError, new_key
from gateway.interceptors.auth.new_key import is_damaged
from gateway.interceptors.auth.options import MAX_KEY_CHARS


def known(caller: str, key: str, **more: object) -> ApiKey:
    return ApiKey(caller=caller, sha256=hashlib.sha256(key.encode()).digest(), **more)  # type: ignore[arg-type]


KEY, OTHER = new_key()[0], new_key()[0]


@pytest.fixture
def gateway() -> Gateway:
    keys = (
        known("ann", KEY, roles=frozenset(("admin",))),
        known("bob", "bob's own key", expires_at=START + 60.0),
    )
    return Gateway(ApiKeysOptions(name="keys", keys=keys))


async def refusal(gateway: Gateway, *values: str | bytes) -> CallError:
    call, error = await gateway.call(*(("x-api-key", value) for value in values))
    assert error is not None
    assert error.reason is Reason.UNAUTHENTICATED
    assert call.identity is None
    return error


async def test_a_key_names_its_caller_and_the_callers_roles(gateway):
    call, error = await gateway.call(("x-request-id", "1"), ("x-api-key", KEY))
    assert error is None
    assert call.identity is not None
    assert call.identity.key == "keys:ann"
    assert call.identity.roles == {"admin"}
    assert call.identity.metadata == "x-api-key"


async def test_several_keys_may_be_of_one_caller():
    gateway = Gateway(ApiKeysOptions(name="k", keys=(known("ann", KEY), known("ann", OTHER))))
    for key in (KEY, OTHER):
        call, _ = await gateway.call(("x-api-key", key))
        assert call.identity is not None
        assert call.identity.name == "ann"


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "x", KEY.upper(), KEY + " ", " " + KEY, f"Bearer {KEY}", "é", "\ud800", "\x00"),
        *(hashlib.sha256(KEY.encode()).hexdigest(), KEY.encode(), b"", b"\xff"),
        "x" * (MAX_KEY_CHARS + 1),
        "x" * 16_000,
    ],
)
async def test_what_is_not_the_key_to_the_letter_is_refused(gateway, value):
    await refusal(gateway, value)


async def test_a_key_beside_another_is_refused(gateway):
    for values in ((KEY, KEY), (KEY, "x"), ("x", KEY)):
        call, error = await gateway.call(*(("x-api-key", value) for value in values))
        assert error is not None
        assert call.identity is None
    assert "more than once" in (await refusal(gateway, KEY, KEY)).message


async def test_an_expired_key_is_told_as_expired(gateway):
    assert (await gateway.call(("x-api-key", "bob's own key")))[1] is None
    gateway.clock.advance(59.9)
    assert (await gateway.call(("x-api-key", "bob's own key")))[1] is None
    gateway.clock.advance(0.1)
    assert "has expired" in (await refusal(gateway, "bob's own key")).message


async def test_an_incomplete_key_is_told_as_such(gateway):
    assert "not complete" in (await refusal(gateway, KEY[:-1])).message
    assert "not known" in (await refusal(gateway, OTHER)).message


async def test_keys_in_authorization_are_bearer_tokens():
    gateway = Gateway(ApiKeysOptions(name="k", metadata="authorization", keys=(known("ann", KEY),)))
    assert (await gateway.call(("authorization", f"bearer {KEY}")))[1] is None
    for value in (KEY, f"Basic {KEY}", f"Bearer  {KEY}", "", "Bearer", KEY.encode()):
        call, error = await gateway.call(("authorization", value))
        assert error is not None
        assert call.identity is None
    _, error = await gateway.call()
    assert error is not None
    assert "'authorization: Bearer KEY'" in error.message


def test_one_hash_for_two_callers_is_refused():
    with pytest.raises(ValueError, match="'ann' and 'bob'"):
        Gateway(ApiKeysOptions(name="k", keys=(known("ann", KEY), known("bob", KEY))))


async def test_a_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(tmp_path):
    path = tmp_path / "keys"
    path.write_text(KEY)

    reads = []

    def read(found: Path) -> list[ApiKey]:
        reads.append(threading.current_thread())
        if not found.exists():
            raise UnreadableKeysError("cannot be read")
        keys = found.read_text().split()
        if "broken" in keys:
            raise ValueError("line 1: is broken")
        return [known(f"caller-{i}", key) for i, key in enumerate(keys)]

    options = ApiKeysOptions(name="keys", keys=(known("ann", "of the file"),), file=path)
    gateway = Gateway(options, read_keys=read)
    assert gateway.material == []
    assert len(reads) == 1
    provider = gateway.providers.by_name["keys"]

    async def accepted(key: str) -> bool:
        for _ in range(3):
            await provider.look()
        return (await gateway.call(("x-api-key", key)))[1] is None

    assert await accepted(KEY)
    assert not await accepted(OTHER)
    path.write_text(f"{KEY} {OTHER}")
    assert await accepted(OTHER)
    path.write_text(f"broken {KEY}")
    assert await accepted(OTHER)
    assert await accepted(OTHER)
    assert len(reads) == 3  # what is broken is not read again until it changes
    path.unlink()
    assert await accepted(OTHER)
    assert len(reads) == 5  # what could not be opened is
    path.write_text(f"{OTHER} of the file".replace(" of the file", " x"))
    assert not await accepted(KEY)
    assert await accepted("of the file")
    assert threading.current_thread() not in reads[1:]
    assert [(event.accepted, event.why) for event in gateway.material] == [
        (True, f"{path}: 3 keys are known"),
        (False, f"{path}: line 1: is broken"),
        (False, f"{path}: cannot be read"),
        (True, f"{path}: 3 keys are known"),
    ]


async def test_the_file_is_looked_at_while_the_gateway_runs(tmp_path):
    path = tmp_path / "keys"
    path.write_text("")
    options = ApiKeysOptions(name="keys", file=path)
    gateway = Gateway(options, read_keys=lambda found: [known("ann", found.read_text())])
    gateway.providers.start()
    await settled()
    path.write_text(KEY)
    for _ in range(2):
        assert (await gateway.call(("x-api-key", KEY)))[1] is not None
        gateway.clock.advance(1.01)
        await settled()
    await until(lambda: bool(gateway.material))
    assert (await gateway.call(("x-api-key", KEY)))[1] is None
    await gateway.providers.stop()
    assert gateway.clock.pending == 0


async def test_a_key_of_the_configuration_in_the_file_too_is_refused(tmp_path):
    path = tmp_path / "keys"
    path.write_text("")
    options = ApiKeysOptions(name="keys", keys=(known("ann", KEY),), file=path)
    gateway = Gateway(options, read_keys=lambda _path: [known("eve", KEY)])
    assert [event.accepted for event in gateway.material] == [False]
    call, _ = await gateway.call(("x-api-key", KEY))
    assert call.identity is not None
    assert call.identity.name == "ann"


def test_a_new_key_can_be_told_from_other_texts_and_checks_itself():
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    for key, digest in keys:
        assert re.fullmatch(r"sw_[0-9A-Za-z]{36}", key)
        assert hashlib.sha256(key.encode()).hexdigest() == digest
        assert not is_damaged(key)
        assert is_damaged(key[:-1])
        assert is_damaged(key[:10] + ("a" if key[10] != "a" else "b") + key[11:])
    assert not is_damaged("another key")


def test_the_random_part_of_a_key_has_at_least_160_bits():
    assert 62**30 > 2**160
    seen = {key[3:-6] for key in (new_key()[0] for _ in range(500))}
    assert set("".join(seen)) == set(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    )


async def test_keys_are_compared_in_constant_time(gateway, monkeypatch):
    compared: list[int] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(len(one))
        return one == other

    monkeypatch.setattr("gateway.interceptors.auth.api_keys.hmac.compare_digest", compare)
    await gateway.call(("x-api-key", KEY))
    assert compared == [32]
