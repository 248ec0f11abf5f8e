"""When the rules of buf.validate are compiled, and how a message is held to them.

Where it stands: behind decode, before anything is sent. protovalidate holds messages to the
rules, CEL included; what is decided here is when it is asked, and what is made of its word:

1. A message type is constrained where a field, a oneof or the message itself, or those of a
   message that it holds, carries an option of buf.validate. Of other types nothing is made
   and nothing is asked.
2. Rules are compiled when the gateway starts, those of messages inside messages too. What
   does not compile, what this version does not know, and an expression that asks for a field
   that is not there or is neither true nor false are mistakes: all of them are told.
3. Types are compiled once for all methods, by one engine for each descriptor pool: it knows
   types by their names.
4. A message is first asked for one violation. All are asked for, and told (see told.py),
   only where the message is small: an engine that lists the violations of 4 MiB takes half a
   minute and five gigabytes.
5. A rule that fails for every message is a mistake, and found when the gateway starts. One that
   fails while a call's message is looked at fails on its values (a sum that overflows, a
   division by zero, an index that is not there, a text that is no time): the call is
   INVALID_ARGUMENT. What cannot be the values' fault is INTERNAL.
6. An engine cannot be interrupted, and other calls wait for it: a message that asks for more
   expressions than budget.py allows is INVALID_ARGUMENT, and no engine is asked.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor

from gateway.core.errors import CallError, Problem, Reason, Violation, invalid_request
from gateway.core.status import Code
from gateway.transcode.constraints.budget import MOST, Budget
from gateway.transcode.constraints.culprits import culprits
from gateway.transcode.constraints.told import told
from gateway.transcode.constraints.vocabulary import has_rule, unread
from gateway.transcode.prose import quotable

_MOST_VALUES = 300
"""Of a message whose violations are all looked for: fields that it has or could have."""
_MOST_CHARS = 200
_NEVER_RIGHT = ("no_such_field", "outputs an unexpected type")
"""Failures that an empty message shows and every message has."""
_CALLERS_OWN = {
    "must be valid UTF-8 to apply regexp": "bytes that a pattern is for are not UTF-8",
    "Iteration budget exceeded": "there are more items than a constraint can go through",
}
"""Failures that a caller's values bring about, and what it is told."""


class ConstraintError(Exception):
    """Rules that do not compile; `problems` has each with its file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems = tuple(problems)


def constrained(message: Descriptor) -> list[Descriptor]:
    """Return the types within `message` (itself among them) that carry a rule."""
    found = {message.full_name: message}
    waiting = [message]
    while waiting:
        for field in waiting.pop().fields:
            kind = field.message_type
            if kind is not None and kind.full_name not in found:
                found[kind.full_name] = kind
                waiting.append(kind)
    return [one for one in found.values() if any(has_rule(options) for options in _options(one))]


def _options(message: Descriptor) -> Iterator[Any]:
    for carrier in (message, *message.fields, *message.oneofs):
        if carrier.has_options:
            yield carrier.GetOptions()


class Rules:
    """The rules of one descriptor pool, each type compiled at its first mention.

    Args:
        new_message: returns the class of a type.
        where: returns the place of a message, field or oneof in the protos; built-in: its file.
    """

    def __init__(
        self, new_message: Callable[[Descriptor], Any], where: Callable[[Any], str] | None = None
    ) -> None:
        self._new_message = new_message
        self._where = where
        self._engine: _Engine | None = None
        self._known: dict[str, Constraints | None] = {}
        self._compiled: dict[str, tuple[Problem, ...]] = {}

    def of(self, message: Descriptor) -> "Constraints | None":
        """Return what a type is held to, None for nothing.

        Raises:
            ConstraintError: with every mistake in its rules.
        """
        name = message.full_name
        if name not in self._known:
            parts = constrained(message)
            problems = [problem for part in parts for problem in self._compile(part)]
            if problems:
                raise ConstraintError(problems)
            self._known[name] = (
                Constraints(message, self._engine) if parts and self._engine else None
            )
        return self._known[name]

    def _compile(self, part: Descriptor) -> tuple[Problem, ...]:
        if part.full_name not in self._compiled:
            if self._engine is None:
                self._engine = _Engine()
            where = self._where or (lambda _carrier: part.file.name)
            self._compiled[part.full_name] = tuple(
                Problem(where(carrier), f"{carrier.full_name}: {text}")
                for carrier, text in _mistakes(part, self._new_message(part), self._engine)
            )
        return self._compiled[part.full_name]


class _Engine:
    """protovalidate, imported where it is needed: that takes a tenth of a second."""

    def __init__(self) -> None:
        import protovalidate

        self.collect: Callable[..., Sequence[Any]] = protovalidate.Validator().collect_violations
        self.failures = (protovalidate.EvaluationError, protovalidate.CompilationError)
        self.uncompiled = protovalidate.CompilationError

    def failure(self, new_message: Any) -> str:
        """Return why a class's rules are no rules, "" where they are."""
        try:
            self.collect(new_message())
        except self.failures as error:
            text = _plain(error)
            wrong = isinstance(error, self.uncompiled) or any(one in text for one in _NEVER_RIGHT)
            return text if wrong else ""  # an empty message may be what a rule was not made for
        return ""


def _mistakes(part: Descriptor, new_message: Any, engine: _Engine) -> Iterator[tuple[Any, str]]:
    carriers: tuple[Any, ...] = (part, *part.fields, *part.oneofs)
    for carrier in carriers:
        if carrier.has_options and has_rule(carrier.GetOptions()):
            for what in unread(carrier.GetOptions()):
                yield carrier, f"{what}, which this version of seawall does not know"
    if text := engine.failure(new_message):
        # A copy has the same name, so each has an engine of its own.
        found = list(culprits(part, lambda alone: _Engine().failure(alone)))
        yield from found or [(part, text)]


class Constraints:
    """The rules of one message type.

    Args:
        message: the type.
        engine: in which they are compiled.
    """

    def __init__(self, message: Descriptor, engine: _Engine) -> None:
        self._name = message.full_name
        self._budget = Budget(message)
        self._engine = engine
        self._failures = engine.failures

    def violations(self, message: Any) -> Sequence[Violation]:
        """Return what is wrong with a message.

        Raises:
            CallError: a rule fails, or there is too much to look at.
        """
        if self._budget.is_exceeded_by(message):
            raise invalid_request(
                f"the constraints of {self._name} are more work than is done for one message: "
                f"{MOST} expressions at most; send fewer items at once"
            )
        collect = self._engine.collect
        try:
            first = collect(message, fail_fast=True)
        except self._failures as error:
            raise self._failed(error) from None
        if not first:
            return ()
        if not _is_small(message):
            return told(first)
        try:
            # "now" is another: nothing may be wrong any more.
            return told(collect(message) or first)
        except self._failures:
            return told(first)

    def _failed(self, error: Exception) -> CallError:
        text = _plain(error)
        for failure, sentence in _CALLERS_OWN.items():
            if failure in text:
                return invalid_request(sentence)
        if not isinstance(error, self._engine.uncompiled) and not any(
            one in text for one in _NEVER_RIGHT
        ):
            return invalid_request(
                f"a constraint of {self._name} cannot be held against these values: {text}"
            )
        return CallError(
            Code.INTERNAL,
            Reason.INTERNAL,
            f"a constraint of {self._name} cannot be evaluated: {text}",
        )


def _is_small(message: Any) -> bool:
    """Tell whether `message` has few places where something can be wrong."""
    left = _MOST_VALUES
    waiting = [message]
    while waiting:
        one = waiting.pop()
        left -= len(one.DESCRIPTOR.fields)
        for field, value in one.ListFields():
            kind = field.message_type
            if not field.is_repeated:
                if kind is not None:
                    waiting.append(value)
                continue
            left -= len(value)
            if left < 0:
                return False
            if kind is not None and kind.GetOptions().map_entry:
                if kind.fields_by_name["value"].message_type is not None:
                    waiting += value.values()
            elif kind is not None:
                waiting += value
        if left < 0:
            return False
    return True


def _plain(error: BaseException) -> str:
    return quotable(str(error), _MOST_CHARS)
