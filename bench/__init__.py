"""Benchmarks: Seawall beside gateways written by hand. `make bench`, or `python -m bench --help`.

Starts at `__main__.py`. Must not import `gateway`: what is measured is the command
that users start.
"""
