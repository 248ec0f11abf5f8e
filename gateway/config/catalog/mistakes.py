"""What the error catalog and the rules that give its reasons may not say."""

import re
from collections.abc import Iterator

from seawall.config.v1.config_pb2 import ErrorCatalog
from seawall.error.v1.error_pb2 import ErrorEntry, ErrorText
from seawall.policy.v1.policy_pb2 import ErrorPolicy, MethodPolicy

from gateway.config.catalog.reasons import Catalog
from gateway.config.suggest import closest
from gateway.config.values import KEYS, Mistake, seconds
from gateway.core.catalog import DOMAIN, MAX_SENTENCE, MAX_TITLE
from gateway.core.errors import Reason
from gateway.core.status import Code

_NAME = re.compile(r"[A-Z](?:[A-Z0-9_]{0,61}[A-Z0-9])?")
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_MAX_TAG = 35
"""Characters of a language tag (RFC 5646, 4.4.1)."""
_MAX_BYTES = {"title": MAX_TITLE, "message": MAX_SENTENCE, "action": MAX_SENTENCE}
CODES = tuple(name for name in Code.__members__ if name != "OK")


def catalog_mistakes(errors: ErrorCatalog) -> Iterator[Mistake]:
    """Yield what is wrong with `errors` of the configuration, by paths from its top."""
    if errors.HasField("domain") and not _DOMAIN.fullmatch(errors.domain):
        yield "domain", f"{errors.domain!r} is not a name such as shop.example.com or shop.v1"
    if errors.domain == DOMAIN:
        yield "domain", f"{DOMAIN!r} is the gateway's own; name whose reasons these are"
    if errors.HasField("language") and not _is_tag(errors.language):
        yield "language", f"{errors.language!r} is not a language tag, such as en or pt-BR"
    for name in sorted(errors.reasons):
        for path, text in entry_mistakes(name, errors.reasons[name]):
            yield f"reasons.{name}{path}", text


def entry_mistakes(name: str, said: ErrorEntry) -> Iterator[Mistake]:
    """Yield what is wrong with one reason, by paths from it."""
    if not _NAME.fullmatch(name):
        yield "", "a reason is written in capitals: CARD_DECLINED (AIP-193)"
    if said.HasField("code") and said.code not in CODES:
        yield ".code", f"{said.code!r} is not an error status of gRPC{closest(said.code, CODES)}"
    if said.HasField("retry_delay") and seconds(said.retry_delay) <= 0:
        yield ".retry_delay", "must be more than 0s"
    if said.HasField("retry_delay") and said.HasField("should_retry") and not said.should_retry:
        yield ".retry_delay", "should_retry is false: nobody is to come back"
    yield from _word_mistakes("", said)
    seen: dict[str, str] = {}
    for tag in sorted(said.localized):
        at = f".localized.{tag}"
        if not _is_tag(tag):
            yield at, f"{tag!r} is not a language tag, such as de or pt-BR"
        elif (other := seen.setdefault(tag.lower(), tag)) != tag:
            yield at, f"is the same language as {other!r}"
        yield from _word_mistakes(at, said.localized[tag])


def _word_mistakes(at: str, said: ErrorEntry | ErrorText) -> Iterator[Mistake]:
    for name, most in _MAX_BYTES.items():
        if len(getattr(said, name).encode()) > most:
            yield f"{at}.{name}", f"is longer than {most} bytes"


def _is_tag(text: str) -> bool:
    return len(text) <= _MAX_TAG and _TAG.fullmatch(text) is not None


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
            if on not in Reason.__members__ and on not in CODES:
                known = (*CODES, *Reason.__members__)
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
