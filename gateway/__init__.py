"""Seawall: a gRPC reliability gateway.

Read `dispatch.py` first; ARCHITECTURE.md tells the way of a call.
"""

__version__ = "0.1.0"
