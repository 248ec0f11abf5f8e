"""Durable operations, from policies: which methods have them, options, mistakes.

Rules:
1. A method has operations where a level other than the built-in one speaks of `operation`.
2. It answers with one where its response is google.longrunning.Operation: then the upstream's
   JSON, or the last step's answer, is the `response_type` of its `operation_info`. Else it is
   called at once, and `accepted_in` names the field that takes an operation.
3. A call is made later on nobody's behalf: an upstream that is sent its callers' credentials
   could not be called.
"""

from gateway.config.operations.mistakes import (
    merged_operation_mistakes,
    operation_mistakes,
    step_mistakes,
)
from gateway.config.operations.said import (
    OPERATION,
    answer_of,
    has_operations,
    is_later,
    metadata_of,
)

__all__ = [
    "OPERATION",
    "answer_of",
    "has_operations",
    "is_later",
    "merged_operation_mistakes",
    "metadata_of",
    "operation_mistakes",
    "step_mistakes",
]
