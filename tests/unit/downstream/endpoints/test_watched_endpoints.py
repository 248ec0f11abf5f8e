"""Endpoints that are found, that go, and that are asked whether they are well."""

import asyncio

import pytest
from fakes.clock import FakeRng
from unit.downstream.endpoints.sets import Resolver, Server, opened, options, turns, until

from gateway.core.errors import CallError
from gateway.core.events import EndpointChanged
from gateway.core.http import HttpRequest
from gateway.downstream.endpoints import Discovery, HealthOptions

ADDRESSES = Discovery.ADDRESSES
HEALTH = HealthOptions(path="/healthz")


async def fetch(member):
    return await member.client.fetch(
        HttpRequest("GET", "/", {}), max_body_bytes=9, max_error_bytes=9
    )


# Discovery


async def test_every_address_of_a_name_is_an_endpoint():
    made = options("http://shop.example:81", mode=ADDRESSES)
    async with opened(made, resolve=Resolver("10.0.0.2", "10.0.0.1")) as shop:
        assert shop.states() == {"shop.example:81": "healthy"}  # until the resolver has spoken
        await until(lambda: len(shop.states()) == 2)
        assert shop.states() == {"10.0.0.1:81": "healthy", "10.0.0.2:81": "healthy"}
        assert shop.changes() == [
            ("10.0.0.1:81", "healthy"),
            ("10.0.0.2:81", "healthy"),
            ("shop.example:81", "removed"),
        ]
        assert shop.reachability() == []


async def test_names_among_declared_places_are_endpoints_or_their_addresses():
    places = (("shop.example", 80), ("10.0.0.9", 90))
    async with opened(options(addresses=places), resolve=Resolver("10.0.0.1")) as shop:
        await turns()
        assert list(shop.states()) == ["shop.example:80", "10.0.0.9:90"]
    made = options(addresses=places, mode=ADDRESSES)
    async with opened(made, resolve=Resolver("10.0.0.1")) as shop:
        await until(lambda: set(shop.states()) == {"10.0.0.1:80", "10.0.0.9:90"})


async def test_a_refresh_brings_new_endpoints_and_keeps_the_others():
    resolver = Resolver("10.0.0.1", "10.0.0.2")
    async with opened(options(mode=ADDRESSES), resolve=resolver) as shop:
        await until(lambda: len(shop.states()) == 2)
        kept = shop.member(("10.0.0.2", 80))
        resolver.hosts = ["10.0.0.2", "10.0.0.3"]
        shop.clock.advance(9.9)
        await turns()
        assert resolver.asked == 1
        shop.clock.advance(0.2)
        await until(lambda: "10.0.0.3:80" in shop.states())
        assert set(shop.states()) == {"10.0.0.2:80", "10.0.0.3:80"}
        assert shop.member(("10.0.0.2", 80)) is kept


async def test_a_failed_look_up_keeps_the_endpoints():
    resolver = Resolver("10.0.0.1")
    async with opened(options(mode=ADDRESSES), resolve=resolver) as shop:
        await until(lambda: "10.0.0.1:80" in shop.states())
        resolver.hosts = []
        await shop.pass_until(lambda: resolver.asked == 4, 5.0)
        assert shop.states() == {"10.0.0.1:80": "healthy"}


async def test_an_endpoint_that_goes_is_drained():
    async with Server() as going, Server(host="127.0.0.2", port=going.port) as staying:
        going.hold = asyncio.Event()
        resolver = Resolver(going.host)
        made = options(f"http://shop.example:{going.port}", mode=ADDRESSES)
        async with opened(made, resolve=resolver) as shop:
            await until(lambda: going.address in shop.states())
            member = shop.choose()
            unused = shop.choose()
            busy = asyncio.create_task(fetch(member))
            await until(lambda: len(going.paths) == 1)
            await unused.connections.warm()
            await until(lambda: going.open == 2)
            shop.end(unused, None)
            resolver.hosts = [staying.host]
            await shop.pass_until(lambda: list(shop.states()) == [staying.address], 1.0)
            await until(lambda: going.open == 1)  # unused, closed at once
            assert await shop.ask() == staying.address
            assert not busy.done()
            going.hold.set()
            assert (await busy).status == 200
            await until(lambda: going.open == 0)
            shop.end(member)
            await until(lambda: not shop.set._leaving)


async def test_an_attempt_that_was_about_to_begin_at_an_endpoint_that_goes_still_does():
    async with Server() as going:
        resolver = Resolver(going.host)
        made = options(f"http://shop.example:{going.port}", mode=ADDRESSES)
        async with opened(made, resolve=resolver) as shop:
            await until(lambda: going.address in shop.states())
            member = shop.choose()
            resolver.hosts = ["127.0.0.9"]
            await shop.pass_until(lambda: going.address not in shop.states(), 1.0)
            assert (await fetch(member)).status == 200
            await until(lambda: going.open == 0)
            shop.end(member)
            await until(lambda: not shop.set._leaving)


async def test_an_endpoint_that_goes_while_it_is_probed_is_probed_no_more(port):
    resolver = Resolver("127.0.0.1")
    made = options(f"http://shop.example:{port}", mode=ADDRESSES)
    async with opened(made, resolve=resolver) as shop:
        await until(lambda: f"127.0.0.1:{port}" in shop.states())
        for _ in range(2):
            await shop.ask()
        assert shop.reachability() == [False]
        resolver.hosts = ["127.0.0.2"]
        await shop.pass_until(lambda: f"127.0.0.2:{port}" in shop.states(), 1.0)
        assert shop.reachability() == [False, True]  # as far as anybody knows
        assert len(shop.came_back) == 1
        await until(lambda: len(shop.set._tasks._running) == 1)  # the resolver's


async def test_endpoints_that_go_take_the_ejected_share_with_them():
    resolver = Resolver("10.0.0.1", "10.0.0.2")
    async with opened(options(mode=ADDRESSES), resolve=resolver) as shop:
        await until(lambda: len(shop.states()) == 2)
        bad, good = (shop.member((host, 80)) for host in resolver.hosts)
        record = bad.record
        shop.set._ejector._detector._eject(record, shop.clock.now(), "a test")
        shop.set._changed(bad, "a test")
        shop.set._ejector._arm()
        assert shop.states()[bad.address] == "ejected"
        resolver.hosts = ["10.0.0.1"]
        record.ejected_until += 1_000
        await shop.pass_until(lambda: good.address not in shop.states(), 1.0)
        assert shop.states() == {bad.address: "healthy"}


async def test_there_are_at_most_256_endpoints():
    hosts = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(300)]
    made = options(addresses=tuple((host, 80) for host in hosts))
    async with opened(made) as shop:
        assert list(shop.states()) == [f"{host}:80" for host in hosts[:256]]
        (told,) = shop.told(EndpointChanged)
        assert told.address == f"{hosts[256]}:80"
        assert told.why == "44 more than 256 endpoints are not used"


# Health


async def test_endpoints_are_asked_at_once_by_a_path_of_the_server():
    async with Server() as server:
        made = options("http://shop.example/v9", addresses=(server.place,), health=HEALTH)
        async with opened(made) as shop:
            await until(lambda: server.paths == ["/healthz"])
            assert server.hosts == {"shop.example": 1}
            await until(lambda: shop.clock.slept)
            shop.clock.advance(4.9)
            await turns()
            assert len(server.paths) == 1
            shop.clock.advance(0.2)
            await until(lambda: len(server.paths) == 2)
            assert server.ever == 1  # by its own connections, which are kept


async def test_who_answers_badly_three_times_is_left_out_until_it_answers_well():
    async with Server(status=503) as sick, Server() as well:
        made = options(addresses=(sick.place, well.place), health=HEALTH)
        async with opened(made) as shop:
            await until(lambda: len(sick.paths) == 1)
            await turns()
            assert shop.states()[sick.address] == "healthy"
            await shop.pass_until(lambda: shop.states()[sick.address] == "unhealthy", 1.0)
            assert len(sick.paths) == 3
            assert {shop.choose().address for _ in range(20)} == {well.address}
            told = shop.told(EndpointChanged)[-1]
            assert told == EndpointChanged(
                "shop", sick.address, "unhealthy", "its health check answered 503"
            )
            sick.status = 204
            await shop.pass_until(lambda: shop.states()[sick.address] == "healthy", 1.0)
            assert len(sick.paths) == 4


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_only_200_to_299_is_well(status):
    async with Server(status=status) as sick:
        made = options(addresses=(sick.place,), health=HEALTH)
        async with opened(made) as shop:
            await shop.pass_until(lambda: shop.states()[sick.address] == "unhealthy", 0.1)
            why = shop.told(EndpointChanged)[-1].why
            assert why == f"its health check answered {status}"  # and was not merely late
            assert shop.choose() is not None  # all are used when none is well


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_any_answer_from_200_to_299_is_well(status):
    async with Server(status=status) as server:
        made = options(addresses=(server.place,), health=HEALTH)
        async with opened(made) as shop:
            await shop.pass_until(lambda: len(server.paths) == 6, 0.1)
            assert shop.states() == {server.address: "healthy"}
            assert shop.changes() == []


async def test_a_server_that_does_not_answer_in_time_is_not_well():
    async with Server() as slow:
        slow.hold = asyncio.Event()
        async with opened(options(addresses=(slow.place,), health=HEALTH)) as shop:
            await shop.pass_until(lambda: shop.states()[slow.address] == "unhealthy", 0.25)
            why = shop.told(EndpointChanged)[-1].why
            assert why == "its health check did not answer within 1 s"
            slow.hold.set()


async def test_who_cannot_be_connected_to_is_not_well(port):
    made = options(addresses=(("127.0.0.1", port),), health=HEALTH, reachability=None)
    async with opened(made) as shop:
        await shop.pass_until(lambda: "unhealthy" in shop.states().values(), 0.1)
        assert "connection refused" in shop.told(EndpointChanged)[-1].why
        assert shop.set.reachable


async def test_a_health_check_that_cannot_connect_tells_as_attempts_do(port):
    made = options(addresses=(("127.0.0.1", port),), health=HEALTH)
    async with opened(made) as shop:
        await shop.pass_until(lambda: "unreachable" in shop.states().values(), 1.0)
        assert not shop.set.reachable


async def test_no_place_for_a_question_says_nothing_about_health():
    async with Server() as busy:
        made = options(addresses=(busy.place,), health=HEALTH, max_connections=1)
        async with opened(made, start=False) as shop:
            busy.hold = asyncio.Event()
            call = asyncio.create_task(fetch(shop.choose()))
            await until(lambda: busy.paths)
            shop.set.start()
            for _ in range(60):
                shop.clock.advance(1.0)
                await turns(1)
            assert shop.changes() == []
            assert busy.paths == ["/"]
            busy.hold.set()
            await call


async def test_questions_are_jittered_by_a_tenth():
    async with Server() as server:
        made = options(addresses=(server.place,), health=HEALTH)
        async with opened(made, rng=FakeRng([0.0])) as shop:
            await shop.pass_until(lambda: len(shop.clock.slept) >= 2, 1.0)
            assert shop.clock.slept[0] == pytest.approx(4.5)


async def test_a_new_endpoint_is_asked_and_one_that_goes_no_more():
    async with Server() as going, Server(host="127.0.0.2", port=going.port) as coming:
        resolver = Resolver(going.host)
        made = options(f"http://shop.example:{going.port}", mode=ADDRESSES, health=HEALTH)
        async with opened(made, resolve=resolver) as shop:
            await until(lambda: going.paths)
            resolver.hosts = [coming.host]
            await shop.pass_until(lambda: coming.paths, 1.0)
            count = len(going.paths)
            await shop.pass_until(lambda: len(coming.paths) > 2, 1.0)
            assert len(going.paths) == count


async def test_one_failure_is_verified_although_no_call_goes_there_any_more(port):
    async with (
        Server() as well,
        opened(options(addresses=[("127.0.0.1", port), (well.host, well.port)])) as shop,
    ):
        down = shop.member(("127.0.0.1", port))
        with pytest.raises(CallError):
            await fetch(down)
        assert shop.states()[down.address] == "healthy"  # one failure may be chance
        await shop.pass_until(lambda: shop.states()[down.address] == "unreachable", 0.05)
        assert shop.clock.now() - 1000 < 0.5


async def test_a_failure_that_does_not_come_again_is_forgotten(port):
    async with opened(options(addresses=[("127.0.0.1", port)])) as shop:
        member = shop.member(("127.0.0.1", port))
        with pytest.raises(CallError):
            await fetch(member)
        assert member.reachability.failures == 1
        async with Server(port=port):
            await shop.pass_until(lambda: not member.reachability.failures, 0.05)
            assert shop.changes() == []
            await until(lambda: not shop.set._tasks._running)
