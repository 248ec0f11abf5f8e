"""Durable operations: calls that are kept before they are acknowledged, and made until they end.

The way of one: `accept.py` keeps it, `workers.py` claims it, `work.py` makes an attempt of it (one
call, or `steps.py`; `polling.py` where the upstream takes its time), `schedule.py` decides what
comes next, and `service.py` tells whoever asks. The store is `gateway.state.operations`.
"""
