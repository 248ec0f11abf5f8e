"""`python -m bench.chaos`: faults over real sockets, the same ones for every contestant.

The way of a run:
`cases.py` says what goes wrong and when → `calls.py` draws the arrivals →
`rounds.py` goes through the runs, `trial.py` starts simulator, contestant and clients
of one → `figures.py` makes figures of what the clients saw → `verdict.py` compares →
`report.py` and `picture.py` show. How to read it: docs/chaos.md.
"""
