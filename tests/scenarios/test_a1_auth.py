"""Row A1: signing in to the panel. Five logins and three signups a caller in a quarter of an
hour; reads of a session are repeated, passwords are not; one hiccup locks nobody out.

The function has one path for everything and an `action` in its query, which each method's
policy sets: callers have no word in it. Row A12, of auth: a session's token travels as
`authorization` through the gateway, and is the function's to judge.
"""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from panel.v1 import auth_pb2, auth_pb2_grpc, orders_pb2, orders_pb2_grpc
from scenarios.answers import metadata, told
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream, eventually
from scenarios.gateways import ANYBODY, State, as_, breaker, callers, gateway_over
from support.gateways import Running

from gateway.core.events import CallRefused, LimitExceeded, RetryScheduled

Code = grpc.StatusCode

AUTH = "/.netlify/functions/auth"
SENT = f"POST {AUTH}"
ORDERS = "/.netlify/functions/orders"
LOGINS, SIGNUPS = 5, 3
WINDOW_S = 900
LATE_S = WINDOW_S / 60
"""A place comes back so much late at most."""
CONFIG = f"""
{callers(ada="", bo="", root="admin")}
{ANYBODY}
connections: {{trusted_hops: 1}}
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    functions: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls = dict.fromkeys(PANEL_UPSTREAMS, functions.url)
    rng = FakeRng([0.0])  # backoffs take no time
    async with gateway_over(
        "panel", urls, tmp_path, clock=clock, rng=rng, config=CONFIG
    ) as running:
        yield running


@pytest.fixture
def auth(running: Running) -> auth_pb2_grpc.AuthServiceStub:
    return auth_pb2_grpc.AuthServiceStub(running.channel)


def login(password: str = "correct horse") -> auth_pb2.LoginRequest:
    return auth_pb2.LoginRequest(email="ana@example.com", password=password)


def signup(number: int) -> auth_pb2.SignupRequest:
    return auth_pb2.SignupRequest(
        email=f"new-{number}@example.com", password="long enough", display_name=f"New {number}"
    )


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def at(address: str) -> tuple[tuple[str, str], ...]:
    """Metadata as the proxy before the gateway writes it."""
    return (("x-forwarded-for", address),)


async def logged_in(auth, times: int, who: tuple[tuple[str, str], ...] = ()) -> None:
    for _ in range(times):
        await auth.Login(login(), metadata=who)


# What the service does


async def test_a_session_is_begun_verified_and_ended(auth) -> None:
    session = await auth.Login(login())
    assert session.user.display_name == "Ana"
    assert session.expire_time.seconds > 1_700_000_000
    who = bearer(session.token)
    assert await auth.Verify(auth_pb2.VerifyRequest(), metadata=who) == session.user
    await auth.Logout(auth_pb2.LogoutRequest(), metadata=who)
    refused = await told(auth.Verify(auth_pb2.VerifyRequest(), metadata=who))
    assert refused.code == Code.UNAUTHENTICATED
    assert refused.origin == "upstream"  # the function judged the token, and not the gateway


async def test_a_token_is_its_callers_and_nobody_elses(auth) -> None:
    session = await auth.Login(login())
    request = auth_pb2.VerifyRequest()
    assert (await told(auth.Verify(request))).code == Code.UNAUTHENTICATED
    other = await auth.Signup(signup(1))
    found = await auth.Verify(request, metadata=bearer(other.token))
    assert found == other.user != session.user


async def test_an_account_is_opened_once(auth) -> None:
    session = await auth.Signup(signup(1))
    assert (session.user.email, session.user.role) == ("new-1@example.com", "customer")
    assert (await told(auth.Signup(signup(1)))).code == Code.ALREADY_EXISTS


# Limits


async def test_five_logins_pass_and_the_sixth_is_refused(
    functions: Downstream, running: Running, auth
) -> None:
    await logged_in(auth, LOGINS)
    refused = await told(auth.Login(login()))
    assert refused.code == Code.RESOURCE_EXHAUSTED
    assert (refused.origin, refused.attempts) == ("gateway", 0)
    assert WINDOW_S - 1 <= refused.retry_delay_s <= WINDOW_S + LATE_S
    ((subject, description),) = refused.quota
    assert "logins" in subject
    assert description.startswith("5 calls in 900 s")
    assert refused.metadata["ratelimit-policy"] == '"logins";q=5;w=900'
    assert str(refused.metadata["ratelimit"]).startswith('"logins";r=0;t=')
    assert functions.seen(SENT) == LOGINS
    assert [event.mechanism for event in running.of(CallRefused)] == ["rate_limit"]
    assert [event.shadow for event in running.of(LimitExceeded)] == [False]


async def test_each_answer_tells_how_many_logins_are_left(auth) -> None:
    left = []
    for _ in range(LOGINS):
        said = await metadata(auth.Login(login()))
        assert said["ratelimit-policy"] == '"logins";q=5;w=900'
        left.append(str(said["ratelimit"]).split(";")[1])
    assert left == ["r=4", "r=3", "r=2", "r=1", "r=0"]


async def test_three_signups_pass_and_logins_are_counted_apart(functions: Downstream, auth) -> None:
    for number in range(SIGNUPS):
        await auth.Signup(signup(number))
    refused = await told(auth.Signup(signup(9)))
    assert refused.code == Code.RESOURCE_EXHAUSTED
    assert refused.metadata["ratelimit-policy"] == '"signups";q=3;w=900'
    await logged_in(auth, LOGINS)
    assert (await told(auth.Login(login()))).code == Code.RESOURCE_EXHAUSTED
    assert functions.seen(SENT) == SIGNUPS + LOGINS


async def test_passwords_that_are_wrong_count_like_right_ones(functions: Downstream, auth) -> None:
    for guess in range(LOGINS):
        refused = await told(auth.Login(login(f"guess {guess}")))
        assert (refused.code, refused.attempts) == (Code.UNAUTHENTICATED, 1)
    refused = await told(auth.Login(login()))  # the right one, too late
    assert refused.code == Code.RESOURCE_EXHAUSTED
    assert functions.seen(SENT) == LOGINS


async def test_sessions_are_verified_and_ended_without_a_limit(auth) -> None:
    session = await auth.Login(login())
    who = bearer(session.token)
    for _ in range(4 * LOGINS):
        await auth.Verify(auth_pb2.VerifyRequest(), metadata=who)
    await auth.Logout(auth_pb2.LogoutRequest(), metadata=who)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (at("203.0.113.7"), at("203.0.113.8")),
        (as_("ada"), as_("bo")),
        (as_("ada"), at("203.0.113.7")),
    ],
)
async def test_another_caller_has_logins_of_its_own(auth, one, other) -> None:
    await logged_in(auth, LOGINS, one)
    assert (await told(auth.Login(login(), metadata=one))).code == Code.RESOURCE_EXHAUSTED
    await logged_in(auth, LOGINS, other)


async def test_a_caller_who_is_known_is_one_wherever_it_comes_from(auth) -> None:
    await logged_in(auth, LOGINS, (*as_("ada"), *at("203.0.113.7")))
    elsewhere = (*as_("ada"), *at("203.0.113.8"))
    assert (await told(auth.Login(login(), metadata=elsewhere))).code == Code.RESOURCE_EXHAUSTED


async def test_a_caller_without_a_key_is_no_other_by_an_address_that_it_made_up(auth) -> None:
    # The proxy writes behind what the caller sends: the last entry is the proxy's word.
    for number in range(LOGINS):
        await auth.Login(login(), metadata=at(f"198.51.100.{number}, 203.0.113.7"))
    refused = await told(auth.Login(login(), metadata=at("198.51.100.99, 203.0.113.7")))
    assert refused.code == Code.RESOURCE_EXHAUSTED


async def test_logins_are_let_in_again_after_a_quarter_of_an_hour(
    functions: Downstream, clock: FakeClock, auth
) -> None:
    await logged_in(auth, LOGINS)
    clock.advance(WINDOW_S - 1)
    refused = await told(auth.Login(login()))
    assert refused.code == Code.RESOURCE_EXHAUSTED
    assert refused.retry_delay_s <= 1 + LATE_S
    clock.advance(refused.retry_delay_s)  # who comes back when it is told to is let in
    await logged_in(auth, LOGINS)
    assert (await told(auth.Login(login()))).code == Code.RESOURCE_EXHAUSTED
    assert functions.seen(SENT) == 2 * LOGINS


async def test_refused_logins_do_not_keep_the_door_shut(clock: FakeClock, auth) -> None:
    await logged_in(auth, LOGINS)
    for _ in range(9):  # somebody goes on trying
        clock.advance(WINDOW_S / 10)
        assert (await told(auth.Login(login()))).code == Code.RESOURCE_EXHAUSTED
    clock.advance(WINDOW_S / 10 + LATE_S)
    await logged_in(auth, 1)


# Hiccups


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 500}, {"drop": True}])
async def test_one_hiccup_is_no_lock_out(
    functions: Downstream, running: Running, auth, fault: dict
) -> None:
    functions.set_faults({"path": AUTH, "count": 1, **fault})
    failed = await told(auth.Login(login()))
    assert failed.code in (Code.UNAVAILABLE, Code.INTERNAL)
    assert failed.attempts == 1
    await logged_in(auth, LOGINS - 1)  # it was one of the five, and no more than that
    assert (await breaker(running.channel, "auth")).state == State.STATE_CLOSED
    assert (await told(auth.Login(login()))).code == Code.RESOURCE_EXHAUSTED


async def test_a_backend_whose_orders_fail_lets_people_in(
    functions: Downstream, running: Running, auth
) -> None:
    functions.set_faults({"path": ORDERS, "status": 503})
    orders = orders_pb2_grpc.OrderServiceStub(running.channel)
    for _ in range(20):
        await told(orders.GetOrder(orders_pb2.GetOrderRequest(order_id="ord-1001")))
    assert (await breaker(running.channel, "panel")).state == State.STATE_OPEN
    await logged_in(auth, 1)


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}])
async def test_a_login_that_the_function_may_have_seen_is_not_sent_again(
    functions: Downstream, auth, fault: dict
) -> None:
    functions.set_faults({"path": AUTH, "acts": True, **fault})
    failed = await told(auth.Login(login()))
    assert (failed.code, failed.attempts) == (Code.UNAVAILABLE, 1)
    assert functions.seen(SENT) == 1


async def test_a_login_that_was_never_sent_is_tried_again(
    functions: Downstream, tmp_path: Path
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        urls = dict.fromkeys(("panel", "providers"), functions.url)
        urls["auth"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with gateway_over(
            "panel", urls, tmp_path, clock=FakeClock(), rng=FakeRng([0.0]), config=CONFIG
        ) as running:
            auth = auth_pb2_grpc.AuthServiceStub(running.channel)
            failed = await told(auth.Login(login()))
            assert failed.code == Code.UNAVAILABLE
            assert failed.attempts >= 2
            assert running.of(RetryScheduled)


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}])
async def test_a_session_is_verified_again_where_the_answer_is_lost(
    functions: Downstream, auth, fault: dict
) -> None:
    session = await auth.Login(login())
    functions.set_faults({"path": AUTH, "acts": True, "count": 2, **fault})
    found = await auth.Verify(auth_pb2.VerifyRequest(), metadata=bearer(session.token))
    assert found == session.user
    assert functions.seen(SENT) == 1 + 3


async def test_a_session_is_ended_again_where_the_answer_is_lost(
    functions: Downstream, auth
) -> None:
    session = await auth.Login(login())
    functions.set_faults({"path": AUTH, "drop": True, "acts": True, "count": 1})
    await auth.Logout(auth_pb2.LogoutRequest(), metadata=bearer(session.token))
    assert functions.seen(SENT) == 1 + 2


async def test_a_login_that_hangs_ends_after_five_seconds(
    functions: Downstream, clock: FakeClock, auth
) -> None:
    functions.set_faults({"path": AUTH, "latency_s": 60})
    call = auth.Login(login())
    await eventually(lambda: not functions.idle)
    clock.advance(5)
    failed = await told(call)
    assert (failed.code, failed.attempts) == (Code.DEADLINE_EXCEEDED, 1)
    assert failed.user.action
    await eventually(lambda: functions.idle)
    functions.set_faults()
    await logged_in(auth, LOGINS - 1)


# Words


async def test_errors_say_in_the_forms_words_what_to_do(functions: Downstream, auth) -> None:
    wrong = await told(auth.Login(login("wrong")))
    assert ("panel.v1", "WRONG_PASSWORD") in wrong.reasons
    assert wrong.user.title == "That did not match"
    assert not wrong.user.should_retry
    await auth.Signup(signup(1))
    taken = await told(auth.Signup(signup(1)))
    assert ("panel.v1", "EMAIL_TAKEN") in taken.reasons
    ended = await told(auth.Verify(auth_pb2.VerifyRequest()))
    assert ("panel.v1", "SESSION_ENDED") in ended.reasons
    assert ended.user.action == "Sign in again."
    await logged_in(auth, LOGINS - 1)
    german = (("accept-language", "de-AT, en;q=0.5"),)
    refused = await told(auth.Login(login(), metadata=german))
    assert refused.code == Code.RESOURCE_EXHAUSTED
    assert ("panel.v1", "TOO_MANY_TRIES") in refused.reasons
    assert refused.user.title == "Zu viele Versuche"
    assert refused.user.should_retry
    assert refused.user.retry_delay.seconds >= WINDOW_S - 1
