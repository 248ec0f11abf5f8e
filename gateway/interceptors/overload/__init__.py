"""Refuses calls, the least critical first, while the process itself cannot keep up.

`guard.py` decides and knows no time of its own, `sampler.py` feeds it, `memory.py` reads
what the process may have, `interceptor.py` asks it once a call.
"""
