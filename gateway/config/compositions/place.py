"""One method's policy while it is compiled: what it may call, and where mistakes go."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.compose.mapping import MappingError, MessageMapping, compile_mapping
from gateway.config.checks import seconds
from gateway.config.effective import EffectiveMethod
from gateway.config.origins import origin_of, where_said
from gateway.config.problems import Problems
from gateway.config.schema import Schema
from gateway.config.services import method_name
from gateway.config.suggest import no_such
from gateway.transcode.binding import Binding


class Served:
    """The methods that can be called.

    Args:
        methods: all that are served.
        elsewhere: those over an upstream that is a fallback, by full name and upstream.
        schema: with those that are not.
    """

    def __init__(
        self,
        methods: Sequence[EffectiveMethod],
        elsewhere: Mapping[tuple[str, str], EffectiveMethod],
        schema: Schema,
    ) -> None:
        self.by_name = {method.method.full_name: method for method in methods}
        self.elsewhere = elsewhere
        self.schema = schema
        self._others: set[str] | None = None

    def why_not(self, name: str) -> str:
        """Return why a method cannot be called, as it is not served."""
        if self._others is None:
            services = self.schema.services(imported=True)
            self._others = {method_name(method) for s in services for method in s.methods}
        if name in self._others:
            return f"{name} is not served, so it cannot be called"
        return no_such("served method", name, self.by_name)


class Place:
    """The policy of one method.

    Args:
        effective: the method.
        served: what it may call.
        problems: what is wrong.
    """

    def __init__(self, effective: EffectiveMethod, served: Served, problems: Problems) -> None:
        self.effective = effective
        self.policy = effective.policy
        self.served = served
        self._problems = problems

    @property
    def streams(self) -> bool:
        """Whether the method streams, either way."""
        return _streams(self.effective)

    def add(self, path: str, text: str) -> None:
        """Remember a mistake.

        Args:
            path: of the field of the policy.
            text: what is wrong.
        """
        where = where_said(self.effective.origins, path, self.effective.where)
        self._problems.add(where, f"{self.effective.method.full_name}: {path}: {text}")

    def origin(self, path: str) -> str:
        """Return who said what stands at a path of the policy, "" where that is not known."""
        return origin_of(self.effective.origins, path)

    def called(self, path: str, name: str) -> EffectiveMethod | None:
        """Return the method that a policy calls, None where that is a mistake."""
        found = self.served.by_name.get(name)
        if found is None:
            self.add(path, self.served.why_not(name) if name else "names no method")
        elif _streams(found):
            self.add(path, f"{name} streams; what is called is of one message each way")
            return None
        return found

    def can_be_sent(
        self, path: str, called: EffectiveMethod, *requests: MessageMapping | None
    ) -> None:
        """Tell where nothing fills a variable of the called method's path: no call could be sent.

        Args:
            path: of the mapping in the policy.
            called: the method.
            requests: what fills its request together; None for a mistake that is known.
        """
        filled: set[str] = set()
        for request in requests:
            if request is None:
                return
            filled |= request.fills
        missing = [_unfilled(binding, filled) for binding in called.bindings]
        if missing and all(missing):
            self.add(
                path,
                f"nothing fills {missing[0]!r}, which is in the path of "
                f"{called.method.full_name} ({called.bindings[0].template.text})",
            )

    def mapping(
        self,
        path: str,
        source: Descriptor | FieldDescriptor,
        target: Descriptor,
        fields: Mapping[str, str],
    ) -> MessageMapping | None:
        """Return what makes one message of another, None where that is a mistake."""
        try:
            return compile_mapping(source, target, fields)
        except MappingError as error:
            for name, text in error.mistakes:
                self.add(f"{path}.{name}" if name else path, text)
        return None

    def filling(
        self, path: str, source: Descriptor, target: Descriptor, field: str, taken: str = ""
    ) -> MessageMapping | None:
        """Return what fills one field of a message, None where that is a mistake.

        Args:
            path: of the field of the policy.
            source: a message.
            target: the one with the field.
            field: which is filled.
            taken: path into `source`; empty for all of it.
        """
        try:
            return compile_mapping(source, target, {field: taken})
        except MappingError as error:
            self.add(path, str(error))
        return None


def seconds_of(message: Any, name: str) -> float | None:
    """Return a duration in seconds, None where it is not said."""
    return seconds(getattr(message, name)) if message.HasField(name) else None


def _streams(effective: EffectiveMethod) -> bool:
    return effective.method.client_streaming or effective.method.server_streaming


def _unfilled(binding: Binding, filled: Set[str]) -> str:
    """Return a variable of the path that no filled field holds, "" where there is none."""
    names = (variable.path for variable, _ in binding.variables)
    return next((name for name in names if name.partition(".")[0] not in filled), "")
