import asyncio

from gateway.ingress.gate import Gate


async def test_an_open_gate_holds_nobody():
    gate = Gate()
    assert not gate.holding
    await gate.wait()


async def test_a_closed_gate_holds_until_it_opens():
    gate = Gate()
    gate.close()
    gate.close()
    held = [asyncio.ensure_future(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert gate.holding
    assert not any(task.done() for task in held)
    gate.open()
    gate.open()
    await asyncio.gather(*held)
    assert not gate.holding


async def test_who_is_held_when_it_closes_again_stays():
    gate = Gate()
    gate.close()
    held = asyncio.ensure_future(gate.wait())
    await asyncio.sleep(0)
    gate.open()
    gate.close()
    await asyncio.sleep(0)
    assert not held.done()
    gate.open()
    await held
