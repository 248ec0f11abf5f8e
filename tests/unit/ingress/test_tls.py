import datetime
import time
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from support.certificates import DAY, Authority

from gateway.config.address import Address
from gateway.config.listeners import ListenerOptions
from gateway.config.material import TlsFiles
from gateway.core.errors import ConfigError
from gateway.core.events import Event, Events
from gateway.ingress.tls import Handout, ListenerTls, certificate_names

CA = Authority("CA")
FIRST = CA.issue("localhost")
SECOND = CA.issue("localhost")
EXPIRED = CA.issue("localhost", starts=-2 * DAY, ends=-DAY)
EARLY = CA.issue("localhost", starts=datetime.timedelta(hours=1))


class Today(FakeClock):
    """A clock whose wall shows today, and what was advanced."""

    def wall(self) -> float:
        return TODAY + self.now() - 1000.0


TODAY = time.time()


class Secured:
    """A listener's TLS with its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Today()
        self.events: list[Event] = []
        self.options = ListenerOptions(
            listen=Address("localhost", 0),
            name="localhost:443",
            where="seawall.yaml:3: listeners[0]",
            tls=TlsFiles(cert=folder / "cert.pem", key=folder / "key.pem"),
        )

    def load(self) -> ListenerTls:
        return ListenerTls(self.options, self.clock, Events([self.events.append]))

    def told(self) -> list[tuple[bool, str]]:
        return [(event.accepted, event.why) for event in self.events]


@pytest.fixture
async def secured(tmp_path: Path) -> Secured:
    FIRST.write(tmp_path)
    return Secured(tmp_path)


def write(secured: Secured, pair: object) -> None:
    pair.write(secured.folder)


async def test_files_that_have_not_changed_are_handed_out_once(secured):
    tls = secured.load()
    handout = Handout(tls)
    assert handout() is None
    write(secured, SECOND)
    assert tls.read()
    assert handout() is tls.configuration
    assert handout() is None
    assert secured.told() == [(True, "its files have changed")]


async def test_each_server_is_handed_out_what_is_new(secured):
    tls = secured.load()
    handouts = [Handout(tls) for _ in range(4)]
    write(secured, SECOND)
    tls.read()
    assert [handout() for handout in handouts] == [tls.configuration] * 4
    assert [handout() for handout in handouts] == [None] * 4


async def test_files_that_were_touched_only_are_not_new(secured):
    tls = secured.load()
    before = tls.configuration
    assert tls.read()
    assert tls.configuration is before
    assert secured.told() == []


async def test_half_of_a_pair_keeps_what_was_there_and_is_told_once(secured):
    tls = secured.load()
    before = tls.configuration
    (secured.folder / "cert.pem").write_bytes(SECOND.cert)
    assert not tls.read()
    assert not tls.read()
    assert tls.configuration is before
    ((accepted, why),) = secured.told()
    assert not accepted
    assert "key.pem is not the key of the first certificate in" in why
    (secured.folder / "key.pem").write_bytes(SECOND.key)
    assert tls.read()
    assert tls.configuration is not before
    assert secured.told()[1:] == [(True, "its files have changed")]


async def test_what_is_broken_again_is_told_again(secured):
    tls = secured.load()
    for _ in range(2):
        (secured.folder / "key.pem").write_bytes(b"nothing")
        tls.read()
        write(secured, FIRST)
        assert tls.read()
    assert [accepted for accepted, _ in secured.told()] == [False, False]


async def test_an_expired_certificate_does_not_take_the_place_of_a_good_one(secured):
    tls = secured.load()
    before = tls.configuration
    write(secured, EXPIRED)
    assert not tls.read()
    assert tls.configuration is before
    ((accepted, why),) = secured.told()
    assert not accepted
    assert why.startswith("the certificate ended at ")
    secured.clock.advance(2 * DAY.total_seconds())  # the first has ended as well
    assert tls.read()
    assert tls.configuration is not before
    accepted, why = secured.told()[1]
    assert accepted
    assert why.startswith("in use, although the certificate ended at ")


async def test_an_early_certificate_is_used_from_its_first_moment_on(secured):
    tls = secured.load()
    before = tls.configuration
    write(secured, EARLY)
    assert not tls.read()
    secured.clock.advance(3599)
    assert not tls.read()
    assert tls.configuration is before
    secured.clock.advance(2)
    assert tls.read()
    assert tls.configuration is not before
    assert [accepted for accepted, _ in secured.told()] == [False, True]


async def test_what_is_expired_at_the_start_is_used_and_told(secured):
    write(secured, EXPIRED)
    tls = secured.load()
    tls.start()
    await tls.stop()
    ((accepted, why),) = secured.told()
    assert accepted
    assert why.startswith("in use, although the certificate ended at ")


async def test_what_is_broken_at_the_start_is_a_mistake_with_its_place(secured):
    (secured.folder / "key.pem").unlink()
    with pytest.raises(ConfigError) as caught:
        secured.load()
    assert str(caught.value) == (
        "seawall.yaml:3: listeners[0].tls.key_file: "
        f"{secured.folder / 'key.pem'} cannot be read: no such file or directory"
    )


@pytest.mark.parametrize(
    ("context", "names"),
    [
        ({}, ()),
        ({"x509_common_name": [b"a"]}, ("CN:a",)),
        (
            {
                "x509_common_name": [b"a"],
                "peer_email": [b"m@x"],
                "peer_dns": [b"d1", b"d2"],
                "peer_uri": [b"spiffe://x/y"],
                "peer_ip": [b"10.0.0.1"],
                "x509_subject_alternative_name": [b"spiffe://x/y", b"d1"],
            },
            ("URI:spiffe://x/y", "DNS:d1", "DNS:d2", "email:m@x", "CN:a"),
        ),
        ({"peer_dns": [b"\xff", b"ok"]}, ("DNS:ok",)),
    ],
)
def test_names_say_what_they_are_the_most_telling_first(context, names):
    assert certificate_names(context) == names
