"""So many requests a second to one upstream: as many as declared, or as it teaches by 429.

`schedule.py` says when the next request may go, `tally.py` counts answers, `lesson.py` draws
a rate from them: `decrease.py` says how much lower, `growth.py` how it comes back, `blame.py`
whether the rate is to blame at all. `pacer.py` has the line of those that wait,
`interceptor.py` is what a call passes.
"""
