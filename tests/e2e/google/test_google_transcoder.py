"""The libraries' transcoder alone, for every kind of field that a URL can carry.

No library has a float, bytes or a wrapper in a query; google.api_core, which writes
the requests of all of them, writes those too.
"""

import json
import random
from urllib.parse import parse_qsl

import pytest
from e2e.google.libraries import HttpOption, Method
from e2e.google.messages import MessageMaker
from e2e.google.requests import RequestMaker
from e2e.google.schema import http_rule
from google.api_core.rest_helpers import flatten_query_params, transcode_request
from google.protobuf.message import Message
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.schema import POOL, method

from gateway.transcode.binding import compile_bindings
from gateway.transcode.codec import JsonCodec
from gateway.transcode.encode import RequestEncoder, RequestOptions

OPTIONS = [
    (HttpOption("GET", "/v1/all", ""),),
    (HttpOption("GET", "/v1/{name=shops/*/orders/**}:find", ""),),
    (HttpOption("DELETE", "/v1/{inner.name}/{scalars.an_int64}/{right}", ""),),
    (HttpOption("POST", "/v1/{left=a/*}", "*"),),
    (HttpOption("PATCH", "/v1/{inner.name=shops/*}/{inner.snake_case_name}", "inner"),),
    (HttpOption("PUT", "/v1/{name}", "lists"), HttpOption("POST", "/v2/{mixedCase}", "known")),
    (
        HttpOption("GET", "/v1/{name=a/*}", ""),
        HttpOption("GET", "/v1/{name=b/*}", ""),
        HttpOption("POST", "/v1/{renamed}/{inner.scalars.an_int32}:go", "*"),
    ),
]


def _library(options: tuple[HttpOption, ...], message: Message) -> tuple[object, ...]:
    written = [
        {"method": option.verb.lower(), "uri": option.uri}
        | ({"body": option.body} if option.body else {})
        for option in options
    ]
    request, body, query = transcode_request(written, message)
    pairs = flatten_query_params(query, strict=True)
    return request["method"].upper(), request["uri"], pairs, body and json.loads(body)


def _gateway(encoder: RequestEncoder, message: Message) -> tuple[object, ...]:
    prepared = encoder.encode(message)
    path, _, query = prepared.target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    return prepared.binding.verb, path, pairs, prepared.body and json.loads(prepared.body)


def _compare(options: tuple[HttpOption, ...], messages: int) -> None:
    rule = http_rule(options)
    codec = JsonCodec(POOL)
    encoder = RequestEncoder(
        compile_bindings(method(pb.Request, pb.Document), rule, {}),
        codec,
        RequestOptions(max_url_bytes=1_000_000),
    )
    rng = random.Random(str(options))
    maker = RequestMaker(rng, MessageMaker(rng))
    made = Method("s", "m", pb.Request, pb.Document, options, {}, False, _same)
    for number in range(messages):
        message = maker.request(made, options[number % len(options)])
        assert _gateway(encoder, message) == _library(options, message), message


def _same(message: Message) -> Message:
    return message


@pytest.mark.parametrize("options", OPTIONS)
def test_every_kind_of_field_is_sent_as_the_libraries_send_it(options):
    _compare(options, 200)


@pytest.mark.full
@pytest.mark.parametrize("options", OPTIONS)
def test_every_kind_of_field_is_sent_as_the_libraries_send_it_in_full(options):
    _compare(options, 5000)
