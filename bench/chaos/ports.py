"""Ports that nobody is given by accident.

A port of the range that the system gives to outgoing connections (from 32768 on under
Linux) may be taken while its listener is away, and a connection to it may even connect
to itself. Those below are left alone.
"""

import itertools
import os
import socket

_FIRST, _LAST = 21_000, 31_999
_numbers = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago; another one each time.

    Raises:
        OSError: none is free.
    """
    for _ in range(_FIRST, _LAST):
        port = _FIRST + next(_numbers) % (_LAST - _FIRST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no port of 127.0.0.1 between {_FIRST} and {_LAST} is free")
