"""What was found wrong so far: collected, so that all of it is said at once."""

from gateway.core.errors import ConfigError, Problem


class Problems:
    """Mistakes in the order they were found, each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, where: str, text: str) -> None:
        """Remember a mistake.

        Args:
            where: "orders.proto:17", "seawall.yaml:4", a flag, or "".
            text: what is wrong and, where it helps, what to write instead.
        """
        self._found[Problem(where, text)] = None

    def raise_if_any(self) -> None:
        """Raise a ConfigError with everything found, if anything was."""
        if self._found:
            raise ConfigError(list(self._found))
