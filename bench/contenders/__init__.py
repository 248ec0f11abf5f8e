"""The servers that are compared, each a process of its own.

`python -m bench.contenders.NAME UPSTREAM_URL ORDER_FILE` serves on a free port of
127.0.0.1 and says so as `seawall serve` does: "gRPC on HOST:PORT". Each module is
written the way its name says; what they share is only `serve.py`.
"""
