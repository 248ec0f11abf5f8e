"""Becomes another program, as another user, which ends with whoever started it.

    python -I -S as_user.py UID PROGRAM [ARGUMENT…]

A program of its own, because what runs between fork and exec in a process with threads may crash
there: subprocess's `user` and `preexec_fn` do, where grpc's threads run. UID "-" keeps the user.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    user, *command = sys.argv[1:]
    if user != "-":
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    if sys.platform == "linux":  # behind setuid, which takes it back
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
    os.execv(command[0], command)
