"""So many requests a second to one upstream: as many as declared, or as it teaches by 429.

`schedule.py` says when the next request may go, `tally.py` counts answers and `lesson.py`
draws a rate from them; `pacer.py` has the line of those that wait, `interceptor.py` is what
a call passes.
"""
