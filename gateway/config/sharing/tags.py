"""Tags: words, with fields of the request in braces: "services:{audience}".

Values are percent-encoded, so that no value of one field can look like another tag's.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor

from gateway.config.protection import field_mistake
from gateway.core.call import Call

MAX_TAGS = 8
_MAX_LENGTH = 200
_FIELD = re.compile(r"\{([^{}]*)\}")
TagsOf = Callable[[Call], Sequence[str]]


def tags_of(templates: Sequence[str]) -> TagsOf:
    """Return what makes the tags of a decoded call."""
    compiled = [_tag(template) for template in templates]
    if all(isinstance(one, str) for one in compiled):
        fixed = tuple(str(one) for one in compiled)
        return lambda _call: fixed

    def tags(call: Call) -> tuple[str, ...]:
        message = call.message
        return tuple([one if isinstance(one, str) else one(message) for one in compiled])

    return tags


def _tag(template: str) -> str | Callable[[Any], str]:
    parts = _FIELD.split(template)
    if len(parts) == 1:
        return template
    words, readers = parts[::2], [attrgetter(path) for path in parts[1::2]]

    def tag(message: Any) -> str:
        text = words[0]
        for read, word in zip(readers, words[1:], strict=True):
            text += quote(str(read(message)), safe="") + word
        return text

    return tag


def may_meet(one: str, other: str) -> bool:
    """Tell whether two templates can make the same tag, as far as their words say."""
    return _looks_like(one, other) or _looks_like(other, one)


def _looks_like(one: str, other: str) -> bool:
    pattern = ".*".join(re.escape(word) for word in _FIELD.split(other)[::2])
    return re.fullmatch(pattern, _FIELD.sub("x", one), re.DOTALL) is not None


def tag_mistakes(path: str, templates: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with tags wherever they are said."""
    if len(templates) > MAX_TAGS:
        yield path, f"at most {MAX_TAGS}, found {len(templates)}"
    for i, template in enumerate(templates):
        rest = _FIELD.sub("", template)
        if not template or len(template) > _MAX_LENGTH:
            yield f"{path}[{i}]", f"must be 1 to {_MAX_LENGTH} characters"
        elif "{" in rest or "}" in rest or "*" in rest:
            yield f"{path}[{i}]", "is words and {field} in braces, without other braces or '*'"


def tag_field_mistakes(
    path: str, templates: Sequence[str], request: Descriptor
) -> Iterator[tuple[str, str]]:
    """Yield the fields in tags that a request has not."""
    for i, template in enumerate(templates):
        for name in _FIELD.findall(template):
            wrong = field_mistake(request, name) if name else "a field has a name"
            if wrong:
                yield f"{path}[{i}]", wrong
