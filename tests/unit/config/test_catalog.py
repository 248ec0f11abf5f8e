"""Reasons of protos and YAML, the rules that give them, and what either may not say."""

import re
from pathlib import Path

import pytest
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import ErrorCatalog
from seawall.policy.v1.policy_pb2 import ErrorPolicy, MethodPolicy

from gateway.config.catalog import (
    Catalog,
    catalog_doubts,
    catalog_mistakes,
    effective_rule_mistakes,
    read_catalog,
    rule_mistakes,
)
from gateway.config.document import empty_document
from gateway.config.problems import Problems
from gateway.core.catalog import Entry
from gateway.core.errors import CallError, Reason, Words
from gateway.core.status import Code

from .conftest import Given, get, schema_of

PAGE = (Path(__file__).parents[3] / "docs" / "errors.md").read_text()

ENUM = """
import "seawall/error/v1/error.proto";
enum ErrorReason {
  ERROR_REASON_UNSPECIFIED = 0;
  ERROR_REASON_CARD_DECLINED = 1 [(seawall.error.v1.entry) = {
    title: "Declined"
    code: "FAILED_PRECONDITION"
    should_retry: false
    localized: { key: "de" value: { title: "Abgelehnt" } }
  }];
  ERROR_REASON_PLAIN = 2;
  ERROR_REASON_SLOW = 3 [(seawall.error.v1.entry) = { retry_delay: { seconds: 5 } }];
}
message Outer { enum HTTPError {
  HTTP_ERROR_NONE = 0;
  HTTP_ERROR_GONE = 1 [(seawall.error.v1.entry) = {}];
} }
"""
SERVICE = "service Shop {\n" + get("Get") + "}\n"
SHOP = "shop.v1.Shop"


def catalog(given: Given | None = None, yaml: str = "", protos: str = ENUM) -> Catalog:
    document = given.document(yaml) if given is not None else empty_document()
    problems = Problems()
    found = read_catalog(schema_of(protos), document, problems)
    problems.raise_if_any()
    return found


def found(catalog: Catalog, name: str, package: str = "shop.v1") -> Entry:
    entry = catalog.find(name, package)
    assert entry is not None
    return entry


# Where reasons come from


def test_enum_values_with_the_option_are_reasons_without_their_prefix() -> None:
    assert catalog().names() == ["CARD_DECLINED", "GONE", "SLOW"]
    entry = found(catalog(), "CARD_DECLINED")
    assert (entry.domain, entry.words.title) == ("shop.v1", "Declined")
    assert (entry.code, entry.should_retry) == (Code.FAILED_PRECONDITION, False)
    assert entry.localized == {"de": Words("Abgelehnt")}
    slow = found(catalog(), "SLOW")
    assert (slow.code, slow.should_retry, slow.retry_delay_s) == (None, None, 5)


def test_yaml_says_the_whole_of_a_reason(given: Given) -> None:
    entry = found(
        catalog(given, "errors: {reasons: {CARD_DECLINED: {title: No}}}"), "CARD_DECLINED"
    )
    assert (entry.words.title, entry.code, entry.localized) == ("No", None, {})


@pytest.mark.parametrize(
    ("said", "name", "package", "domain"),
    [
        ("", "CARD_DECLINED", "shop.v1", "shop.v1"),
        ("", "CARD_DECLINED", "other.v1", "shop.v1"),
        ("domain: shop.example, ", "CARD_DECLINED", "shop.v1", "shop.example"),
        ("domain: shop.example, ", "SLOW", "shop.v1", "shop.example"),
        ("domain: shop.example, ", "OURS", "shop.v1", "shop.example"),
        ("", "OURS", "other.v1", "other.v1"),
        ("", "OURS", "", "seawall"),
        ("", "SLOW", "other.v1", "shop.v1"),
    ],
)
def test_the_domain_is_the_files_or_the_package(
    given: Given, said: str, name: str, package: str, domain: str
) -> None:
    yaml = f"errors: {{{said}reasons: {{CARD_DECLINED: {{}}, OURS: {{}}}}}}"
    assert found(catalog(given, yaml), name, package).domain == domain


def test_of_two_packages_with_one_reason_a_service_sees_its_own() -> None:
    ours, theirs = Entry(name="A", domain="a.v1"), Entry(name="A", domain="b.v1")
    both = Catalog({}, {"a.v1": {"A": ours}, "b.v1": {"A": theirs}})
    assert both.find("A", "b.v1") is theirs
    assert both.find("A", "c.v1") is None
    policy = json_format.ParseDict({"errors": {"rules": [{"reason": "A"}]}}, MethodPolicy())
    ((path, text),) = effective_rule_mistakes(policy, both, "c.v1.C")
    assert path == "errors.rules[0].reason"
    assert text == "'A' is in the catalog of several packages, and not in that of this service"


def test_an_entry_of_yaml_rewords_the_gateways_own_reason_in_its_domain(given: Given) -> None:
    yaml = "errors: {domain: shop.example, reasons: {RATE_LIMITED: {title: Slow down}, OURS: {}}}"
    own = catalog(given, yaml).own()
    assert list(own) == [Reason.RATE_LIMITED]
    assert (own[Reason.RATE_LIMITED].domain, own[Reason.RATE_LIMITED].words.title) == (
        "seawall",
        "Slow down",
    )


def test_an_enum_value_rewords_nothing_of_the_gateway() -> None:
    body = (
        'import "seawall/error/v1/error.proto"; enum Why { WHY_NONE = 0; '
        "WHY_RATE_LIMITED = 1 [(seawall.error.v1.entry) = {}]; }"
    )
    assert catalog(protos=body).own() == {}
    assert found(catalog(protos=body), "RATE_LIMITED").domain == "shop.v1"


def test_a_package_has_a_reason_once(given: Given) -> None:
    body = SERVICE + (
        'import "seawall/error/v1/error.proto"; '
        "enum One { ONE_NONE = 0; ONE_SLOW = 1 [(seawall.error.v1.entry) = {}]; } "
        "enum Two { TWO_NONE = 0; TWO_SLOW = 1 [(seawall.error.v1.entry) = {}]; }"
    )
    (line,) = given.mistakes(body)
    assert line == (
        "shop.proto: shop.v1.Two: SLOW: is a reason of shop.v1.One (shop.proto) already"
    )


# From a policy to what names failures


def policy(*rules: dict[str, object]) -> MethodPolicy:
    return json_format.ParseDict({"errors": {"rules": list(rules)}}, MethodPolicy())


def test_a_rule_is_compiled() -> None:
    said = {
        "http_statuses": [402],
        "body": {"error.code": "declined"},
        "on": ["UPSTREAM_STATUS", "UNAVAILABLE", "DEADLINE_EXCEEDED"],
        "reason": "CARD_DECLINED",
    }
    names = catalog().names_for(policy(said), SHOP)
    assert names is not None
    assert names.reads_bodies
    (rule,) = names._rules
    assert rule.http_statuses == {402}
    assert rule.body == ((("error", "code"), "declined"),)
    assert rule.codes == {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED}
    assert rule.reasons == {Reason.UPSTREAM_STATUS, Reason.DEADLINE_EXCEEDED}
    assert rule.entry.name == "CARD_DECLINED"
    error = CallError(Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, "x", http_status=402)
    error.body = {"error": {"code": "declined"}}
    assert rule.fits(error)


def test_a_method_without_rules_has_no_names_and_costs_nothing() -> None:
    assert catalog().names_for(policy(), SHOP) is None


# Mistakes


@pytest.mark.parametrize(
    ("said", "path", "text"),
    [
        ({"domain": ""}, "domain", "'' is not a name such as shop.example.com or shop.v1"),
        ({"domain": "a b"}, "domain", "is not a name"),
        ({"domain": "x" * 200}, "domain", "is not a name"),
        ({"domain": "seawall"}, "domain", "is the gateway's own"),
        ({"language": "german!"}, "language", "'german!' is not a language tag"),
        ({"language": "d"}, "language", "is not a language tag"),
        ({"reasons": {"card_declined": {}}}, "reasons.card_declined", "in capitals"),
        ({"reasons": {"CardDeclined": {}}}, "reasons.CardDeclined", "in capitals"),
        ({"reasons": {"CARD-DECLINED": {}}}, "reasons.CARD-DECLINED", "in capitals"),
        ({"reasons": {"CARD_": {}}}, "reasons.CARD_", "in capitals"),
        ({"reasons": {"A" * 64: {}}}, f"reasons.{'A' * 64}", "in capitals"),
        (
            {"reasons": {"A": {"code": "FAILED_PRECONDITON"}}},
            "reasons.A.code",
            "is not an error status of gRPC; did you mean 'FAILED_PRECONDITION'?",
        ),
        ({"reasons": {"A": {"code": "OK"}}}, "reasons.A.code", "'OK' is not an error status"),
        ({"reasons": {"A": {"code": ""}}}, "reasons.A.code", "'' is not an error status"),
        ({"reasons": {"A": {"retry_delay": "0s"}}}, "reasons.A.retry_delay", "more than 0s"),
        (
            {"reasons": {"A": {"retry_delay": "1s", "should_retry": False}}},
            "reasons.A.retry_delay",
            "nobody is to come back",
        ),
        ({"reasons": {"A": {"title": "x" * 257}}}, "reasons.A.title", "longer than 256 bytes"),
        ({"reasons": {"A": {"message": "é" * 257}}}, "reasons.A.message", "longer than 512"),
        ({"reasons": {"A": {"action": "x" * 513}}}, "reasons.A.action", "longer than 512 bytes"),
        (
            {"reasons": {"A": {"localized": {"de_CH": {}}}}},
            "reasons.A.localized.de_CH",
            "'de_CH' is not a language tag",
        ),
        (
            {"reasons": {"A": {"localized": {"de" + "-a" * 20: {}}}}},
            f"reasons.A.localized.de{'-a' * 20}",
            "is not a language tag",
        ),
        (
            {"reasons": {"A": {"localized": {"de": {}, "DE": {}}}}},
            "reasons.A.localized.de",
            "is the same language as 'DE'",
        ),
        (
            {"reasons": {"A": {"localized": {"de": {"title": "x" * 257}}}}},
            "reasons.A.localized.de.title",
            "longer than 256 bytes",
        ),
    ],
)
def test_the_catalog_may_not_say(said: dict[str, object], path: str, text: str) -> None:
    ((at, why),) = catalog_mistakes(json_format.ParseDict(said, ErrorCatalog()))
    assert at == path
    assert text in why


def test_a_whole_catalog_without_mistakes_has_none() -> None:
    words = {"title": "x" * 256, "message": "x" * 512, "action": "x" * 512}
    entry = {
        **words,
        "should_retry": True,
        "retry_delay": "5s",
        "code": "UNAVAILABLE",
        "localized": {"de": words, "pt-BR": words, "zh-Hant-TW": words},
    }
    said = {"domain": "shop.example", "language": "en", "reasons": {"A": entry, "A2_B": entry}}
    assert list(catalog_mistakes(json_format.ParseDict(said, ErrorCatalog()))) == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        ({"on": ["UNAVAILABLE"]}, ".reason", "must be said"),
        ({"reason": "A"}, "", "fits every failure; say http_statuses, body or on"),
        ({"reason": "A", "http_statuses": [200]}, ".http_statuses[0]", "must be 300 to 599"),
        ({"reason": "A", "http_statuses": [600]}, ".http_statuses[0]", "must be 300 to 599"),
        ({"reason": "A", "body": {"": "x"}}, ".body.", "must be keys joined by dots"),
        ({"reason": "A", "body": {"a..b": "x"}}, ".body.a..b", "must be keys joined by dots"),
        ({"reason": "A", "on": ["OK"]}, ".on[0]", "'OK' is neither an error status"),
        (
            {"reason": "A", "on": ["UNAVAILABLE", "ATTEMPT_TIMEOT"]},
            ".on[1]",
            "nor a reason of the gateway; did you mean 'ATTEMPT_TIMEOUT'?",
        ),
    ],
)
def test_a_rule_may_not_say(rule: dict[str, object], path: str, text: str) -> None:
    ((at, why),) = rule_mistakes(json_format.ParseDict({"rules": [rule]}, ErrorPolicy()))
    assert at == f"errors.rules[0]{path}"
    assert text in why


def test_a_reason_that_there_is_not_is_told_with_one_that_there_is() -> None:
    said = policy({"on": ["UNAVAILABLE"], "reason": "CARD_DECLIND"})
    ((path, text),) = effective_rule_mistakes(said, catalog(), SHOP)
    assert path == "errors.rules[0].reason"
    assert text == "'CARD_DECLIND' is not in the error catalog; did you mean 'CARD_DECLINED'?"


def test_mistakes_of_protos_are_told_with_file_and_enum(given: Given) -> None:
    body = SERVICE + (
        'import "seawall/error/v1/error.proto"; enum Why { WHY_NONE = 0; '
        'WHY_SLOW = 1 [(seawall.error.v1.entry) = {code: "SLOW"}]; '
        "WHY_lower = 2 [(seawall.error.v1.entry) = {}]; }"
    )
    lines = given.mistakes(body)
    assert lines[0].startswith("shop.proto: shop.v1.Why: SLOW.code: 'SLOW' is not an error status")
    assert lines[1].startswith("shop.proto: shop.v1.Why: lower: a reason is written in capitals")


def test_mistakes_of_yaml_are_told_with_their_line(given: Given) -> None:
    lines = given.mistakes(SERVICE, "errors:\n  reasons:\n    A:\n      code: NOPE\n")
    assert lines[0].startswith("seawall.yaml:4: errors.reasons.A.code: 'NOPE' is not an error")


# Doubts


def doubts(found: Catalog, *reasons: str, service: str = SHOP) -> list[tuple[str, str, str]]:
    said = policy(*({"on": ["UNAVAILABLE"], "reason": reason} for reason in reasons))
    return [(file, at, why) for file, (at, why) in catalog_doubts(found, [(said, service)])]


def test_a_reason_of_yaml_that_no_rule_gives_is_doubted(given: Given) -> None:
    yaml = "errors: {reasons: {OURS: {}, USED: {}, RATE_LIMITED: {}}}"
    assert doubts(catalog(given, yaml, SERVICE), "USED") == [
        (
            "",
            "errors.reasons.OURS",
            "has no effect: no rule of a served method gives this reason",
        )
    ]


def test_enum_values_that_no_rule_gives_are_doubted_together() -> None:
    assert doubts(catalog(), "GONE") == [
        (
            "shop.proto",
            "shop.v1.ErrorReason",
            "no rule of a served method gives CARD_DECLINED, SLOW",
        )
    ]


def test_enums_of_packages_that_are_not_served_are_not_doubted() -> None:
    assert doubts(catalog(), service="other.v1.Other") == []


def test_a_catalog_whose_reasons_are_all_given_is_not_doubted() -> None:
    assert doubts(catalog(), "GONE", "SLOW", "CARD_DECLINED") == []


HALF = (
    "errors: {reasons: {OURS: {title: T, message: M, action: A, "
    "localized: {%s: {title: X, message: Y}}}}}"
)


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        (HALF % "de", "has no action: who asks for de reads it in en"),
        (HALF.replace(", message: Y", "") % "de", "has no message and no action: who asks for de"),
        (HALF.replace("errors: {", "errors: {language: fr, ") % "de", "reads it in fr"),
        (HALF % "en-GB", ""),
        (HALF.replace(", action: A", "") % "de", ""),
        (HALF.replace("message: Y", "message: Y, action: Z") % "de", ""),
    ],
)
def test_a_language_that_lacks_words_of_its_entry_is_told(
    given: Given, yaml: str, told: str
) -> None:
    found = doubts(catalog(given, yaml, SERVICE), "OURS")
    assert [(file, at.partition(".localized.")[0]) for file, at, _ in found] == (
        [("", "errors.reasons.OURS")] if told else []
    )
    assert all(told in why for *_, why in found)


def test_the_same_is_told_of_protos_unless_yaml_says_the_reason_anew(given: Given) -> None:
    half = ENUM.replace('title: "Declined"', 'title: "Declined" action: "Use another card."')
    told = ("shop.proto", "shop.v1.ErrorReason: CARD_DECLINED.localized.de")
    given_all = ("GONE", "SLOW", "CARD_DECLINED")
    assert [one[:2] for one in doubts(catalog(protos=half), *given_all)] == [told]
    anew = catalog(given, "errors: {reasons: {CARD_DECLINED: {title: No}}}", half)
    assert doubts(anew, *given_all) == []


def test_the_line_of_a_language_that_lacks_words_is_told(given: Given) -> None:
    yaml = (
        "errors:\n  reasons:\n    RATE_LIMITED:\n      action: Wait\n"
        "      localized:\n        de: {title: Halt}\n"
    )
    (told,) = given.served(SERVICE, yaml).warnings
    assert str(told).endswith(
        "seawall.yaml:6: errors.reasons.RATE_LIMITED.localized.de: has no action: "
        "who asks for de reads it in en"
    )


# docs/errors.md


def blocks(language: str) -> str:
    return "".join(re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_the_page_shows_a_catalog_that_holds(given: Given) -> None:
    protos = blocks("proto") + "service Checkout {\n" + get("Pay") + "}\n"
    resolved = given.served(protos, blocks("yaml"))
    assert list(resolved.catalog.own()) == [Reason.RATE_LIMITED]
    (method,) = resolved.methods
    assert [rule.reason for rule in method.policy.errors.rules] == ["CARD_DECLINED", "SHOP_SLOW"]
    assert found(resolved.catalog, "CARD_DECLINED").domain == "shop.example"
    policies = [(method.policy, method.method.service)]
    assert list(catalog_doubts(resolved.catalog, policies)) == []


def test_the_protos_of_the_page_are_a_catalog_by_themselves() -> None:
    entry = found(catalog(protos=blocks("proto")), "CARD_DECLINED")
    assert (entry.domain, entry.code) == ("shop.v1", Code.FAILED_PRECONDITION)
    assert entry.localized == {"de": Words("Karte abgelehnt", "Die Bank hat abgelehnt.")}
