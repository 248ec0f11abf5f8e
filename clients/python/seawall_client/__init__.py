"""For callers of a Seawall gateway: read what a failed call says."""

from seawall_client.failure import Failure, FieldViolation, read_failure

__all__ = ["Failure", "FieldViolation", "read_failure"]
