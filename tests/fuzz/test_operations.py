"""Durable operations under calls that nobody meant: names, filters, tokens, bytes, over the wire.

Bad input is its caller's fault; what was accepted comes to its end all the same, and once.
"""

import asyncio
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
from fuzz.edge import CALLERS_FAULT
from google.longrunning import operations_pb2 as lro
from google.protobuf import duration_pb2
from support.works import PRINT, SUBMIT, Caller, Press, press_and_gateway

from gateway.core.status import Code

POLICY = """{
  Print: {operation: {max_attempts: 20, initial_delay: 0.05s, max_delay: 0.1s, order_by: shelf},
    deduplication: {on_unknown: RESEND}},
  Submit: {operation: {accepted_in: operation, initial_delay: 0.05s, max_delay: 0.1s},
    deduplication: {on_unknown: RESEND}}}"""
FIELDS = ("done", "state", "method", "name", "state ", "Done", "")
VALUES = ("true", "false", "DEAD", "WAITING", "RUNNING", '"work.v1.Works/Print"', '"', "1", "'x'")
OPERATORS = ("=", "!=", "AND", " = ", " AND ", "OR", ":", "(", "\0")
NAME = re.compile(rb"operations/[a-z2-7]{26}")
METHODS = ("Get", "List", "Wait", "Cancel", "Delete")


class Fuzzer:
    """Calls one gateway at random.

    Args:
        caller: of it.
        rng: draws.
    """

    def __init__(self, caller: Caller, rng: random.Random) -> None:
        self.caller = caller
        self.rng = rng
        self.names = [""]
        self.tokens = [""]
        self.codes: Counter[Code] = Counter()

    async def one(self) -> None:
        """Make a call, whatever it is."""
        call = self._begin() if self.rng.random() < 0.3 else self._ask()
        try:
            answer = await call
        except grpc.aio.AioRpcError:
            pass
        else:
            self._learn(answer)
        self.codes[Code((await call.code()).value[0])] += 1

    def _begin(self) -> Any:
        text, shelf = self._word(), self.rng.choice(("", "s1", "s2"))
        key = self.rng.choice((None, f"k{self.rng.randrange(20)}"))
        return self.caller.call(self.rng.choice((PRINT, SUBMIT)), text, key, shelf)

    def _learn(self, answer: Any) -> None:
        if isinstance(answer, lro.ListOperationsResponse):
            self.names += [one.name for one in answer.operations[:2]]
            self.tokens.append(answer.next_page_token)
        elif isinstance(answer, bytes):
            self.names += [name.decode() for name in NAME.findall(answer)]

    def _ask(self) -> Any:
        method = self.rng.choice(METHODS)
        if self.rng.random() < 0.2:
            path = f"/google.longrunning.Operations/{method}Operation"
            path += "s" if method == "List" else ""
            noise = self.rng.randbytes(self.rng.randrange(60))
            return self.caller.channel.unary_unary(path)(noise, timeout=2)
        stub = self.caller.operations
        if method == "List":
            return stub.ListOperations(self._list(), timeout=10)
        name = self._name()
        if method == "Wait":
            wait_s = self.rng.choice((0, 0, -1, 10**12))
            timeout = duration_pb2.Duration(seconds=wait_s, nanos=0 if wait_s else 10**7)
            return stub.WaitOperation(
                lro.WaitOperationRequest(name=name, timeout=timeout), timeout=1
            )
        request = getattr(lro, f"{method}OperationRequest")(name=name)
        return getattr(stub, f"{method}Operation")(request, timeout=10)

    def _list(self) -> lro.ListOperationsRequest:
        rng = self.rng
        size = rng.choice((0, 1, 3, 1000, 2**31 - 1, -1, -(2**31)))
        parts = [
            rng.choice((rng.choice(FIELDS), rng.choice(VALUES), rng.choice(OPERATORS)))
            for _ in range(rng.randrange(6))
        ]
        wanted = rng.choice(("", "done = true", "state = DEAD", "".join(parts), "x" * 5000))
        token = self._spoilt(rng.choice(self.tokens[-5:]))
        name = rng.choice(("", "operations", "operations/", "else"))
        return lro.ListOperationsRequest(name=name, filter=wanted, page_size=size, page_token=token)

    def _name(self) -> str:
        name = self.rng.choice(self.names[-30:])
        return self._spoilt(name) if self.rng.random() < 0.3 else name

    def _spoilt(self, text: str) -> str:
        rng = self.rng
        if not text or rng.random() < 0.5:
            return text
        at = rng.randrange(len(text))
        return text[:at] + chr(rng.choice((0, 47, 61, 97, 0x2603))) + text[at + rng.randrange(3) :]

    def _word(self) -> str:
        return "".join(self.rng.choice("ab") for _ in range(self.rng.randrange(1, 9)))


async def _all_ended(caller: Caller) -> list[lro.Operation]:
    """Return every operation, once none is open."""
    async with asyncio.timeout(40):
        while True:
            listed = await caller.operations.ListOperations(
                lro.ListOperationsRequest(page_size=1000)
            )
            if all(one.done for one in listed.operations):
                return list(listed.operations)
            await asyncio.sleep(0.05)


async def test_random_calls_are_the_callers_fault_and_what_was_accepted_ends_once(
    tmp_path: Path,
) -> None:
    rng = random.Random(19)
    async with press_and_gateway(tmp_path, POLICY) as (press, running):
        assert isinstance(press, Press)
        press.honours = True
        fuzzer = Fuzzer(Caller(running.channel), rng)
        for round_number in range(30):
            if round_number % 5 == 0:
                press.answers += [(rng.choice((503, 429, 500)), {}, {}) for _ in range(3)]
            await asyncio.gather(*(fuzzer.one() for _ in range(20)))
        ended = await _all_ended(fuzzer.caller)
        assert set(fuzzer.codes) <= CALLERS_FAULT | {Code.OK, Code.DEADLINE_EXCEEDED}
        assert fuzzer.codes[Code.OK] > 100
        assert fuzzer.codes[Code.INVALID_ARGUMENT] > 20
        assert ended
        keys = Counter(key for _, _, key in press.seen if key is not None)
        assert set(press.known) <= set(keys)
        assert len(press.done) == len(press.known)
