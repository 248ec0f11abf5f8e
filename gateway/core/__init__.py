"""What every part of the gateway speaks in. Imports the standard library alone."""
