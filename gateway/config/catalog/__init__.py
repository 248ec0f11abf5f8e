"""The error catalog of a process: reasons, from enum values and YAML, and who gives them."""

from gateway.config.catalog.doubts import catalog_doubts
from gateway.config.catalog.mistakes import (
    catalog_mistakes,
    effective_rule_mistakes,
    rule_mistakes,
)
from gateway.config.catalog.reading import read_catalog
from gateway.config.catalog.reasons import Catalog

__all__ = [
    "Catalog",
    "catalog_doubts",
    "catalog_mistakes",
    "effective_rule_mistakes",
    "read_catalog",
    "rule_mistakes",
]
