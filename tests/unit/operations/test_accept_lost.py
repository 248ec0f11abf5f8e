"""Calls that are kept, over a store that keeps them and does not say so."""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from google.protobuf.empty_pb2 import Empty
from support.calls import new_call
from support.durable import opened

from gateway.core.call import MethodInfo
from gateway.core.clock import SystemClock
from gateway.core.errors import CallError, Reason
from gateway.core.events import Events
from gateway.operations.accept import Acceptor, CallReaders
from gateway.operations.message import OperationMessages
from gateway.operations.options import OperationOptions, Schedule
from gateway.state.durable.operations import DurableOperations
from gateway.state.operations import Acceptance, Accepted, Kept, State
from gateway.state.records import StoreUnavailable


async def test_an_acceptance_whose_answer_is_lost_is_looked_for(tmp_path: Path) -> None:
    lost = StoreUnavailable("it does not answer in time", 0.1)

    class Lossy(DurableOperations):
        """Keeps what it is given, and does not say so; nor, at times, what it has."""

        finds = True

        async def accept(self, accepted: Accepted) -> tuple[Acceptance, Kept | None]:
            await super().accept(accepted)
            raise lost

        async def get(self, operation: str, owner: bytes | None) -> Kept | None:
            if not self.finds:
                raise lost
            return await super().get(operation, owner)

    async with opened(f"sqlite:///{tmp_path}/seawall.db", timeout_s=10.0) as durable:
        store = Lossy(durable, SystemClock())
        readers = CallReaders(
            owner=lambda _call: b"o",
            key=lambda _call: None,
            fingerprint=lambda _call: b"",
            order=lambda _call: b"",
            kept=frozenset(),
        )
        method = MethodInfo("work.v1.Works", "Print")
        options = OperationOptions(schedule=Schedule(), response=Empty, metadata=None)
        acceptor = Acceptor(
            method, options, readers, store, OperationMessages({}), lambda: None, Events()
        )
        call = new_call(FakeClock())
        call.message = Empty()
        assert (await acceptor.accept(call)).state is State.WAITING
        store.finds = False
        with pytest.raises(CallError, match="may have been accepted, or not") as unknown:
            await acceptor.accept(call)
        assert unknown.value.reason is Reason.OUTCOME_UNKNOWN
        assert (unknown.value.retry_after_s, unknown.value.transient) == (None, False)
        keyed = Acceptor(
            method,
            options,
            replace(readers, key=lambda _call: (b"k" * 32, "k", 60.0, True)),
            store,
            OperationMessages({}),
            lambda: None,
            Events(),
        )
        with pytest.raises(CallError, match="with the same idempotency key") as again:
            await keyed.accept(call)
        assert again.value.reason is Reason.STORE_UNAVAILABLE
        assert (again.value.retry_after_s, again.value.transient) == (0.1, True)
