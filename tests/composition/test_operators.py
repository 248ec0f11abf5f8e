"""What operators decide: what became of calls that nobody knows of, and dead letters."""

from pathlib import Path

import grpc
import pytest
from google.longrunning import operations_pb2 as lro
from google.protobuf import any_pb2, empty_pb2
from seawall.admin.v1 import admin_pb2, admin_pb2_grpc
from support.gateways import Running, gateway_for
from support.payments import PROTO, Caller, Ledger, reason
from support.works import Caller as WorkCaller
from support.works import page_of, press_and_gateway

ADMIN = "admin: {enabled: true}\n"
CHARGE = "pay.v1.Payments/Charge"


def admin(running: Running) -> admin_pb2_grpc.AdminServiceStub:
    return admin_pb2_grpc.AdminServiceStub(running.channel)


async def unknown(running: Running, **asked: object) -> admin_pb2.ListUnknownCallsResponse:
    return await admin(running).ListUnknownCalls(admin_pb2.ListUnknownCallsRequest(**asked))


async def charge(running: Running, key: str) -> str:
    caller = Caller.__new__(Caller)
    caller.channel = running.channel
    return await caller.charge(key)


def folder_of(tmp_path: Path) -> Path:
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos" / "pay.proto").write_text(PROTO)
    return tmp_path / "protos"


async def test_what_nobody_knows_is_listed_and_decided(tmp_path: Path) -> None:
    ledger = Ledger()
    async with ledger.http:
        config = f"{ADMIN}state: {{durable: 'sqlite:///{tmp_path}/seawall.db'}}\n"
        async with gateway_for(
            ledger.http.url, proto=folder_of(tmp_path), config=config, tmp_path=tmp_path
        ) as running:
            ledger.status = 500
            for key in ("k1", "k2"):
                assert await charge(running, key) == "UPSTREAM_STATUS"
                assert await charge(running, key) == "OUTCOME_UNKNOWN"
            ledger.status = 200
            first = await unknown(running, page_size=1)
            second = await unknown(running, page_size=1, page_token=first.next_page_token)
            calls = [*first.calls, *second.calls]
            assert [call.method for call in calls] == [CHARGE] * 2
            assert len({call.name for call in calls}) == 2
            assert calls[0].claims == 1
            assert calls[0].kept_for.seconds > 80_000
            assert not (await unknown(running, method="pay.v1.Payments/Find")).calls

            done = any_pb2.Any(type_url="type.googleapis.com/pay.v1.Receipt", value=b"\n\x02r9")
            resolve = admin(running).ResolveUnknownCall
            for wrong, why in (
                (any_pb2.Any(type_url="x/pay.v1.Charge", value=b""), "answers a pay.v1.Receipt"),
                (any_pb2.Any(type_url="x/pay.v1.Receipt", value=b"\n\x05r"), "could be read"),
                (any_pb2.Any(), "not a nameless"),
            ):
                asked = admin_pb2.ResolveUnknownCallRequest(name=calls[0].name, response=wrong)
                with pytest.raises(grpc.aio.AioRpcError, match=why) as refused:
                    await resolve(asked)
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            await resolve(admin_pb2.ResolveUnknownCallRequest(name=calls[0].name, response=done))
            assert await charge(running, "k1") == "r9 again"
            await resolve(
                admin_pb2.ResolveUnknownCallRequest(
                    name=calls[1].name, had_no_effect=empty_pb2.Empty()
                )
            )
            assert await charge(running, "k2") == "r3"
            assert not (await unknown(running)).calls
            known, forgotten = (call.name for call in calls)
            for said, code in (
                ({"name": known, "response": done}, "NOT_FOUND"),  # an answer is not replaced
                ({"name": forgotten, "response": done}, "NOT_FOUND"),
                ({"name": "k1", "response": done}, "INVALID_ARGUMENT"),
                ({"name": known}, "INVALID_ARGUMENT"),
            ):
                wrong = resolve(admin_pb2.ResolveUnknownCallRequest(**said))
                assert (await wrong.code()).name == code
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await unknown(running, page_token="none")
            with pytest.raises(grpc.aio.AioRpcError, match="full name"):
                await unknown(running, method="a\0b")
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_dead_letters_are_found_and_tried_again(tmp_path: Path) -> None:
    methods = (
        "{Print: {operation: {max_attempts: 1, initial_delay: 0.05s}, retry: {disabled: true}}}"
    )
    async with press_and_gateway(tmp_path, methods, ADMIN) as (press, running):
        press.says(503)
        alice = WorkCaller(running.channel, ("authorization", "Bearer a"))
        name = (await alice.begin("a")).name
        assert (await alice.wait(name)).HasField("error")
        listed = await admin(running).ListOperations(
            lro.ListOperationsRequest(filter="state = DEAD")
        )
        assert [one.name for one in listed.operations] == [name]
        again = await admin(running).RetryOperation(admin_pb2.RetryOperationRequest(name=name))
        assert not again.done
        assert page_of(await alice.wait(name)) == "p1"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await admin(running).RetryOperation(admin_pb2.RetryOperationRequest(name=name))
        assert reason(refused.value) == "OPERATION_UNKNOWN"
