"""Traces by OpenTelemetry; loaded only where a collector is said."""

from gateway.telemetry.tracing.provider import Tracing
from gateway.telemetry.tracing.spans import SpanOfCall

__all__ = ["SpanOfCall", "Tracing"]
