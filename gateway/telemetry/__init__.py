"""Listeners on core.events: metrics, logs. Mechanisms know none of them."""
