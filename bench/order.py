"""The order that every contender serves, as protobuf and as the upstream's JSON.

Drawn from a seed, so that a run can be repeated byte for byte. Compiles the proto
into a folder, from which this process and the contenders import the stubs; must
not know who serves the order.
"""

import importlib
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google.api.annotations_pb2
import grpc
import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from grpc_tools import protoc

ORDER_ID = "ORD-2026-0001"
METHOD = "/loadtest.v1.OrderService/GetOrder"
HTTP_PATH = f"/v1/orders/{ORDER_ID}"

_PROTOS = Path(__file__).parent / "protos"
_LINES = 7
_THINGS = ("Lamp", "Kettle", "Compass", "Rope", "Anchor", "Chart", "Barometer", "Oilskin")
_MATERIALS = ("brass", "oak", "linen", "steel", "cork")

METADATA = (("x-api-key", "key-of-the-load-of-the-benchmarks"),)
"""Sent with every call, to whoever is measured: `seawall_full.yaml` knows its hash."""


@dataclass(frozen=True, slots=True)
class OrderFiles:
    """One order, on disk for the contenders and in memory for checks.

    Attributes:
        folder: put on PYTHONPATH, it has the stubs.
        descriptor_set: file, with imports.
        json: file, what the upstream answers.
        prepared: file, the serialized order.
        message: the order.
        request: the serialized request for it.
    """

    folder: Path
    descriptor_set: Path
    json: Path
    prepared: Path
    message: Any
    request: bytes

    @property
    def json_bytes(self) -> int:
        """Length of the JSON."""
        return self.json.stat().st_size

    @property
    def answer_bytes(self) -> int:
        """Length of the serialized order."""
        return self.prepared.stat().st_size


def make_order(folder: Path, seed: int) -> OrderFiles:
    """Compile the proto into `folder` and write the order that `seed` draws."""
    descriptor_set = folder / "orders.descriptors.binpb"
    includes = Path(str(google.api.annotations_pb2.__file__)).parents[2]
    status = protoc.main(
        [
            "protoc",
            f"-I{_PROTOS}",
            f"-I{includes}",
            f"-I{Path(protoc.__file__).parent / '_proto'}",
            "--include_imports",
            f"--descriptor_set_out={descriptor_set}",
            f"--python_out={folder}",
            f"--grpc_python_out={folder}",
            "loadtest/v1/orders.proto",
        ]
    )
    if status:
        raise RuntimeError("the benchmark's proto does not compile")
    sys.path.insert(0, str(folder))
    stubs = importlib.import_module("loadtest.v1.orders_pb2")
    message = stubs.Order()
    json_format.ParseDict(_draw(random.Random(seed)), message)
    json_file = folder / "order.json"
    json_file.write_bytes(orjson.dumps(json_format.MessageToDict(message)))
    prepared = folder / "order.binpb"
    prepared.write_bytes(message.SerializeToString(deterministic=True))
    request = stubs.GetOrderRequest(order_id=ORDER_ID).SerializeToString()
    return OrderFiles(folder, descriptor_set, json_file, prepared, message, request)


def _draw(rng: random.Random) -> dict[str, Any]:
    lines: list[dict[str, Any]] = [
        {
            "sku": f"SKU-{rng.randrange(10**8):08d}",
            "title": f"{rng.choice(_THINGS)}, {rng.choice(_MATERIALS)}, No. {rng.randint(10, 99)}",
            "quantity": rng.randint(1, 9),
            "unitPriceCents": str(rng.randint(1_000, 99_999)),
            "inStock": True,
        }
        for _ in range(_LINES)
    ]
    return {
        "orderId": ORDER_ID,
        "state": "STATE_PAID",
        "customer": {
            "customerId": f"CUS-{rng.randrange(10**8):08d}",
            "name": "Ada Marlowe",
            "email": "ada.marlowe@shop.example",
        },
        "shipTo": {
            "street": f"{rng.randint(10, 99)} Harbour Street",
            "city": "Falmouth",
            "postalCode": "TR11 3XA",
            "country": "GB",
        },
        "lines": lines,
        "totalCents": str(sum(n["quantity"] * int(n["unitPriceCents"]) for n in lines)),
        "currency": "GBP",
        "gift": True,
        "discountPercent": rng.randint(2, 40) / 4,
        "createdAt": "2026-03-01T09:30:00Z",
        "updatedAt": "2026-03-02T14:45:10.250Z",
        "labels": {
            "channel": "web",
            "warehouse": f"quay-{rng.randint(10, 99)}",
            "priority": "standard",
            "campaign": "spring-tide",
        },
    }


class AnswerError(Exception):
    """A contender's answer is not the order."""


def check_answer(address: str, files: OrderFiles, timeout_s: float = 10.0) -> int:
    """Ask `address` once with gRPC's own client and compare the answer field by field.

    Returns:
        The length of the serialized answer. An order can be spelled in more than one way:
        Envoy writes zeros that others leave out.

    Raises:
        AnswerError: naming the field that differs, or the status.
    """
    with grpc.insecure_channel(address) as channel:
        try:
            ask: Any = channel.unary_unary(METHOD)  # without a codec: bytes both ways
            answer: bytes = ask(files.request, timeout=timeout_s, metadata=METADATA)
        except grpc.RpcError as error:
            raise AnswerError(f"{error.code().name}: {error.details()}") from None
    try:
        compare(files.message, type(files.message).FromString(answer))
    except DecodeError as error:
        raise AnswerError(f"the answer is not an order: {error}") from None
    return len(answer)


def compare(expected: Any, answer: Any) -> None:
    """Raise `AnswerError` at the first field of a message in which two differ."""
    for field in expected.DESCRIPTOR.fields:
        want, got = getattr(expected, field.name), getattr(answer, field.name)
        if want != got:
            raise AnswerError(f"the field {field.name!r} is {str(got)!r}, not {str(want)!r}")
    if expected != answer:
        raise AnswerError("the answer has fields that the order has not")
