"""The pass-through as a patient operator runs it: on uvloop, and under SCHED_BATCH.

Under SCHED_BATCH a thread that wakes up does not interrupt the one that runs. gRPC's
threads and the event loop wake each other for every call, so on one core that saves
a good part of the context switches. Each is left out where the system has it not.
"""

from bench.contenders.pass_through import setup
from bench.contenders.serve import serve

if __name__ == "__main__":
    serve(setup, tuned=True)
