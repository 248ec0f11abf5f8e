"""etcd behind the gateway: bytes, 64-bit numbers, transactions, and a watch that goes on."""

import asyncio
import re
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from e2e.details import Failure, failure
from e2e.thirdparty import PROTOS, etcd
from etcd.v3 import etcd_pb2 as pb
from etcd.v3.etcd_pb2_grpc import KVStub, LeaseStub, WatchStub
from support.gateways import GatewayProcess, gateway_for

Code = grpc.StatusCode
EVERY_OCTET = bytes(range(256))
BEYOND_DOUBLES = 2**53 + 1
_WATCHERS = re.compile(r"^etcd_debugging_mvcc_watcher_total (\d+)$", re.MULTILINE)


@pytest.fixture
async def channel(etcd_gateway: GatewayProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(etcd_gateway.address) as channel:
        yield channel


@pytest.fixture
def kv(channel: grpc.aio.Channel) -> KVStub:
    return KVStub(channel)


@pytest.fixture
def lease(channel: grpc.aio.Channel) -> LeaseStub:
    return LeaseStub(channel)


@pytest.fixture
def watch(channel: grpc.aio.Channel) -> WatchStub:
    return WatchStub(channel)


@pytest.fixture
def key(request: pytest.FixtureRequest) -> bytes:
    """A prefix of this test's own."""
    return f"{request.node.name}/".encode()


async def failed(call: Awaitable[object]) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure(caught.value)


def all_under(prefix: bytes) -> dict[str, bytes]:
    """The range of every key that begins with `prefix`, which ends with a slash."""
    return {"key": prefix, "range_end": prefix[:-1] + b"0"}


def fetch(url: str, body: bytes | None = None) -> str:
    """Ask etcd itself."""
    with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:
        return answer.read().decode()


async def read(stream: grpc.aio.UnaryStreamCall, count: int) -> list[pb.Event]:
    """Return the next events; more than one may come in a message."""
    events: list[pb.Event] = []
    while len(events) < count:
        message = await stream.read()
        assert message is not grpc.aio.EOF
        events += message.events
    assert len(events) == count
    return events


# Unary


async def test_a_key_and_a_value_of_every_octet_come_back(kv, key) -> None:
    first = await kv.Put(pb.PutRequest(key=key + EVERY_OCTET, value=EVERY_OCTET[::-1]))
    answer = await kv.Range(pb.RangeRequest(key=key + EVERY_OCTET))
    [found] = answer.kvs
    assert (found.key, found.value) == (key + EVERY_OCTET, EVERY_OCTET[::-1])
    assert (found.version, found.mod_revision, answer.count) == (1, first.header.revision, 1)


async def test_a_value_of_a_mebibyte_comes_back(kv, key) -> None:
    value = EVERY_OCTET * 4096
    await kv.Put(pb.PutRequest(key=key, value=value))
    assert (await kv.Range(pb.RangeRequest(key=key))).kvs[0].value == value


async def test_all_64_bits_of_an_unsigned_number_arrive(kv, key, etcd_url) -> None:
    header = (await kv.Put(pb.PutRequest(key=key))).header
    told = await asyncio.to_thread(fetch, f"{etcd_url}/v3/maintenance/status", b"{}")
    assert header.member_id > BEYOND_DOUBLES
    assert f'"member_id":"{header.member_id}"' in told
    assert f'"cluster_id":"{header.cluster_id}"' in told


async def test_a_range_is_sorted_limited_and_counted_as_asked(kv, key) -> None:
    for name in (b"a", b"b", b"c"):
        await kv.Put(pb.PutRequest(key=key + name, value=name))
    answer = await kv.Range(
        pb.RangeRequest(
            **all_under(key),
            limit=2,
            sort_order=pb.RangeRequest.DESCEND,
            sort_target=pb.RangeRequest.VALUE,
        )
    )
    assert [one.value for one in answer.kvs] == [b"c", b"b"]
    assert (answer.count, answer.more) == (3, True)


async def test_the_value_before_comes_with_a_put_and_a_delete(kv, key) -> None:
    await kv.Put(pb.PutRequest(key=key, value=b"one"))
    put = await kv.Put(pb.PutRequest(key=key, value=b"two", prev_kv=True))
    assert put.prev_kv.value == b"one"
    deleted = await kv.DeleteRange(pb.DeleteRangeRequest(key=key, prev_kv=True))
    assert (deleted.deleted, [one.value for one in deleted.prev_kvs]) == (1, [b"two"])
    assert list((await kv.Range(pb.RangeRequest(key=key))).kvs) == []


async def test_an_old_revision_is_read_as_it_was(kv, key) -> None:
    then = (await kv.Put(pb.PutRequest(key=key, value=b"then"))).header.revision
    await kv.Put(pb.PutRequest(key=key, value=b"now"))
    answer = await kv.Range(pb.RangeRequest(key=key, revision=then))
    assert [one.value for one in answer.kvs] == [b"then"]


def create(key: bytes, value: bytes) -> pb.TxnRequest:
    """Put where the key has never been; otherwise read."""
    never = pb.Compare(target=pb.Compare.VERSION, result=pb.Compare.EQUAL, key=key, version=0)
    put = pb.PutRequest(key=key, value=value)
    return pb.TxnRequest(
        compare=[never],
        success=[pb.RequestOp(request_put=put)],
        failure=[pb.RequestOp(request_range=pb.RangeRequest(key=key))],
    )


async def test_a_transaction_answers_by_the_branch_it_took(kv, key) -> None:
    first = await kv.Txn(create(key, b"first"))
    assert first.succeeded
    assert [op.WhichOneof("response") for op in first.responses] == ["response_put"]
    second = await kv.Txn(create(key, b"second"))
    assert not second.succeeded
    [op] = second.responses
    assert [one.value for one in op.response_range.kvs] == [b"first"]


async def test_one_of_20_concurrent_transactions_creates_the_key(kv, key) -> None:
    values = [f"{n}".encode() for n in range(20)]
    answers = await asyncio.gather(*(kv.Txn(create(key, value)) for value in values))
    [winner] = [i for i, answer in enumerate(answers) if answer.succeeded]
    assert (await kv.Range(pb.RangeRequest(key=key))).kvs[0].value == values[winner]


async def test_transactions_nest(kv, key) -> None:
    inner = pb.RequestOp(request_txn=create(key, b"deep"))
    answer = await kv.Txn(pb.TxnRequest(success=[inner]))
    [op] = answer.responses
    assert op.response_txn.succeeded
    assert (await kv.Range(pb.RangeRequest(key=key))).kvs[0].value == b"deep"


async def test_a_lease_takes_its_keys_with_it(kv, lease, key) -> None:
    granted = await lease.Grant(pb.LeaseGrantRequest(ttl_s=600, id=BEYOND_DOUBLES))
    assert (granted.id, granted.ttl_s) == (BEYOND_DOUBLES, 600)
    await kv.Put(pb.PutRequest(key=key, lease=granted.id))
    left = await lease.TimeToLive(pb.LeaseTimeToLiveRequest(id=granted.id, keys=True))
    assert (left.granted_ttl_s, list(left.keys)) == (600, [key])
    await lease.Revoke(pb.LeaseRevokeRequest(id=granted.id))
    assert (await kv.Range(pb.RangeRequest(key=key))).count == 0


async def test_errors_are_told_in_etcd_s_words(kv, lease) -> None:
    no_key = await failed(kv.Range(pb.RangeRequest()))
    assert no_key.code is Code.INVALID_ARGUMENT
    assert no_key.message == "upstream 'etcd' answered 400: etcdserver: key is not provided"
    no_lease = await failed(lease.Revoke(pb.LeaseRevokeRequest(id=404)))
    assert no_lease.code is Code.NOT_FOUND
    assert no_lease.message == "upstream 'etcd' answered 404: etcdserver: requested lease not found"


# Streams


def watching(prefix: bytes, **more: object) -> pb.WatchRequest:
    return pb.WatchRequest(create_request=pb.WatchCreateRequest(**all_under(prefix), **more))


@pytest.mark.parametrize("name", ["Watch", "WatchDetected"])
async def test_changes_arrive_while_the_watch_goes_on(kv, watch, key, name) -> None:
    stream = getattr(watch, name)(watching(key))
    assert (await stream.read()).created
    for number in range(5):
        # Each is put only after the one before has arrived.
        await kv.Put(pb.PutRequest(key=key + b"k", value=b"%d" % number))
        [event] = await read(stream, 1)
        assert (event.type, event.kv.value) == (pb.Event.PUT, b"%d" % number)
        assert event.kv.version == number + 1
    await kv.DeleteRange(pb.DeleteRangeRequest(key=key + b"k"))
    [event] = await read(stream, 1)
    assert (event.type, event.kv.key) == (pb.Event.DELETE, key + b"k")
    stream.cancel()


async def test_history_comes_before_what_happens_now(kv, watch, key) -> None:
    revision = (await kv.Put(pb.PutRequest(key=key + b"k", value=b"old"))).header.revision
    await kv.Put(pb.PutRequest(key=key + b"k", value=b"older than the watch"))
    stream = watch.Watch(watching(key, start_revision=revision, prev_kv=True))
    past = await read(stream, 2)
    assert [event.kv.value for event in past] == [b"old", b"older than the watch"]
    assert [event.prev_kv.value for event in past] == [b"", b"old"]
    await kv.Put(pb.PutRequest(key=key + b"k", value=b"new"))
    assert [event.kv.value for event in await read(stream, 1)] == [b"new"]
    stream.cancel()


async def test_a_filter_by_enum_leaves_deletes_out(kv, watch, key) -> None:
    stream = watch.Watch(watching(key, filters=[pb.WatchCreateRequest.NODELETE]))
    assert (await stream.read()).created
    await kv.Put(pb.PutRequest(key=key + b"k"))
    await kv.DeleteRange(pb.DeleteRangeRequest(key=key + b"k"))
    await kv.Put(pb.PutRequest(key=key + b"k", value=b"again"))
    assert [event.kv.value for event in await read(stream, 2)] == [b"", b"again"]
    stream.cancel()


async def test_a_thousand_changes_arrive_in_order(kv, watch, key) -> None:
    stream = watch.Watch(watching(key))
    assert (await stream.read()).created
    put = [
        pb.RequestOp(request_put=pb.PutRequest(key=key + b"%03d" % n, value=b"%d" % n))
        for n in range(100)
    ]
    for _ in range(10):
        await kv.Txn(pb.TxnRequest(success=put))
    events = await read(stream, 1000)
    assert [int(event.kv.value) for event in events] == list(range(100)) * 10
    revisions = [event.kv.mod_revision for event in events]
    assert revisions == sorted(revisions)
    stream.cancel()


async def test_a_watch_of_what_is_forgotten_is_told_so(kv, watch, key) -> None:
    for value in (b"1", b"2"):
        latest = (await kv.Put(pb.PutRequest(key=key + b"k", value=value))).header.revision
    await kv.Compact(pb.CompactRequest(revision=latest))
    stream = watch.Watch(watching(key, start_revision=1))
    assert (await stream.read()).created
    told = await stream.read()
    assert (told.canceled, told.compact_revision) == (True, latest)
    stream.cancel()


def watchers(url: str) -> int:
    found = _WATCHERS.search(fetch(f"{url}/metrics"))
    assert found is not None
    return int(found[1])


async def test_a_cancelled_watch_is_gone_from_etcd(watch, key, etcd_url) -> None:
    async def until(count: int) -> None:
        while await asyncio.to_thread(watchers, etcd_url) != count:
            await asyncio.sleep(0.02)

    async with asyncio.timeout(30):
        await until(0)  # those of the tests before
        streams = [watch.Watch(watching(key)) for _ in range(20)]
        for stream in streams:
            assert (await stream.read()).created
        assert await asyncio.to_thread(watchers, etcd_url) == 20
        for stream in streams:
            stream.cancel()
        await until(0)


@pytest.mark.parametrize(
    "end",
    [
        # Its JSON gateway ends the stream by {"error": {"grpc_code": 14, …}}, ...
        pytest.param(subprocess.Popen.terminate, id="ended"),
        # ... and here by nothing at all.
        pytest.param(subprocess.Popen.kill, id="killed"),
    ],
)
async def test_a_watch_fails_when_etcd_goes_away(end, key, tmp_path: Path) -> None:
    services = ["etcd.v3.KV", "etcd.v3.Watch"]
    with ExitStack() as stack:
        url = stack.enter_context(etcd(tmp_path, end))
        async with gateway_for({"etcd": url}, proto=PROTOS, services=services) as running:
            stream = WatchStub(running.channel).Watch(watching(key))
            assert (await stream.read()).created
            await KVStub(running.channel).Put(pb.PutRequest(key=key + b"k"))
            await read(stream, 1)
            await asyncio.to_thread(stack.close)
            assert (await failed(stream.read())).code is Code.UNAVAILABLE
