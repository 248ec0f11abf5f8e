"""Generated Python: functions that call each other by name, each compiled at its first call.

A message type may refer to itself, and an API has hundreds of types of which a
gateway meets a few. So a name is given out at once and stands for its function;
the function is written when it is called first, or by `warm`.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

Write = Callable[[], Iterable[str]]
"""Returns the lines of one function, from `def NAME(...):` on."""


class Source:
    """A namespace of generated functions.

    Args:
        given: what they all may use, by name.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self.names: dict[str, Any] = dict(given)
        self._named: dict[Hashable, str] = {}
        self._pending: dict[str, Write] = {}

    def constant(self, hint: str, value: Any) -> str:
        """Return a new name for `value`, beginning with `hint`."""
        name = f"{hint}_{len(self.names)}"
        self.names[name] = value
        return name

    def shared(self, hint: str, key: Hashable, value: Any) -> str:
        """Return the name of the constant with this key, which is `value` at the first call."""
        known = self._named.get((hint, key))
        if known is None:
            known = self._named[hint, key] = self.constant(hint, value)
        return known

    def function(self, hint: str, key: Hashable, write: Callable[[str], Iterable[str]]) -> str:
        """Return the name of the function with this key.

        Args:
            hint: begins the name.
            key: two calls with one key mean one function.
            write: takes the name, returns the function's lines.
        """
        known = self._named.get((hint, key))
        if known is not None:
            return known
        name = self._named[hint, key] = self.constant(hint, None)
        self._pending[name] = lambda: write(name)
        self.names[name] = lambda *args: self._compiled(name)(*args)
        return name

    def get(self, name: str) -> Callable[..., Any]:
        """Return a function that calls the one of this name, now compiled."""
        return self._compiled(name)

    def warm(self) -> None:
        """Compile all functions that have a name, and those which they call."""
        while self._pending:
            self._compiled(next(iter(self._pending)))

    def _compiled(self, name: str) -> Callable[..., Any]:
        write = self._pending.get(name)
        if write is not None:
            text = "\n".join(write())
            exec(compile(text, f"<json mapping: {name}>", "exec"), self.names)
            self._pending.pop(name, None)
        function: Callable[..., Any] = self.names[name]
        return function
