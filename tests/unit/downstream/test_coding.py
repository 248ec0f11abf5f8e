import gzip
import time
import zlib

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.downstream.coding import DamagedError, Undone

CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
EVERY = pytest.mark.parametrize("coding", CODINGS)
WITH_MEMBERS = pytest.mark.parametrize("coding", ["gzip", "zstd"])
PART_BYTES = 64 * 1024


def source(parts):
    left = list(parts)

    async def received():
        return left.pop(0) if left else b""

    return received


async def parts_of(coding, *parts):
    undone = Undone(source(parts), coding)
    found = []
    while part := await undone.next_part():
        found.append(part)
    return found


async def undo(coding, *parts):
    return b"".join(await parts_of(coding, *parts))


def in_bytes(body):
    return [body[i : i + 1] for i in range(len(body))]


@EVERY
@pytest.mark.parametrize("body", [b"", b"a", b'{"id": "a"}' * 1000, bytes(range(256)) * 1000])
async def test_every_coding_is_undone(coding, body):
    coded = CODINGS[coding](body)
    assert await undo(coding, coded) == body
    assert await undo(coding, *in_bytes(coded)) == body
    assert await undo(f" {coding.upper()} ", coded) == body


@WITH_MEMBERS
async def test_members_follow_each_other(coding):
    members = [CODINGS[coding](body) for body in (b"a", b"", b"b" * 100_000)]
    assert await undo(coding, b"".join(members)) == b"a" + b"b" * 100_000
    assert await undo(coding, *members) == b"a" + b"b" * 100_000
    assert await undo(coding, *in_bytes(b"".join(members))) == b"a" + b"b" * 100_000


async def test_padding_behind_the_end_of_gzip_is_ignored():
    assert await undo("gzip", gzip.compress(b"a") + b"\0" * 10) == b"a"


@EVERY
async def test_nothing_at_all_is_an_empty_body(coding):
    assert await undo(coding) == b""


@EVERY
@pytest.mark.parametrize("left", [1, 5, 8, 20])
async def test_body_that_is_cut_short_is_damaged(coding, left):
    whole = CODINGS[coding](bytes(range(256)))
    with pytest.raises(DamagedError, match=rf"^its {coding} body is cut short$"):
        await undo(coding, whole[:-left])


@EVERY
async def test_garbage_is_damaged(coding):
    with pytest.raises(DamagedError, match=rf"^its {coding} body is damaged: "):
        await undo(coding, b'{"id": "a"}')
    with pytest.raises(DamagedError, match=rf"^its {coding} body is damaged: "):
        await undo(coding, CODINGS[coding](b"a") + b"garbage")
    with pytest.raises(DamagedError, match=rf"^its {coding} body is damaged: "):
        await undo(coding, CODINGS[coding](b"a"), b"garbage")


async def test_wrong_checksum_is_damaged():
    whole = bytearray(gzip.compress(b"abc"))
    whole[-5] ^= 1
    with pytest.raises(DamagedError, match="incorrect data check"):
        await undo("gzip", bytes(whole))


@EVERY
async def test_bomb_is_undone_in_bounded_parts_to_its_end(coding):
    bomb = CODINGS[coding](b"\0" * 20_000_000)
    assert len(bomb) < 30_000
    parts = await parts_of(coding, bomb)
    assert sum(map(len, parts)) == 20_000_000
    assert max(map(len, parts)) <= 2 * PART_BYTES


@EVERY
async def test_no_more_is_undone_than_is_taken(coding):
    undone = Undone(source([CODINGS[coding](b"\0" * 5_000_000)]), coding)
    for _ in range(10):
        assert 0 < len(await undone.next_part()) <= 2 * PART_BYTES


async def test_window_above_eight_mebibytes_is_refused():
    parameters = {zstd.CompressionParameter.window_log: 24}
    body = bytes(range(256)) * 100_000
    compressor = zstd.ZstdCompressor(options=parameters)
    coded = compressor.compress(body) + compressor.flush()
    with pytest.raises(DamagedError, match="too much memory"):
        await undo("zstd", coded)


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip", "gzip,br", "aes128gcm", "x" * 5_000])
def test_other_and_stacked_codings_are_refused(coding):
    with pytest.raises(DamagedError, match="which was not asked for") as refused:
        Undone(source([]), coding)
    assert len(str(refused.value)) < 120


@given(
    st.sampled_from(["gzip", "zstd"]),
    st.lists(st.binary(max_size=300) | st.just(b"x" * 65_536), max_size=4),
    st.integers(1, 50),
)
@settings(deadline=None)
def test_any_members_in_any_parts_are_undone(coding, members, size):
    whole = b"".join(map(CODINGS[coding], members))
    parts = [whole[i : i + size] for i in range(0, len(whole), size)]
    with pytest.raises(StopIteration) as done:
        undo(coding, *parts).send(None)
    assert done.value.value == b"".join(members)


@WITH_MEMBERS
async def test_members_without_content_are_an_error_before_they_cost_much(coding):
    empty = CODINGS[coding](b"")
    assert await undo(coding, *([empty] * 8), CODINGS[coding](b"a")) == b"a"
    with pytest.raises(DamagedError, match="members without content"):
        await undo(coding, empty * 10_000)


async def test_zeros_behind_gzip_may_come_in_parts_of_their_own():
    coded = gzip.compress(b"a")
    zeros = bytes(100_000)
    assert await undo("gzip", coded, zeros, zeros) == b"a"
    assert await undo("gzip", coded + zeros + coded) == b"aa"
    with pytest.raises(DamagedError):
        await undo("gzip", coded, zeros, b"x")


@WITH_MEMBERS
async def test_many_small_members_take_time_in_proportion(coding):
    def members(count):
        return b"".join(CODINGS[coding](b"%d" % n) for n in range(count))

    few, many = members(500), members(8000)
    assert await undo(coding, few) == b"".join(b"%d" % n for n in range(500))
    timings = []
    for body in (few, many):
        begun = time.perf_counter()
        await undo(coding, body)
        timings.append((time.perf_counter() - begun) / len(body))
    assert timings[1] < 10 * timings[0]
