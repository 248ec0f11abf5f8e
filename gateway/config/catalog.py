"""The error catalog of a process: from enum values and YAML to entries and rules.

Rules:
1. An enum value with the option `seawall.error.v1.entry` is a reason, called like the value
   without the prefix of its enum; its domain is the enum's package. Of several packages with
   one reason, a service sees that of its own.
2. YAML says the whole of a reason, also of one that the protos have.
3. `errors.domain` goes before both; a reason of YAML alone has the package of the service
   that tells it.
4. An entry called like one of the gateway's own reasons rewords that one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from seawall.config.v1.config_pb2 import ErrorCatalog
from seawall.error.v1 import error_pb2
from seawall.error.v1.error_pb2 import ErrorEntry
from seawall.policy.v1.policy_pb2 import ErrorPolicy, MethodPolicy

from gateway.config.document import Document
from gateway.config.problems import Problems
from gateway.config.schema import Schema
from gateway.config.suggest import closest
from gateway.config.values import KEYS, Mistake, seconds
from gateway.core.catalog import DOMAIN, Entry, ErrorNames, ErrorRule
from gateway.core.errors import Reason, Words
from gateway.core.status import Code

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MAX_TEXT = 512


@dataclass(frozen=True, slots=True)
class Catalog:
    """The entries: of YAML, and of protos by package."""

    said: Mapping[str, Entry]
    of_packages: Mapping[str, Mapping[str, Entry]]

    def find(self, name: str, package: str) -> Entry | None:
        """Return the entry of a reason as a service of `package` sees it."""
        entry = self.said.get(name) or self.of_packages.get(package, {}).get(name)
        if entry is None:
            others = [of[name] for of in self.of_packages.values() if name in of]
            entry = others[0] if len(others) == 1 else None
        if entry is None or entry.domain:
            return entry
        return replace(entry, domain=package or DOMAIN)

    def names(self) -> list[str]:
        """Return every reason that there is."""
        declared = {name for entries in self.of_packages.values() for name in entries}
        return sorted(declared | set(self.said))

    def own(self) -> dict[Reason, Entry]:
        """Return the entries that reword the gateway's own reasons."""
        return {
            Reason[name]: replace(entry, domain=DOMAIN)
            for name, entry in self.said.items()
            if name in Reason.__members__
        }

    def names_for(self, policy: MethodPolicy, service: str) -> ErrorNames | None:
        """Return what names the failures of a method; None where nothing does."""
        package = service.rpartition(".")[0]
        rules = [
            ErrorRule(
                entry=entry,
                http_statuses=frozenset(rule.http_statuses),
                body=tuple((tuple(path.split(".")), rule.body[path]) for path in sorted(rule.body)),
                codes=frozenset(Code[on] for on in rule.on if on in Code.__members__),
                reasons=frozenset(Reason[on] for on in rule.on if on in Reason.__members__),
            )
            for rule in policy.errors.rules
            if (entry := self.find(rule.reason, package)) is not None
        ]
        own = self.own()
        return ErrorNames(rules, own) if rules or own else None


def read_catalog(schema: Schema, document: Document, problems: Problems) -> Catalog:
    """Return the catalog.

    Args:
        schema: with annotated enums.
        document: YAML.
        problems: told of entries that cannot be.
    """
    config = document.config.errors
    language = config.language or "en"
    of_packages: dict[str, dict[str, Entry]] = {}
    for enum in schema.enums():
        for name, said in _annotated(enum):
            where, at = enum.file.name, f"{enum.full_name}: {name}"
            for path, text in _entry_mistakes(name, said):
                problems.add(where, f"{at}{path}: {text}")
            package = enum.file.package
            entry = _entry(name, said, config.domain or package, language)
            if entry is not None:
                of_packages.setdefault(package, {})[name] = entry
    said_here: dict[str, Entry] = {}
    for name in sorted(config.reasons):
        entry = _entry(name, config.reasons[name], config.domain, language)
        if entry is not None:
            said_here[name] = entry
    return Catalog(said_here, of_packages)


def _annotated(enum: EnumDescriptor) -> Iterator[tuple[str, ErrorEntry]]:
    prefix = _upper_snake(enum.name) + "_"
    for value in enum.values:
        if not value.has_options:
            continue
        options: Any = value.GetOptions()
        if options.HasExtension(error_pb2.entry):
            yield value.name.removeprefix(prefix), options.Extensions[error_pb2.entry]


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()


def _entry(name: str, said: ErrorEntry, domain: str, language: str) -> Entry | None:
    if said.HasField("code") and (said.code not in Code.__members__ or said.code == "OK"):
        return None
    return Entry(
        name=name,
        domain=domain,
        words=Words(said.title, said.message, said.action),
        language=language,
        code=Code[said.code] if said.code else None,
        should_retry=said.should_retry if said.HasField("should_retry") else None,
        retry_delay_s=seconds(said.retry_delay) if said.HasField("retry_delay") else None,
        localized={
            tag: Words(text.title, text.message, text.action)
            for tag, text in sorted(said.localized.items())
        },
    )


def catalog_mistakes(errors: ErrorCatalog) -> Iterator[Mistake]:
    """Yield what is wrong with `errors` of the configuration, by paths from its top."""
    if errors.HasField("domain") and not errors.domain.strip():
        yield "domain", "names nobody"
    if errors.domain == DOMAIN:
        yield "domain", f"{DOMAIN!r} is the gateway's own; name whose reasons these are"
    if errors.HasField("language") and not _TAG.fullmatch(errors.language):
        yield "language", f"{errors.language!r} is not a language tag, such as en or pt-BR"
    for name in sorted(errors.reasons):
        for path, text in _entry_mistakes(name, errors.reasons[name]):
            yield f"reasons.{name}{path}", text


def _entry_mistakes(name: str, said: ErrorEntry) -> Iterator[Mistake]:
    if not _NAME.fullmatch(name):
        yield "", "a reason is written in capitals: CARD_DECLINED (AIP-193)"
    if said.code and (said.code not in Code.__members__ or said.code == "OK"):
        yield ".code", f"{said.code!r} is not an error status of gRPC{closest(said.code, _CODES)}"
    if said.HasField("retry_delay") and seconds(said.retry_delay) <= 0:
        yield ".retry_delay", "must be more than 0s"
    if said.HasField("retry_delay") and said.HasField("should_retry") and not said.should_retry:
        yield ".retry_delay", "should_retry is false: nobody is to come back"
    for field in ("title", "message", "action"):
        if len(getattr(said, field)) > _MAX_TEXT:
            yield f".{field}", f"is longer than {_MAX_TEXT} characters"
    for tag in sorted(said.localized):
        if not _TAG.fullmatch(tag):
            yield f".localized.{tag}", "is not a language tag, such as de or pt-BR"
        for field in ("title", "message", "action"):
            if len(getattr(said.localized[tag], field)) > _MAX_TEXT:
                yield f".localized.{tag}.{field}", f"is longer than {_MAX_TEXT} characters"


_CODES = tuple(name for name in Code.__members__ if name != "OK")


def rule_mistakes(errors: ErrorPolicy) -> Iterator[Mistake]:
    """Yield what one level may not say of rules, by paths from the policy."""
    for i, rule in enumerate(errors.rules):
        at = f"errors.rules[{i}]"
        if not rule.reason:
            yield f"{at}.reason", "must be said: a reason of the error catalog"
        if not (rule.http_statuses or rule.body or rule.on):
            yield at, "fits every failure; say http_statuses, body or on"
        for j, status in enumerate(rule.http_statuses):
            if not 300 <= status <= 599:
                yield f"{at}.http_statuses[{j}]", f"must be 300 to 599, found {status}"
        for path in sorted(rule.body):
            if not KEYS.fullmatch(path):
                yield f"{at}.body.{path}", "must be keys joined by dots"
        for j, on in enumerate(rule.on):
            if on not in Reason.__members__ and on not in _CODES:
                known = (*_CODES, *Reason.__members__)
                yield (
                    f"{at}.on[{j}]",
                    f"{on!r} is neither an error status of gRPC nor a reason of the gateway"
                    f"{closest(on, known)}",
                )


def effective_rule_mistakes(
    policy: MethodPolicy, catalog: Catalog, service: str
) -> Iterator[Mistake]:
    """Yield reasons of a method's rules that the catalog does not have."""
    package = service.rpartition(".")[0]
    for i, rule in enumerate(policy.errors.rules):
        if rule.reason and catalog.find(rule.reason, package) is None:
            several = sum(rule.reason in of for of in catalog.of_packages.values()) > 1
            why = (
                "is in the catalog of several packages, and not in that of this service"
                if several
                else f"is not in the error catalog{closest(rule.reason, catalog.names())}"
            )
            yield f"errors.rules[{i}].reason", f"{rule.reason!r} {why}"
