import asyncio
import random
import socket
from typing import Any

import pytest
from fakes.clock import FakeClock, FakeRng

from gateway.downstream.endpoints.discovery import (
    Directory,
    addresses_of,
    jittered,
    places_of,
    shown,
)
from gateway.downstream.endpoints.options import Discovery

NAME = ("shop.example", 80)


def found(*hosts: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 80)) for host in hosts]


@pytest.mark.parametrize(
    ("known", "places"),
    [
        ({}, [NAME, ("10.0.0.9", 81)]),
        ({NAME: [("10.0.0.1", 80), ("10.0.0.2", 80)]},
         [("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.9", 81)]),
        ({NAME: [("10.0.0.9", 81)]}, [("10.0.0.9", 81)]),
    ],
)  # fmt: skip
def test_a_name_is_an_endpoint_until_its_addresses_are_known(known, places):
    assert places_of([NAME, ("10.0.0.9", 81)], known) == places


def test_addresses_are_sorted_and_each_stands_once():
    answer = [*found("10.0.0.2", "10.0.0.1", "10.0.0.2")]
    answer.append((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 80, 0, 3)))
    assert addresses_of(answer, 81) == [("10.0.0.1", 81), ("10.0.0.2", 81), ("fe80::1%3", 81)]


def test_an_ipv6_address_is_shown_in_brackets():
    assert shown(("::1", 80)) == "[::1]:80"
    assert shown(("shop", 80)) == "shop:80"


def test_an_interval_is_drawn_around_itself_by_a_tenth():
    rng = random.Random(1)
    drawn = [jittered(10.0, rng) for _ in range(1_000)]
    assert 9.0 <= min(drawn) < 9.1
    assert 10.9 < max(drawn) <= 11.0


class Watched:
    """A directory over a resolver that answers as told; its time jumps."""

    def __init__(self, *answers: Any, mode: Discovery = Discovery.ADDRESSES) -> None:
        self.clock = FakeClock()
        self.late: asyncio.Future[Any] | None = None
        self.answers = list(answers)
        self.asked_at: list[float] = []
        self.seen: list[tuple[float, list[str]]] = []
        self.directory = Directory(
            [NAME, ("10.0.0.9", 80)],
            mode,
            10.0,
            resolve=self._resolve,
            clock=self.clock,
            rng=FakeRng([0.5]),
            changed=self._changed,
        )

    async def _resolve(self, host: str, port: int) -> list[Any]:
        assert (host, port) == NAME
        self.asked_at.append(self.clock.now() - 1000)
        answer = self.answers.pop(0)
        if answer is None:
            self.late = asyncio.get_running_loop().create_future()
            answer = await self.late
        if isinstance(answer, Exception):
            raise answer
        return found(*answer)

    def _changed(self) -> None:
        hosts = [host for host, _ in self.directory.places]
        self.seen.append((self.clock.now() - 1000, hosts))

    async def run(self, answer_late_at: float = float("inf"), until: float = 60.0) -> None:
        """Watch until the answers are used up, or so many seconds have passed."""
        (name,) = self.directory.names
        watch = asyncio.create_task(self.directory.watch(name))
        while not watch.done() and self.clock.now() < 1000 + until:
            for _ in range(10):
                await asyncio.sleep(0)
            if self.late is not None and self.clock.now() >= 1000 + answer_late_at:
                self.late.set_result(self.answers.pop(0))
                self.late = None
            self.clock.advance(0.5)
        watch.cancel()
        with pytest.raises((IndexError, asyncio.CancelledError)):
            await watch
        assert self.clock.pending == 0


async def test_names_are_asked_for_again_and_changes_are_told():
    watched = Watched(["1.1.1.1"], ["1.1.1.1"], ["2.2.2.2", "1.1.1.1"], ["1.1.1.1", "2.2.2.2"])
    await watched.run()
    assert watched.asked_at == [0, 10, 20, 30, 40]
    assert watched.seen == [
        (0, ["1.1.1.1", "10.0.0.9"]),
        (20, ["1.1.1.1", "2.2.2.2", "10.0.0.9"]),
    ]


@pytest.mark.parametrize("failure", [OSError("no"), UnicodeError("no"), []])
async def test_a_look_up_that_fails_changes_nothing(failure):
    watched = Watched(["1.1.1.1"], failure, ["2.2.2.2"])
    await watched.run()
    assert [hosts for _, hosts in watched.seen] == [
        ["1.1.1.1", "10.0.0.9"],
        ["2.2.2.2", "10.0.0.9"],
    ]
    assert watched.asked_at == [0, 10, 20, 30]


async def test_a_name_that_nobody_answers_for_is_asked_for_once():
    watched = Watched(["1.1.1.1"], None, ["2.2.2.2"])
    await watched.run(until=300.0)
    assert watched.asked_at == [0, 10]
    assert len(watched.seen) == 1


@pytest.mark.parametrize("at", [12.0, 17.0, 28.0])
async def test_an_answer_that_comes_late_is_taken(at):
    watched = Watched(["1.1.1.1"], None, ["2.2.2.2"], ["2.2.2.2"])
    await watched.run(answer_late_at=at)
    assert [hosts for _, hosts in watched.seen] == [
        ["1.1.1.1", "10.0.0.9"],
        ["2.2.2.2", "10.0.0.9"],
    ]
    assert watched.asked_at[:2] == [0, 10]
    assert len(watched.asked_at) == 4


async def test_who_stops_watching_leaves_no_look_up():
    watched = Watched(None)
    before = asyncio.all_tasks()
    await watched.run(until=1.0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_an_unknown_name_is_asked_for_every_second():
    watched = Watched(OSError("no"), OSError("no"), ["1.1.1.1"])
    await watched.run()
    assert watched.asked_at == [0, 1, 2, 12]


def test_addresses_are_not_looked_up_nor_is_anything_that_stays_a_name():
    assert Watched().directory.names == [NAME]
    assert Watched(mode=Discovery.LOGICAL).directory.names == []
