"""buf.validate: what the protos say that a request must be."""

from gateway.transcode.constraints.rules import ConstraintError, Constraints, Rules, constrained
from gateway.transcode.constraints.vocabulary import FILE, validate_file

__all__ = ["FILE", "ConstraintError", "Constraints", "Rules", "constrained", "validate_file"]
