import asyncio
import ssl
from collections import Counter
from pathlib import Path

import pytest
from fakes.clock import FakeRng
from support.calls import answered, refused, reset
from support.upstream import RawUpstream
from unit.downstream.endpoints.sets import (
    Resolver,
    Server,
    Shop,
    opened,
    options,
    turns,
    until,
)

from gateway.core.endpoint import Endpoints
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer, HttpRequest
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.core.status import Code
from gateway.downstream.endpoints import (
    Balancing,
    Discovery,
    OutlierOptions,
    ReachabilityOptions,
)
from gateway.downstream.endpoints.endpoint_set import is_failure
from gateway.downstream.endpoints.member import Member
from gateway.interceptors.endpoint import ExplainedEndpoints

CERTIFICATE = Path(__file__).parent.parent / "localhost.pem"
A, B, C, D = (("127.0.0.1", port) for port in (1, 2, 3, 4))
NAMES = {A: "127.0.0.1:1", B: "127.0.0.1:2", C: "127.0.0.1:3", D: "127.0.0.1:4"}


def timed_out() -> CallError:
    return CallError(
        Code.DEADLINE_EXCEEDED,
        Reason.ATTEMPT_TIMEOUT,
        "upstream 'shop' did not answer within 1 s",
        origin=Origin.UPSTREAM,
        sent=Sent.UNKNOWN,
        upstream="shop",
    )


async def fetch(member: Member) -> HttpAnswer:
    return await member.client.fetch(
        HttpRequest("GET", "/", {}), max_body_bytes=9, max_error_bytes=9
    )


def fail_to_connect(shop: Shop, *places, times: int = 2) -> None:
    for place in places:
        for _ in range(times):
            shop.member(place).in_flight += 1
            shop.end(shop.member(place), refused())


def eject(shop: Shop, place) -> None:
    """Have it fail where everybody else succeeds."""
    for _ in range(5):
        for at, member in shop.set._members.items():
            member.in_flight += 1
            shop.end(member, answered(500) if at == place else SUCCESS)
    assert shop.states()[NAMES[place]] == "ejected"


async def test_it_is_what_the_interceptor_asks_for():
    async with opened(options()) as shop:
        endpoints: Endpoints = shop.set
        explained: ExplainedEndpoints = shop.set
        assert endpoints is explained


# Choosing


async def test_without_endpoints_of_its_own_the_url_is_the_endpoint():
    async with opened(options("https://shop.example/v2"), start=False) as shop:
        assert shop.states() == {"shop.example:443": "healthy"}


async def test_places_that_are_declared_twice_are_one_endpoint():
    async with opened(options(addresses=(A, B, A))) as shop:
        assert list(shop.states()) == [NAMES[A], NAMES[B]]


async def test_attempts_under_way_are_counted_until_they_end_however_they_do():
    async with opened(options(addresses=(A,))) as shop:
        one = shop.member(A)
        for end in (SUCCESS, None, answered(404), answered(503), refused(), reset()):
            assert shop.choose() is one
            assert one.in_flight == 1
            shop.end(one, end)
            assert one.in_flight == 0


async def test_a_retry_goes_where_the_call_was_not_yet():
    async with opened(options(addresses=(A, B, C))) as shop:
        one, other, third = map(shop.member, (A, B, C))
        third.in_flight = 50
        assert shop.choose(one, other) is third
        fail_to_connect(shop, C)
        assert shop.choose(one, other) in (one, other)  # better than nowhere


async def test_the_balancing_is_the_declared_one():
    made = options(addresses=(A, B), balancing=Balancing.LEAST_REQUEST)
    async with opened(made, rng=FakeRng([0.9, 0.1])) as shop:
        one, other = shop.member(A), shop.member(B)
        one.in_flight = 1
        shop.end(one, SUCCESS, 0.001)
        other.in_flight = 1
        shop.end(other, SUCCESS, 1.0)
        one.in_flight = 1
        assert shop.choose() is other


async def test_what_attempts_take_is_shown():
    async with opened(options(addresses=(A, B))) as shop:
        shop.choose()
        one = shop.member(A)
        one.in_flight += 1
        shop.end(one, SUCCESS, 0.25)
        by_address = {status.address: status for status in shop.set.states()}
        assert by_address[NAMES[A]].latency_s == 0.25
        assert by_address[NAMES[B]].latency_s is None
        assert sum(status.in_flight for status in by_address.values()) == 1


# What counts against an endpoint


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (SUCCESS, False),
        (failed(answered(500)), True),
        (failed(answered(503)), True),
        (failed(answered(429)), False),
        (failed(answered(408)), False),
        (failed(answered(404)), False),
        (failed(refused()), True),
        (failed(reset()), True),
        (failed(timed_out()), True),
        (Outcome(Kind.IGNORED, reset()), False),  # the target says that it means nothing
        (failed(CallError(Code.UNAVAILABLE, Reason.BREAKER_OPEN, "x")), False),
        (failed(CallError(Code.UNAVAILABLE, Reason.DRAINING, "x")), False),
        (
            failed(
                CallError(
                    Code.RESOURCE_EXHAUSTED,
                    Reason.UPSTREAM_ANSWER_TOO_LARGE,
                    "x",
                    origin=Origin.UPSTREAM,
                )
            ),
            False,
        ),
    ],
)
def test_what_counts_against_an_endpoint(outcome, counts):
    assert is_failure(outcome) is counts


async def test_who_fails_more_than_the_others_is_left_out_for_a_while():
    async with opened(options(addresses=(A, B, C))) as shop:
        eject(shop, B)
        assert shop.changes() == [(NAMES[B], "ejected")]
        assert {shop.choose().address for _ in range(20)} == {NAMES[A], NAMES[C]}
        shop.clock.advance(0.99)
        assert shop.states()[NAMES[B]] == "ejected"
        shop.clock.advance(0.02)
        assert shop.states()[NAMES[B]] == "healthy"
        assert shop.changes()[1:] == [(NAMES[B], "healthy")]
        assert shop.member(B).penalty == 1.0


async def test_an_interval_ends_without_a_call():
    outlier = OutlierOptions(consecutive_failures=0)
    async with opened(options(addresses=(A, B), outlier=outlier)) as shop:
        for at in range(20):
            for place, end in ((A, reset() if at % 3 else SUCCESS), (B, SUCCESS)):
                shop.member(place).in_flight += 1
                shop.end(shop.member(place), end)
        assert shop.changes() == []
        shop.clock.advance(1.01)
        assert shop.changes() == [(NAMES[A], "ejected")]
        assert "65% of its attempts failed" in shop.events[-1].why


async def test_if_all_fail_alike_nobody_is_ejected():
    async with opened(options(addresses=(A, B, C))) as shop:
        shop.end_each(answered(503), 100)
        shop.clock.advance(1.01)
        shop.end_each(answered(503), 100)
        shop.clock.advance(5)
        assert shop.changes() == []


async def test_without_outliers_nobody_is_ejected():
    async with opened(options(addresses=(A, B), outlier=None)) as shop:
        for _ in range(50):
            shop.member(A).in_flight += 2
            shop.end(shop.member(A), reset())
            shop.end(shop.member(B))
        assert shop.changes() == []
        assert shop.clock.pending == 0


async def test_with_too_few_well_endpoints_all_are_used_but_the_unreachable():
    outlier = OutlierOptions(max_ejected_share=1.0)
    async with opened(options(addresses=(A, B, C, D), outlier=outlier)) as shop:
        eject(shop, A)
        eject(shop, B)
        assert {shop.choose().address for _ in range(50)} == {NAMES[C], NAMES[D]}  # half are well
        fail_to_connect(shop, C)
        for member in shop.set._members.values():
            member.in_flight = 0
        rng = Counter(shop.choose().address for _ in range(50))
        assert NAMES[C] not in rng
        assert set(rng) >= {NAMES[D]}
        assert [member.address for member in shop.set._usable] == [NAMES[at] for at in (A, B, D)]


async def test_a_threshold_of_zero_uses_only_who_is_well():
    made = options(addresses=(A, B), panic_threshold=0.0)
    async with opened(made) as shop:
        fail_to_connect(shop, A)
        shop.member(B).record.ejected_until = shop.clock.now() + 5
        shop.set._changed(shop.member(B), "a test")
        assert shop.choose() is None
        shop.member(B).record.ejected_until = None
        shop.set._changed(shop.member(B), "a test")
        assert shop.choose() is shop.member(B)


# Reachability


async def test_who_cannot_be_connected_to_is_not_tried_by_calls():
    async with opened(options(addresses=(A, B))) as shop:
        fail_to_connect(shop, A, times=1)
        assert shop.changes() == []
        fail_to_connect(shop, A, times=1)
        assert shop.changes() == [(NAMES[A], "unreachable")]
        assert {shop.choose().address for _ in range(20)} == {NAMES[B]}
        assert shop.set.reachable
        assert shop.reachability() == []


@pytest.mark.parametrize("end", [SUCCESS, answered(404), answered(500), reset()])
async def test_an_attempt_with_a_connection_breaks_the_row(end):
    async with opened(options(addresses=(A, B))) as shop:
        for _ in range(4):
            fail_to_connect(shop, A, times=1)
            shop.member(A).in_flight += 1
            shop.end(shop.member(A), end)
        assert (NAMES[A], "unreachable") not in shop.changes()


@pytest.mark.parametrize(
    "end",
    [
        None,
        CallError(Code.UNAVAILABLE, Reason.DRAINING, "x"),
        CallError(Code.UNAVAILABLE, Reason.BREAKER_OPEN, "x"),
        CallError(Code.RESOURCE_EXHAUSTED, Reason.CONCURRENCY_LIMIT, "x"),
    ],
)
async def test_what_the_gateway_caused_counts_for_nothing(end):
    async with opened(options(addresses=(A,))) as shop:
        fail_to_connect(shop, A, times=1)
        for _ in range(10):
            shop.end(shop.choose(), end)
        assert shop.changes() == []
        fail_to_connect(shop, A, times=1)  # nor does it break the row
        assert shop.changes() == [(NAMES[A], "unreachable")]


async def test_it_is_refused_at_once_until_a_probe_connects_and_the_probe_serves_the_next_call(
    port,
):
    server = Server(port=port)
    async with opened(options(f"http://127.0.0.1:{port}")) as shop:
        for _ in range(2):
            await shop.ask()
        assert shop.states() == {server.address: "unreachable"}
        assert shop.reachability() == [False]
        assert not shop.set.reachable
        assert shop.choose() is None
        assert shop.set.last_failure == f"is not reachable at {server.address}: connection refused"
        await turns()
        assert shop.set.refusal_s(shop.clock.now()) == pytest.approx(0.2)
        shop.clock.advance(0.1)
        assert shop.set.refusal_s(shop.clock.now()) == pytest.approx(0.1)
        # One sleep before it was sure, and two before probes that failed.
        await shop.pass_until(lambda: len(shop.clock.slept) == 4, 0.1)
        assert shop.choose() is None
        assert shop.clock.pending == 1
        await server.listen()
        async with server:
            await shop.pass_until(lambda: shop.set.reachable, 0.05)
            assert shop.reachability() == [False, True]
            assert shop.changes() == [(server.address, "unreachable"), (server.address, "healthy")]
            assert len(shop.came_back) == 1
            assert await shop.ask() == server.address
            assert server.ever == 1
            assert shop.clock.pending == 1  # the sweep of the pool: nothing probes any more


async def test_a_recovered_endpoint_is_used_again_within_half_a_second(port):
    server = Server(port=port)
    async with opened(options(f"http://127.0.0.1:{port}"), rng=FakeRng([0.999])) as shop:
        for _ in range(2):
            await shop.ask()
        await turns()
        shop.clock.advance(0.219)
        await turns(10)  # this probe came too early
        await server.listen()
        async with server:
            back_at = shop.clock.now()
            await shop.pass_until(lambda: shop.set.reachable, 0.01)
            assert shop.clock.now() - back_at < 0.5


async def test_probes_are_jittered_by_a_tenth(port):
    rng = FakeRng([0.0, 0.999, 0.5])
    async with opened(options(f"http://127.0.0.1:{port}"), rng=rng) as shop:
        fail_to_connect(shop, ("127.0.0.1", port))
        await shop.pass_until(lambda: len(shop.clock.slept) >= 4, 0.05)
        assert shop.clock.slept[:4] == pytest.approx([0.18, 0.22, 0.2, 0.18], abs=0.001)


async def test_a_probe_has_a_short_timeout_of_its_own():
    accepted = Counter()

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        accepted["ever"] += 1
        accepted["open"] += 1
        await reader.read()
        await reader.read()
        accepted["open"] -= 1

    async with RawUpstream(silent) as upstream:
        made = options(upstream.url.replace("http:", "https:"), connect_timeout_s=60.0)
        async with opened(made) as shop:
            (place,) = shop.set._members
            fail_to_connect(shop, place)
            await turns()
            shop.clock.advance(0.2)
            await until(lambda: accepted["ever"] == 1)
            await turns()
            assert shop.set.refusal_s(shop.clock.now()) == 0.2  # while the probe is under way
            shop.clock.advance(1.0)
            await until(lambda: accepted["open"] == 0)
            await until(lambda: "connecting took too long" in shop.set.last_failure)
            assert shop.choose() is None
            await shop.pass_until(lambda: accepted["ever"] == 2, 0.1)


async def test_calls_shorter_than_connecting_find_out_by_the_connections_they_began():
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await reader.read()

    async with RawUpstream(silent) as upstream:
        made = options(upstream.url.replace("http:", "https:"), connect_timeout_s=2.0)
        async with opened(made) as shop:
            for _ in range(10):
                calls = []
                for _ in range(2):
                    member = shop.choose()
                    if member is not None:
                        calls.append((member, asyncio.create_task(fetch(member))))
                await turns()
                shop.clock.advance(0.1)
                for member, task in calls:
                    task.cancel()
                    await asyncio.wait([task])
                    shop.end(member, timed_out(), 0.1)
                assert shop.changes() == []
            shop.clock.advance(1.1)
            await until(lambda: shop.changes() == [(member.address, "unreachable")])


@pytest.mark.parametrize("wait_s", [0.0, 5.0])
async def test_nothing_that_fails_to_connect_makes_unreachable_what_serves(wait_s):
    """A look-up that fails, and a listener that takes no more: its connections serve on."""
    async with Server() as server:
        async with opened(options(addresses=(server.place,))) as shop:
            server.hold = asyncio.Event()
            member = shop.choose()
            held = asyncio.create_task(fetch(member))
            await until(lambda: server.paths)
            server._server.close()
            shop.clock.advance(wait_s)
            for _ in range(5):
                await shop.ask()
            assert shop.changes() == []
            server.hold.set()
            assert (await held).status == 200
            member.connections.retire()
            await until(lambda: not member.connections._all)
            for _ in range(2):
                await shop.ask()
            assert shop.changes() == [(server.address, "unreachable")]


async def test_an_attempt_that_waits_for_its_answer_is_not_one_that_cannot_connect():
    async with Server() as server:
        server.hold = asyncio.Event()
        async with opened(options(addresses=(server.place,))) as shop:
            for count in (1, 2, 3):
                member = shop.choose()
                task = asyncio.create_task(fetch(member))
                await until(lambda count=count: len(server.paths) == count)
                shop.clock.advance(1)
                task.cancel()
                await asyncio.wait([task])
                shop.end(member, timed_out(), 1.0)
                await until(lambda member=member: not member.connections._all)
            assert shop.changes() == []
            server.hold.set()


async def test_without_reachability_calls_go_on_trying():
    async with opened(options(addresses=(A,), reachability=None)) as shop:
        fail_to_connect(shop, A, times=50)
        assert shop.choose() is shop.member(A)
        assert shop.clock.slept == []


async def test_the_first_that_comes_back_makes_the_upstream_reachable(port, other_port):
    servers = [Server(port=port), Server(port=other_port)]
    async with opened(options(addresses=tuple(server.place for server in servers))) as shop:
        fail_to_connect(shop, servers[0].place)
        assert shop.reachability() == []
        fail_to_connect(shop, servers[1].place)
        assert shop.reachability() == [False]
        for server in servers:
            await server.listen()
            await shop.pass_until(lambda at=server: shop.states()[at.address] == "healthy", 0.05)
        assert shop.reachability() == [False, True]
        assert len(shop.came_back) == 1
        for server in servers:
            server.stop()


async def test_late_failures_from_before_a_probe_do_not_close_the_door_again():
    async with Server() as server:
        async with opened(options(addresses=(server.place,))) as shop:
            fail_to_connect(shop, server.place)
            await shop.pass_until(lambda: shop.set.reachable, 0.05)
            for _ in range(10):
                member = shop.choose()
                shop.end(member, refused(), 1.0)
            assert shop.set.reachable


# What is down, unresolvable or fails TLS never stops the gateway from starting


async def test_a_name_that_does_not_resolve_recovers_by_itself():
    resolver = Resolver()
    async with Server() as server:
        made = options(f"http://shop.example:{server.port}")
        async with opened(made, resolve=resolver) as shop:
            await shop.ask()
            await shop.ask()
            assert shop.choose() is None
            assert shop.set.last_failure == "does not resolve: no address for 'shop.example'"
            resolver.hosts = ["127.0.0.1"]
            await shop.pass_until(lambda: shop.set.reachable, 0.05)
            await shop.ask()
            assert server.hosts == {f"shop.example:{server.port}": 1}


async def test_a_server_that_fails_tls_recovers_by_itself():
    server = Server()
    await server.listen()
    made = options(f"https://localhost:{server.port}", ca_file=str(CERTIFICATE))
    async with opened(made, resolve=Resolver("127.0.0.1")) as shop:
        server._serve = always_plain  # what is listening answers in clear
        server.stop()
        plain = await asyncio.start_server(
            always_plain, "127.0.0.1", server.port, reuse_address=True
        )
        async with plain:
            await shop.ask()
            await shop.ask()
        assert shop.choose() is None
        assert shop.set.last_failure.startswith("fails TLS: ")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)
        del server._serve
        await server.listen(context)
        async with server:
            await shop.pass_until(lambda: shop.set.reachable, 0.05)
            await shop.ask()
            assert server.paths == ["/v1"]


async def always_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def test_it_is_made_and_started_without_a_turn_of_the_event_loop():
    resolver = Resolver()
    made = options("http://shop.example", mode=Discovery.ADDRESSES)
    async with opened(made, resolve=resolver) as shop:
        assert resolver.asked == 0
        assert shop.choose().address == "shop.example:80"
        shop.end(shop.member(("shop.example", 80)), None)


# Connections


async def test_each_endpoint_has_connections_of_its_own():
    async with Server() as one, Server() as other:
        made = options(addresses=(one.place, other.place), max_connections=1)
        async with opened(made, rng=FakeRng([0.0, 0.0, 0.9, 0.9])) as shop:
            one.hold = other.hold = asyncio.Event()
            asked = [asyncio.create_task(shop.ask()) for _ in range(2)]
            await until(lambda: one.open == other.open == 1)
            one.hold.set()
            assert {await task for task in asked} == {one.address, other.address}


async def test_the_url_says_host_and_path_and_the_endpoint_where_it_goes():
    async with Server() as server:
        async with opened(options("http://shop.example/v9", addresses=(server.place,))) as shop:
            await shop.ask("/orders")
        assert server.hosts == {"shop.example": 1}
        assert server.paths == ["/v9/orders"]


async def test_redirects_are_followed_at_the_same_endpoint():
    async with Server(status=307) as server, Server(status=307) as other:
        server.location = "http://shop.example/v9/elsewhere"
        made = options(
            "http://shop.example/v9", addresses=(server.place, other.place), max_redirects=1
        )
        async with opened(made, rng=FakeRng([0.0])) as shop:
            assert await shop.ask("/orders") == server.address
        assert server.paths == ["/v9/orders", "/v9/elsewhere"]
        assert other.paths == []


async def test_streams_go_through_endpoints():
    async with Server() as server:
        async with opened(options(addresses=(server.place,))) as shop:
            member = shop.choose()
            async with member.client.open(HttpRequest("GET", "/", {})) as answer:
                assert [part async for part in answer.chunks()] == [b"{}"]
            shop.end(member, SUCCESS, 0.0)
            assert member.latency_s == 0.0


async def test_a_rolling_deploy_is_noticed_at_the_age_of_connections():
    async with Server() as old, Server(host="127.0.0.2", port=old.port) as new:
        resolver = Resolver(old.host)
        made = options(f"http://shop.example:{old.port}", max_age_s=100.0, idle_timeout_s=1_000.0)
        async with opened(made, resolve=resolver, rng=FakeRng([0.5])) as shop:
            await shop.ask()
            resolver.hosts = [new.host]
            shop.clock.advance(94)
            await turns()
            await shop.ask()
            assert (len(old.paths), len(new.paths)) == (2, 0)
            shop.clock.advance(2)
            await until(lambda: old.open == 0)  # unused, it did not outlive its age
            await shop.ask()
            assert (len(old.paths), len(new.paths)) == (2, 1)


async def test_closing_fails_what_is_under_way_and_leaves_nothing():
    async with Server() as server:
        server.hold = asyncio.Event()
        async with opened(options(addresses=(server.place,))) as shop:
            member = shop.choose()
            task = asyncio.create_task(fetch(member))
            await until(lambda: server.paths)
            await shop.set.close()
            with pytest.raises(CallError) as raised:
                await task
            assert raised.value.reason is Reason.DRAINING
            shop.end(member, raised.value)
        server.hold.set()
        await until(lambda: server.open == 0)


async def test_closing_ends_probes(port):
    made = options(
        f"http://127.0.0.1:{port}", reachability=ReachabilityOptions(consecutive_failures=1)
    )
    async with opened(made) as shop:
        await shop.ask()
        await turns()
        assert len(shop.set._tasks._running) == 1
        await shop.set.close()
        assert not shop.set._tasks._running


async def test_what_ends_after_the_close_starts_nothing():
    async with opened(options(addresses=(A, B))) as shop:
        members = [shop.choose() for _ in range(10)]
        await shop.set.close()
        for member in members:
            shop.end(member, refused())
        assert shop.changes() == []
        assert shop.clock.pending == 0
        assert not shop.set._tasks._running


async def test_a_single_endpoint_is_never_an_outlier():
    async with opened(options(addresses=(A,))) as shop:
        for _ in range(50):
            shop.end(shop.choose(), answered(500))
            shop.end(shop.choose())
        assert shop.changes() == []
        assert shop.clock.pending == 0
