"""What a policy may not say, whoever says it: bounds and names, level by level.

Each check yields (field path, sentence); the caller knows the file and line.
"""

from gateway.config.checks.document import ceiling_mistakes, config_mistakes
from gateway.config.checks.method import (
    field_mistakes,
    method_mistakes,
    reference_mistakes,
    stream_mistakes,
)
from gateway.config.checks.upstream import upstream_mistakes
from gateway.config.values import Mistake, seconds

__all__ = [
    "Mistake",
    "ceiling_mistakes",
    "config_mistakes",
    "field_mistakes",
    "method_mistakes",
    "reference_mistakes",
    "seconds",
    "stream_mistakes",
    "upstream_mistakes",
]
