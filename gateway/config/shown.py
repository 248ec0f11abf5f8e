"""What people may see of a policy: without what came from the environment or a file.

Which of these values are secrets nobody can say, so that none is shown, wherever it stands.
"""

from collections.abc import Set
from typing import Any

HIDDEN = "(hidden)"
"""What is shown of a value that is, or may be, a secret."""


def hide_referenced(shown: Any, referenced: Set[str], *, kept: Set[str] = frozenset()) -> None:
    """Put `HIDDEN` in the place of every text of a message that is in `referenced`.

    Args:
        shown: a copy to be shown; it is changed, and the messages within it.
        referenced: values that came from the environment or a file.
        kept: names of fields of the message itself that are left alone.
    """
    for field, value in list(shown.ListFields()):
        kind, name = field.message_type, field.name
        if name in kept:
            continue
        if kind is not None and kind.GetOptions().map_entry:
            _hide_map(value, referenced)
        elif field.is_repeated:
            for i, one in enumerate(value):
                if kind is not None:
                    hide_referenced(one, referenced)
                elif one in referenced:
                    value[i] = HIDDEN
        elif kind is not None:
            hide_referenced(value, referenced)
        elif isinstance(value, str) and value in referenced:
            setattr(shown, name, HIDDEN)


def _hide_map(values: Any, referenced: Set[str]) -> None:
    for key in list(values):
        value = values[key]
        if isinstance(value, str):
            if value in referenced:
                values[key] = HIDDEN
        elif hasattr(value, "ListFields"):
            hide_referenced(value, referenced)
