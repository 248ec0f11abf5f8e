"""Traces by OpenTelemetry. What needs the library is loaded only where a collector is said."""
