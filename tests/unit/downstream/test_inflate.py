import gzip
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.downstream.inflate import DamagedError, Inflated


def source(parts: Iterable[bytes]):
    left = iter(parts)

    async def received() -> bytes:
        return next(left, b"")

    return received


async def parts_of(*parts: bytes) -> list[bytes]:
    inflated = Inflated(source(parts), "gzip")
    found = []
    while part := await inflated.next_part():
        found.append(part)
    return found


async def inflate(*parts: bytes) -> bytes:
    return b"".join(await parts_of(*parts))


def in_bytes(body: bytes) -> list[bytes]:
    return [body[i : i + 1] for i in range(len(body))]


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("body", [b"", b"a", b'{"id": "a"}' * 1000])
async def test_gzip_and_deflate_are_undone(compress, body):
    assert await inflate(compress(body)) == body
    assert await inflate(*in_bytes(compress(body))) == body


async def test_members_follow_each_other():
    members = [gzip.compress(b"a"), gzip.compress(b""), gzip.compress(b"b" * 100_000)]
    assert await inflate(b"".join(members)) == b"a" + b"b" * 100_000
    assert await inflate(*members) == b"a" + b"b" * 100_000
    assert await inflate(*in_bytes(b"".join(members))) == b"a" + b"b" * 100_000


async def test_padding_behind_the_end_is_ignored():
    assert await inflate(gzip.compress(b"a") + b"\0" * 10) == b"a"
    assert await inflate(gzip.compress(b"a"), b"\0" * 10, b"\0") == b"a"


async def test_nothing_at_all_is_an_empty_body():
    assert await inflate() == b""


@pytest.mark.parametrize("left", [1, 5, 8, 9, 20])
async def test_body_that_is_cut_short_is_damaged(left):
    whole = gzip.compress(bytes(range(256)))
    with pytest.raises(DamagedError, match=r"^its gzip body is cut short$"):
        await inflate(whole[:-left])


@pytest.mark.parametrize("behind", [b"garbage", b"\0garbage"])
async def test_garbage_is_damaged(behind):
    with pytest.raises(DamagedError, match=r"^its gzip body is damaged: "):
        await inflate(b'{"id": "a"}')
    with pytest.raises(DamagedError, match=r"^its gzip body is damaged: "):
        await inflate(gzip.compress(b"a") + behind)


async def test_wrong_checksum_is_damaged():
    whole = bytearray(gzip.compress(b"abc"))
    whole[-5] ^= 1
    with pytest.raises(DamagedError, match="incorrect data check"):
        await inflate(bytes(whole))


async def test_no_more_is_inflated_than_is_taken():
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 60_000
    inflated = Inflated(source([bomb]), "gzip")
    for _ in range(10):
        assert 0 < len(await inflated.next_part()) <= 64 * 1024


async def test_bomb_is_inflated_in_bounded_parts_to_its_end():
    parts = await parts_of(gzip.compress(b"\0" * 5_000_000))
    assert sum(map(len, parts)) == 5_000_000
    assert max(map(len, parts)) <= 64 * 1024


@given(st.lists(st.binary(max_size=300) | st.just(b"x" * 65_536), max_size=4), st.integers(1, 50))
@settings(deadline=None)
def test_any_members_in_any_parts_are_undone(members, size):
    whole = b"".join(map(gzip.compress, members))
    parts = [whole[i : i + size] for i in range(0, len(whole), size)]
    with pytest.raises(StopIteration) as done:
        inflate(*parts).send(None)
    assert done.value.value == b"".join(members)
