"""REST services with JSON of their own, declared instead of coded around."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import grpc
import pytest
from aiohttp import web
from foreign.v1 import charges_pb2 as pb
from foreign.v1 import charges_pb2_grpc as rpc
from google.protobuf import json_format
from support.gateways import gateway_for
from support.upstream import Upstream, json_answer

PROTOS = Path(__file__).parent / "protos"
ANSWER = {
    "charge_id": "c1",
    "amount_cents": 9007199254740993,
    "charge_state": "in_dispute",
    "created_at": 1769851800.5,
    "seen_at": 1769851800500,
    "card": {"exp_month": 7},
    "history": ["paid", "CHARGE_STATE_IN_DISPUTE", 1],
}
GET = pb.GetChargeRequest(charge_id="c1", charge_state=pb.CHARGE_STATE_PAID)


def charge() -> pb.Charge:
    made = pb.Charge(
        charge_id="c1",
        amount_cents=5,
        charge_state=pb.CHARGE_STATE_IN_DISPUTE,
        card=pb.Card(number="42 42", exp_month=7),
        other_cards=[pb.Card(number="1"), pb.Card(number="2")],
    )
    made.created_at.FromJsonString("2026-01-31T09:30:00.500Z")
    made.seen_at.FromJsonString("2026-01-31T09:30:00.500Z")
    return made


class Running:
    def __init__(self, upstream: Upstream, stub: Any) -> None:
        self.upstream = upstream
        self.stub = stub


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with Upstream(json_answer({"result": {"data": ANSWER}}, ETag="v7")) as upstream:
        async with gateway_for(upstream.url, proto=PROTOS) as gateway:
            yield Running(upstream, rpc.ChargeServiceStub(gateway.channel))


async def test_an_answer_is_read_by_its_habits(running: Running) -> None:
    answer = await running.stub.GetCharge(GET)
    expected = pb.Charge(
        charge_id="c1",
        amount_cents=9007199254740993,
        charge_state=pb.CHARGE_STATE_IN_DISPUTE,
        card=pb.Card(exp_month=7),
        etag="v7",
        history=[pb.CHARGE_STATE_PAID, pb.CHARGE_STATE_IN_DISPUTE, pb.CHARGE_STATE_PAID],
    )
    expected.created_at.FromJsonString("2026-01-31T09:30:00.500Z")
    expected.seen_at.FromJsonString("2026-01-31T09:30:00.500Z")
    assert answer == expected


async def test_path_and_query_are_written_by_the_same_habits(running: Running) -> None:
    await running.stub.GetCharge(GET)
    assert running.upstream.requests == ["GET /v1/charges/c1/paid"]


async def test_a_body_is_written_by_its_habits(running: Running) -> None:
    request = charge()
    request.etag = "v6"
    await running.stub.PutCharge(request)
    assert json.loads(running.upstream.bodies[0]) == {
        "amount_cents": 5,
        "charge_state": "in_dispute",
        "created_at": 1769851800.5,
        "seen_at": 1769851800500,
        "card": {"number": "42 42", "exp_month": 7},
        "other_cards": [{"number": "1"}, {"number": "2"}],
    }
    assert running.upstream.headers[0]["if-match"] == "v6"


async def test_a_form_is_written_in_brackets(running: Running) -> None:
    await running.stub.CreateCharge(charge())
    assert running.upstream.headers[0]["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(running.upstream.bodies[0].decode()) == [
        ("charge_id", "c1"),
        ("amount_cents", "5"),
        ("charge_state", "in_dispute"),
        ("created_at", "1769851800.5"),
        ("seen_at", "1769851800500"),
        ("card[number]", "42 42"),
        ("card[exp_month]", "7"),
        ("other_cards[0][number]", "1"),
        ("other_cards[1][number]", "2"),
    ]


async def test_an_answer_may_be_an_array(running: Running) -> None:
    running.upstream.handler = json_answer([ANSWER, ANSWER], ETag="all")
    answer = await running.stub.ListCharges(pb.ListChargesRequest())
    assert [c.amount_cents for c in answer.charges] == [9007199254740993] * 2
    assert answer.etag == "all"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"result": {"other": 1}}, "has no 'data' at 'result'"),
        ({"result": []}, "'result' is no object"),
        ([], "is no object"),
        ({"result": {"data": [1]}}, "expected a JSON object, found an array"),
        ({"result": {"data": {"amount_cents": "x"}}}, "amount_cents"),
    ],
)
async def test_an_answer_without_its_root_is_an_error(
    running: Running, body: object, text: str
) -> None:
    running.upstream.handler = json_answer(body)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.stub.GetCharge(GET)
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert text in (raised.value.details() or "")


async def test_a_root_that_is_null_is_the_empty_message(running: Running) -> None:
    running.upstream.handler = json_answer({"result": {"data": None}})
    assert await running.stub.GetCharge(GET) == pb.Charge()


async def test_fixed_headers_and_parameters_go_with_every_request(tmp_path: Path) -> None:
    config = """
services:
  foreign.v1.ChargeService:
    policy:
      headers:
        set: {authorization: "Bearer ${KEY_OF_THE_TEST:-sesame}", accept: application/vnd.x+json}
      request:
        query: {api-version: "2024-06"}
"""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(
            text=json.dumps({"result": {"data": {}}}), content_type="application/vnd.x+json"
        )

    async with (
        Upstream(answer) as upstream,
        gateway_for(upstream.url, proto=PROTOS, config=config, tmp_path=tmp_path) as gateway,
    ):
        stub = rpc.ChargeServiceStub(gateway.channel)
        await stub.PutCharge(pb.Charge(charge_id="c"), metadata=[("authorization", "Bearer mine")])
        sent = upstream.headers[0]
        assert (sent["authorization"], sent["accept"]) == (
            "Bearer sesame",
            "application/vnd.x+json",
        )
        assert dict(parse_qsl(urlsplit(upstream.requests[0].split()[1]).query)) == {
            "api-version": "2024-06"
        }


def lines(*values: object) -> Any:
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        body = "".join(json.dumps(value) + "\n" for value in values)
        return web.Response(text=body, content_type="application/x-ndjson")

    return answer


async def test_a_root_is_looked_for_in_each_message_of_a_stream(running: Running) -> None:
    running.upstream.handler = lines({"result": {"data": ANSWER}}, {"result": {"data": None}})
    answers = [c async for c in running.stub.WatchCharges(pb.ListChargesRequest())]
    assert [c.charge_id for c in answers] == ["c1", ""]


async def test_a_free_form_message_is_no_envelope(running: Running) -> None:
    values = [{"result": {"a": "1"}}, {"error": "x"}, {"result": None}]
    running.upstream.handler = lines(*values)
    answers = [s async for s in running.stub.WatchAnything(pb.ListChargesRequest())]
    assert [json_format.MessageToDict(s) for s in answers] == values
