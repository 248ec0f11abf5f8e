"""Modes, roles, listeners, and which of several credentials counts."""

import hashlib
from pathlib import Path

import pytest
from support.calls import new_call
from unit.interceptors.auth.issuer import (
    Gateway,
    Url,
    good,
    jwk,
    jwt_options,
    key_set,
    settled,
    token,
)

from gateway.core.call import Call
from gateway.core.errors import Origin, Reason
from gateway.core.events import CallRefused
from gateway.core.outcome import Kind
from gateway.core.status import Code
from gateway.interceptors.auth import (
    ApiKey,
    ApiKeysOptions,
    AuthOptions,
    CertificateName,
    CertificatesOptions,
    ListenerAuth,
    Mode,
)

KEY = ("x-api-key", "a key")
BAD_KEY = ("x-api-key", "another key")
TOKEN = ("authorization", f"Bearer {token()}")
BAD_TOKEN = ("authorization", f"Bearer {token(number=1)}")
CERTIFICATE = ("DNS:orders.internal",)
UNKNOWN_CERTIFICATE = ("DNS:other.example",)
KEYS = ApiKeysOptions(
    name="keys",
    keys=(
        ApiKey(
            caller="kay",
            sha256=hashlib.sha256(KEY[1].encode()).digest(),
            roles=frozenset(("writer",)),
        ),
    ),
)
MACHINES = CertificatesOptions(
    name="machines",
    names=(CertificateName(name="*.internal", roles=frozenset(("machine",))),),
)


def all_three(tmp_path: Path, auth: AuthOptions | None = None, **more: ListenerAuth) -> Gateway:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk("k1")))
    return Gateway(jwt_options(jwks_file=path), KEYS, MACHINES, auth=auth, listeners=more)


@pytest.mark.parametrize(
    ("metadata", "certificate", "who"),
    [
        ((TOKEN,), (), "corp:ann"),
        ((KEY,), (), "keys:kay"),
        ((), CERTIFICATE, "machines:orders.internal"),
        ((TOKEN, KEY), (), "corp:ann"),
        ((KEY, TOKEN), (), "corp:ann"),
        ((KEY, TOKEN), CERTIFICATE, "corp:ann"),
        ((KEY,), CERTIFICATE, "keys:kay"),
        # A certificate that is nobody's here holds the connection of somebody who is known.
        ((KEY,), UNKNOWN_CERTIFICATE, "keys:kay"),
        ((("x-other", "1"), KEY, ("x-bin", b"\x00")), (), "keys:kay"),
    ],
)
async def test_a_token_goes_before_a_key_and_both_before_a_certificate(
    tmp_path, metadata, certificate, who
):
    gateway = all_three(tmp_path)
    call, error = await gateway.call(*metadata, certificate=certificate)
    assert error is None
    assert call.identity is not None
    assert call.identity.key == who


@pytest.mark.parametrize("mode", [Mode.REQUIRED, Mode.OPTIONAL])
@pytest.mark.parametrize(
    ("metadata", "certificate"),
    [
        ((BAD_TOKEN,), ()),
        ((BAD_KEY,), ()),
        ((), UNKNOWN_CERTIFICATE),
        ((BAD_TOKEN, KEY), ()),
        ((KEY, BAD_TOKEN), ()),
        ((TOKEN, BAD_KEY), ()),
        ((BAD_KEY, TOKEN), CERTIFICATE),
        ((BAD_KEY,), CERTIFICATE),
    ],
)
async def test_a_bad_credential_is_refused_whatever_else_there_is(
    tmp_path, mode, metadata, certificate
):
    gateway = all_three(tmp_path, AuthOptions(mode=mode))
    call, error = await gateway.call(*metadata, certificate=certificate)
    assert error is not None
    assert error.code is Code.UNAUTHENTICATED
    assert call.identity is None


async def test_required_says_what_is_missing_and_where_to_put_it(tmp_path):
    gateway = all_three(tmp_path)
    call, error = await gateway.call()
    assert error is not None
    assert error.code is Code.UNAUTHENTICATED
    assert error.reason is Reason.UNAUTHENTICATED
    assert error.message == (
        "the call has no credential; send 'authorization: Bearer TOKEN' or 'x-api-key: KEY' "
        "or a client certificate"
    )
    assert gateway.said == [CallRefused(call, "auth", error)]


async def test_optional_takes_anonymous_calls_and_names_the_others(tmp_path):
    gateway = all_three(tmp_path, AuthOptions(mode=Mode.OPTIONAL))
    call, error = await gateway.call()
    assert error is None
    assert call.identity is None
    call, _ = await gateway.call(KEY)
    assert call.identity is not None
    assert gateway.said == []


async def test_none_looks_at_no_credential(tmp_path):
    gateway = all_three(tmp_path, AuthOptions(mode=Mode.NONE, roles=frozenset(("x",))))
    for metadata in ((), (BAD_TOKEN,), (TOKEN,)):
        call, error = await gateway.call(*metadata, certificate=UNKNOWN_CERTIFICATE)
        assert error is None
        assert call.identity is None


@pytest.mark.parametrize(
    ("roles", "text"),
    [
        (("admin",), "the caller needs the role 'admin' and has not"),
        (("b", "a"), "the caller needs one of the roles 'a', 'b' and has not"),
    ],
)
async def test_a_caller_without_a_needed_role_is_denied_by_name(tmp_path, roles, text):
    gateway = all_three(tmp_path, AuthOptions(roles=frozenset(roles)))
    call, error = await gateway.call(KEY)
    assert error is not None
    assert error.code is Code.PERMISSION_DENIED
    assert error.reason is Reason.PERMISSION_DENIED
    assert error.origin is Origin.CALLER
    assert error.message == text
    assert call.identity is not None
    assert call.identity.key == "keys:kay"  # the log says who tried
    assert gateway.said == [CallRefused(call, "auth", error)]


async def test_one_of_the_needed_roles_is_enough(tmp_path):
    gateway = all_three(tmp_path, AuthOptions(roles=frozenset(("admin", "writer"))))
    assert (await gateway.call(KEY))[1] is None


async def test_roles_of_several_credentials_are_not_added_up(tmp_path):
    gateway = all_three(tmp_path, AuthOptions(roles=frozenset(("writer", "machine"))))
    _, error = await gateway.call(KEY, TOKEN, certificate=CERTIFICATE)
    assert error is not None
    assert error.reason is Reason.PERMISSION_DENIED


async def test_roles_make_a_caller_needed_where_credentials_are_optional(tmp_path):
    gateway = all_three(tmp_path, AuthOptions(mode=Mode.OPTIONAL, roles=frozenset(("writer",))))
    _, error = await gateway.call()
    assert error is not None
    assert error.reason is Reason.UNAUTHENTICATED
    assert (await gateway.call(KEY))[1] is None


async def test_only_the_providers_that_are_said_count(tmp_path):
    gateway = all_three(tmp_path, AuthOptions(providers=frozenset(("keys",))))
    assert (await gateway.call(KEY))[1] is None
    # What does not count is not looked at either.
    assert (await gateway.call(KEY, BAD_TOKEN, certificate=UNKNOWN_CERTIFICATE))[1] is None
    _, error = await gateway.call(TOKEN, certificate=CERTIFICATE)
    assert error is not None
    assert error.message == "the call has no credential; send 'x-api-key: KEY'"


async def test_a_listener_says_what_all_calls_need_there(tmp_path):
    gateway = all_three(
        tmp_path,
        AuthOptions(mode=Mode.REQUIRED, roles=frozenset(("writer",))),
        probes=ListenerAuth(mode=Mode.NONE),
        inside=ListenerAuth(mode=Mode.OPTIONAL),
        machines=ListenerAuth(providers=frozenset(("machines",))),
    )
    assert (await gateway.call(listener="probes"))[1] is None
    assert (await gateway.call(BAD_TOKEN, listener="probes"))[1] is None
    for listener in ("", "inside", "another"):  # roles hold unless it is NONE
        _, error = await gateway.call(listener=listener)
        assert error is not None
        assert error.reason is Reason.UNAUTHENTICATED
        assert (await gateway.call(KEY, listener=listener))[1] is None
    _, error = await gateway.call(KEY, listener="machines")
    assert error is not None
    assert "send a client certificate" in error.message
    _, error = await gateway.call(KEY, certificate=CERTIFICATE, listener="machines")
    assert error is not None
    assert error.reason is Reason.PERMISSION_DENIED


async def test_a_listener_that_requires_goes_before_a_method_that_does_not(tmp_path):
    gateway = all_three(
        tmp_path, AuthOptions(mode=Mode.NONE), outside=ListenerAuth(mode=Mode.REQUIRED)
    )
    assert (await gateway.call())[1] is None
    _, error = await gateway.call(listener="outside")
    assert error is not None
    assert error.reason is Reason.UNAUTHENTICATED


async def test_where_no_provider_counts_nobody_gets_in(tmp_path):
    gateway = all_three(
        tmp_path,
        AuthOptions(providers=frozenset(("keys",))),
        machines=ListenerAuth(providers=frozenset(("machines",))),
    )
    _, error = await gateway.call(KEY, certificate=CERTIFICATE, listener="machines")
    assert error is not None
    assert error.message == "the call has no credential, and none is taken for it here"


async def test_a_refusal_says_nothing_about_the_upstream(tmp_path):
    gateway = all_three(tmp_path)
    outcome = await gateway.auth(new_call(gateway.clock), gateway.behind)
    assert outcome.kind is Kind.IGNORED
    assert gateway.behind.attempts == 0


async def test_a_call_that_needs_no_wait_is_handed_on_as_it_is(tmp_path):
    gateway = all_three(tmp_path)

    class Next:
        def __call__(self, _call: Call) -> "Next":
            return self

        def __await__(self):
            return (yield from ())

    following = Next()
    for metadata in ([TOKEN], [KEY]):
        handed = gateway.auth(new_call(gateway.clock, metadata=metadata), following)
        assert handed is following  # no coroutine of its own


async def test_after_a_wait_the_other_credentials_count_as_before():
    url = Url(key_set(jwk("k1")))
    gateway = Gateway(jwt_options(), KEYS, MACHINES, url=url)
    gateway.providers.start()
    await settled()
    for number, (metadata, certificate, who) in enumerate(
        (
            ((_late(0), KEY), CERTIFICATE, "corp:ann"),
            ((KEY, _late(1)), (), "corp:ann"),
            ((_late(2), BAD_KEY), (), None),
        )
    ):
        gateway.clock.advance(11)
        url.answer = key_set(jwk("k1"), *(jwk(f"late-{n}") for n in range(number + 1)))
        call, error = await gateway.call(*metadata, certificate=certificate)
        assert (None if call.identity is None else call.identity.key) == who
        assert (error is None) is (who is not None)
    await gateway.providers.stop()


def _late(number: int) -> tuple[str, str]:
    return ("authorization", f"Bearer {token(good(), kid=f'late-{number}')}")


async def test_a_fault_behind_it_goes_on(tmp_path):
    gateway = all_three(tmp_path)

    async def breaks(_call: Call) -> object:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        await gateway.auth(new_call(gateway.clock, metadata=[KEY]), breaks)
