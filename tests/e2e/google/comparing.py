"""The comparison of one library: every method, every binding, both directions."""

import json
import random
from collections.abc import Sequence

import grpc
from e2e.google.comparison import Tally, binding_of, differences, same
from e2e.google.exchange import Exchange
from e2e.google.libraries import HttpOption, Method
from e2e.google.messages import MessageMaker
from e2e.google.requests import RequestMaker
from google.protobuf import json_format
from google.protobuf.message import Message

_STRICT = ("google.cloud.location.", "google.iam.", "google.longrunning.")
"""Packages of the methods that every library has (ListOperations, …): there the libraries
raise an error for a field that they do not know, and everywhere else they ignore it."""


class LibraryComparison:
    """Compares what a library and the gateway do with the same messages.

    Args:
        exchange: with the library.
        methods: to be compared.
        seed: of all that is random.

    Attributes:
        tally: what was compared.
        failures: a text for each difference.
        unreached: bindings that no request went by, with their methods' paths.
    """

    def __init__(self, exchange: Exchange, methods: Sequence[Method], seed: str) -> None:
        self._exchange = exchange
        self._methods = methods
        self._rng = random.Random(seed)
        self._maker = MessageMaker(self._rng)
        self._requests = RequestMaker(self._rng, self._maker)
        self.tally = Tally()
        self.failures: list[str] = []
        self.unreached: set[tuple[str, HttpOption]] = set()

    async def run(self, rounds: int) -> None:
        """Compare every method: a bare request and `rounds` filled ones a binding."""
        self.tally["services"] = len({method.service for method in self._methods})
        for method in self._methods:
            reached: set[HttpOption | None] = set()
            for option in method.options:
                for bare in (True, *[False] * rounds):
                    message = self._requests.request(method, option, bare=bare)
                    reached.add(await self._compare(method, message))
            for message in self._requests.misfits(method):
                await self._refuse(method, message)
            self.tally["methods"] += 1
            self.tally["bindings"] += len(reached & set(method.options))
            for option in set(method.options) - reached:
                self.unreached.add((method.path, option))

    async def _compare(self, method: Method, message: Message) -> HttpOption | None:
        exchange = self._exchange
        answer = method.response()
        self._maker.fill(answer)
        exchange.answer = self._printed(answer)
        context = f"{method.path} {type(message).__name__} {{{_short(message)}}}"
        try:
            theirs = await exchange.by_library(method, message)
            by_library = exchange.sent()
            ours = await exchange.by_gateway(method, message)
            by_gateway = exchange.sent()
        except Exception as error:
            exchange.sent()
            self.failures.append(f"{context}: {type(error).__name__}: {str(error)[:500]}")
            return None
        found = differences(method, message, by_library, by_gateway)
        if not same(theirs, ours):
            found.append(
                f"the answer {exchange.answer[:500]!r} is {_short(theirs)!r} for the "
                f"library, {_short(ours)!r} for the gateway's caller"
            )
        self.failures += [f"{context}: {text}" for text in found]
        self.tally["requests and answers"] += 1
        return binding_of(method, by_library[0])

    def _printed(self, answer: Message) -> bytes:
        """Return an answer's JSON, in one of the forms that both must understand."""
        text = json_format.MessageToJson(
            answer,
            use_integers_for_enums=self._rng.random() < 0.5,
            preserving_proto_field_name=self._rng.random() < 0.2,
        )
        strict = answer.DESCRIPTOR.full_name.startswith(_STRICT)
        if not strict and self._rng.random() < 0.2:
            text = json.dumps(json.loads(text) | {"notDeclared": [{"x": None}]})
        return text.encode()

    async def _refuse(self, method: Method, message: Message) -> None:
        exchange = self._exchange
        context = f"{method.path} {{{_short(message)}}}"
        try:
            await exchange.by_library(method, message)
            self.failures.append(f"{context}: the library sends it")
        except ValueError:
            pass
        try:
            await exchange.by_gateway(method, message)
            self.failures.append(f"{context}: the gateway sends it")
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                self.failures.append(f"{context}: {error}")
        if sent := exchange.sent():
            self.failures.append(f"{context}: sent as {sent}")
        self.tally["refusals"] += 1


def _short(message: Message) -> str:
    return " ".join(str(message).split())[:600]
