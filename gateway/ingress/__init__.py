"""The gRPC side: the only place that imports grpc. Also the ops port."""

import os

# The library's C core writes what peers send into its own lines, bytes that are no text
# among it, and would mix them into the log. Errors of its own stay.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
