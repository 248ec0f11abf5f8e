"""Whatever the items take: results in order, never too many at once, nothing left behind."""

import asyncio

from compose.v1.compose_pb2 import BatchRequest, BatchResponse, GetRequest, Order
from fakes.clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.compose.calls import Caller, Method, entries, failing

from gateway.compose.mapping import compile_mapping
from gateway.compose.scatter import ScatterOptions, ScatterTarget
from gateway.core.events import Events
from gateway.core.status import Code

_IDS = BatchRequest.DESCRIPTOR.fields_by_name["ids"]
_RESULT = BatchResponse.Result.DESCRIPTOR


@given(
    items=st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.4, 1.0, 60.0]), st.booleans()), max_size=12
    ),
    max_parallel=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_results_keep_their_order_and_calls_their_bound(items, max_parallel):
    ids = [f"{after_s}/{fails}/{i}" for i, (after_s, fails) in enumerate(items)]

    def after_s(request):
        return float(request.id.split("/")[0])

    def answer(request):
        return failing() if request.id.split("/")[1] == "True" else Order(id=request.id)

    async def run():
        clock = FakeClock(auto_jump=True)
        method = Method(clock, "Get", answer, after_s=after_s)
        options = ScatterOptions(
            method="compose.v1.Back/Get",
            items="ids",
            results="results",
            new_answer=BatchResponse,
            of_item=compile_mapping(_IDS, GetRequest.DESCRIPTOR, {"id": ""}),
            answer=compile_mapping(Order.DESCRIPTOR, _RESULT, {"result": ""}),
            max_parallel=max_parallel,
        )
        caller = Caller(clock, BatchRequest(ids=ids))
        await ScatterTarget(options, entries(method), clock, Events())(caller.call)
        assert clock.now() < caller.call.deadline_at
        assert clock.pending == 0
        assert method.running == 0
        assert method.most == min(max_parallel, len(ids))
        return caller.answer(BatchResponse).results

    results = asyncio.run(run())
    assert len(results) == len(ids)
    for name, (_, fails), result in zip(ids, items, results, strict=True):
        assert result.HasField("result") != result.HasField("status")
        if result.HasField("result"):
            assert result.result.id == name
            assert not fails
        elif not fails:
            assert result.status.code == Code.DEADLINE_EXCEEDED
