"""Path templates of google.api.http, parsed at startup and filled per call.

The grammar (google/api/http.proto):

    Template  = "/" Segments [ Verb ]
    Segments  = Segment { "/" Segment }
    Segment   = "*" | "**" | LITERAL | Variable
    Variable  = "{" FieldPath [ "=" Segments ] "}"
    FieldPath = IDENT { "." IDENT }
    Verb      = ":" LITERAL

Rules:
1. A gateway fills templates, so a wildcard outside a variable is an error: no
   field gives its value. Variables do not nest; `**` is a variable's last segment.
2. `{x}` is `{x=*}` and takes one segment; a "/" in its value is sent as %2F.
3. Where a pattern has several segments or `**`, "/" in the value separates them;
   `**` stands for any number of segments, none included.
4. A value must match its pattern. Empty, "." and ".." segments never do, and no
   part of a value between slashes or backslashes is "." or "..", percent-decoded or
   not: no value can leave its template, whatever the server makes of the encoding.
5. Everything but unreserved characters (RFC 3986) is percent-encoded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=@]|%[0-9A-Fa-f]{2})+")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]+")
_SEPARATORS = re.compile(r"[/\\]")
_FORBIDDEN = frozenset(("", ".", ".."))


class TemplateError(ValueError):
    """A mistake in a template; `column` counts from 1."""

    def __init__(self, column: int, text: str) -> None:
        super().__init__(f"column {column}: {text}")
        self.column = column


class MismatchError(ValueError):
    """A value that does not match its variable's pattern; says why."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`{path=pattern}`; `column` is where its field path begins."""

    path: str
    pattern: tuple[str, ...]
    column: int

    @property
    def pattern_text(self) -> str:
        """The pattern as it is written."""
        return "/".join(self.pattern)

    def expand(self, value: str) -> str:
        """Return `value` percent-encoded for the path.

        Raises:
            MismatchError: it does not match the pattern, or could leave the template.
        """
        if self.pattern == ("*",):
            if _UNRESERVED.fullmatch(value) and value not in _FORBIDDEN:
                return value
            if value in _FORBIDDEN:
                raise MismatchError(_why_forbidden(value))
            _check_parts(value)
            return quote(value, safe="")
        segments = value.split("/")
        for segment in segments:
            if segment in _FORBIDDEN:
                raise MismatchError(_why_forbidden(segment))
        if not _matches(self.pattern, segments):
            raise MismatchError(f"does not match {self.pattern_text!r}")
        _check_parts(value)
        return "/".join(quote(segment, safe="") for segment in segments)


def _check_parts(value: str) -> None:
    """Refuse what a server that decodes before it normalises would climb by.

    "a/../b" is one segment, "a%2F..%2Fb", until such a server looks at it; some also
    take a backslash for a slash, cut parameters off at ";", or decode twice.
    """
    for part in _SEPARATORS.split(unquote(value) + "/" + value):
        if part.partition(";")[0].strip() in (".", ".."):
            raise MismatchError(_why_forbidden(part))


def _why_forbidden(segment: str) -> str:
    if segment:
        return f"has a path segment {segment!r}, which would leave the path"
    return "is empty, or has an empty path segment"


def _matches(pattern: Sequence[str], segments: Sequence[str]) -> bool:
    if pattern and pattern[-1] == "**":
        head = pattern[:-1]
        return len(segments) >= len(head) and _matches(head, segments[: len(head)])
    return len(pattern) == len(segments) and all(
        p == "*" or unquote(p) == s for p, s in zip(pattern, segments, strict=True)
    )


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A parsed template: literal text between variables.

    `literals` has one element more than `variables`: the path is
    literals[0] variables[0] literals[1] …
    """

    text: str
    literals: tuple[str, ...]
    variables: tuple[Variable, ...]


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.literals = [""]
        self.variables: list[Variable] = []

    def error(self, text: str, at: int | None = None) -> TemplateError:
        return TemplateError((self.at if at is None else at) + 1, text)

    def peek(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def take(self, token: str) -> bool:
        if self.peek(token):
            self.at += len(token)
            return True
        return False

    def found(self) -> str:
        return f"found {self.text[self.at]!r}" if self.at < len(self.text) else "the template ends"

    def parse(self) -> PathTemplate:
        if not self.take("/"):
            raise self.error('a path template begins with "/"')
        self.literals[-1] = "/"
        self.segment()
        while self.take("/"):
            self.literals[-1] += "/"
            self.segment()
        if self.take(":"):
            self.literals[-1] += ":" + self.literal("a verb after ':'")
        if self.at < len(self.text):
            raise self.error(f"expected '/', ':' or the end, {self.found()}")
        return PathTemplate(self.text, tuple(self.literals), tuple(self.variables))

    def segment(self) -> None:
        if self.peek("*"):
            raise self.error(
                "a wildcard outside a variable has no value to send; bind it to a field: {field=*}"
            )
        if self.take("{"):
            self.variable()
        else:
            at = self.at
            segment = self.literal("a path segment")
            if unquote(segment) in (".", ".."):
                raise self.error(f"the segment {segment!r} would leave the path", at)
            self.literals[-1] += segment

    def literal(self, what: str) -> str:
        match = _LITERAL.match(self.text, self.at)
        if match is None:
            raise self.error(f"expected {what}, {self.found()}")
        self.at = match.end()
        return match.group()

    def variable(self) -> None:
        begin = self.at
        path = self.ident()
        while self.take("."):
            path += "." + self.ident()
        pattern = ["*"]
        if self.take("="):
            pattern = [self.pattern_segment()]
            while self.take("/"):
                if pattern[-1] == "**":
                    raise self.error("'**' must be the last segment of a variable")
                pattern.append(self.pattern_segment())
        if not self.take("}"):
            raise self.error(f"expected '}}' to close the variable {path!r}, {self.found()}")
        if any(v.path == path for v in self.variables):
            raise self.error(f"the variable {path!r} is used twice", begin)
        self.variables.append(Variable(path, tuple(pattern), begin + 1))
        self.literals.append("")

    def ident(self) -> str:
        match = _IDENT.match(self.text, self.at)
        if match is None:
            raise self.error(f"expected a field name, {self.found()}")
        self.at = match.end()
        return match.group()

    def pattern_segment(self) -> str:
        if self.take("**"):
            return "**"
        if self.take("*"):
            return "*"
        if self.peek("{"):
            raise self.error("a variable cannot hold another variable")
        return self.literal("'*', '**' or a path segment")


def parse_template(text: str) -> PathTemplate:
    """Parse a path template.

    Raises:
        TemplateError: with the column of the first mistake.
    """
    return _Parser(text).parse()
