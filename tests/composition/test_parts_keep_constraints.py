"""Requests of a composed method's parts are held to the constraints of their protos."""

from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from support.gateways import gateway_for
from support.upstream import Upstream, json_answer

PROTO = """syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
import "buf/validate/validate.proto";
service O {
  rpc Get(Q) returns (Q) { option (google.api.http) = {get: "/v1/items/{id}"}; }
  rpc Whole(W) returns (A);
}
message Q { string id = 1 [(buf.validate.field).string.pattern = "^[a-z]{3}$"]; }
message W { string any = 1; }
message A { Q a = 1; }
"""
CONFIG = """
services:
  t.v1.O:
    methods:
      Whole: {fan_out: {branches: [{method: t.v1.O/Get, field: a, request: {id: any}}]}}
"""


@pytest.mark.parametrize(("sent", "fits"), [(b"\n\x03abc", True), (b"\n\x03A-9", False)])
async def test_what_a_part_is_asked_keeps_its_constraints(
    sent: bytes, fits: bool, tmp_path: Path
) -> None:
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "t.proto").write_text(PROTO)
    async with (
        Upstream(json_answer({"id": "abc"})) as upstream,
        gateway_for(upstream.url, proto=protos, config=CONFIG, tmp_path=tmp_path) as gateway,
    ):
        ask = gateway.channel.unary_unary("/t.v1.O/Whole")
        if fits:
            await ask(sent, timeout=5)
            assert len(upstream.requests) == 1
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(sent, timeout=5)
        error = caught.value
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "the request of t.v1.O/Get" in str(error.details())
        status = rpc_status.from_call(error)
        assert isinstance(status, status_pb2.Status)
        bad = error_details_pb2.BadRequest()
        assert any(detail.Unpack(bad) for detail in status.details)
        assert [one.field for one in bad.field_violations] == ["id"]
        assert upstream.requests == []
