"""Foreign text, made fit to stand in a status message.

What an upstream or a parser says may be long, may hold control characters, and may
be a page of HTML. A caller's terminal and a log line must bear it.
"""

import re

_MARKUP = re.compile(
    r"<(?:!--|!doctype|\?xml|/?(?:html|head|body|title|meta|link|script|style|iframe|img|svg"
    r"|h[1-6]|p|div|span|pre|code|center|hr|br|a|b|i|em|strong|table|tr|td|ul|li|form)[\s/>])",
    re.IGNORECASE,
)
"""Where HTML or XML begins; `List<String>` is not it."""


def quotable(text: str, max_chars: int) -> str:
    """Return `text` on one line, printable, without markup, `max_chars` at most.

    What follows the first tag is dropped: it is a page, not a sentence.
    """
    text = text[: 4 * max_chars]
    if (markup := _MARKUP.search(text)) is not None:
        text = text[: markup.start()]
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
