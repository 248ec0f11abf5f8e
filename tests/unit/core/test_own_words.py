"""docs/errors.md has every reason, with what people are told of it."""

import re
import ssl
from pathlib import Path

import pytest

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.own_words import OWN_WORDS, action_for
from gateway.core.status import Code
from gateway.downstream import errors as downstream
from gateway.interceptors.retry.decision import repeatable

PAGE = (Path(__file__).parents[3] / "docs" / "errors.md").read_text()
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in PAGE.splitlines()
    if re.match(r"\| `[A-Z_]+` \|", line)
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}


def test_the_page_has_every_reason_in_the_order_of_the_enum() -> None:
    assert list(ROWS) == [reason.value for reason in Reason]


@pytest.mark.parametrize("reason", list(Reason))
def test_the_page_says_what_people_are_told(reason: Reason) -> None:
    status, title, action, repeated = ROWS[reason]
    assert title == OWN_WORDS[reason].title
    if OWN_WORDS[reason].action:
        assert action == OWN_WORDS[reason].action
    else:
        assert "by delay" in action
    assert repeated
    named = set(re.findall(r"[A-Z]{3}[A-Z_]+", status)) - {"HTTP"}
    assert named <= set(Code.__members__)
    of_another = ("by the HTTP status", "that of the parts that failed", "that of the last attempt")
    assert named or status in of_another


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (downstream.unresolved("shop", "shop"), "always, unless the name does not exist"),
        (downstream.unreachable("shop", "shop:80", OSError()), "always"),
        (downstream.no_tls("shop", ssl.SSLError()), "never"),
        (downstream.lost("shop", OSError()), "where idempotent"),
        (downstream.not_readable("shop", 200, "x"), "never"),
        (downstream.too_large("shop", 5), "never"),
    ],
    ids=lambda value: getattr(value, "reason", ""),
)
def test_the_page_says_what_is_repeated(error: CallError, repeated: str) -> None:
    status, _, _, said = ROWS[error.reason]
    assert said == repeated
    assert status == error.code.name
    assert repeatable(error, frozenset((503,))) is (repeated != "never")
    if repeated != "never":
        assert (error.sent is Sent.NOT_SENT) is repeated.startswith("always")


@pytest.mark.parametrize(
    ("reason", "more", "said"),
    [
        (Reason.RATE_LIMITED, {"transient": True, "retry_after_s": 0.2}, "Try again in 1 second."),
        (
            Reason.RATE_LIMITED,
            {"transient": True, "retry_after_s": 41.2},
            "Try again in 42 seconds.",
        ),
        (Reason.RATE_LIMITED, {}, "Ask for less at once."),
        (Reason.REPLAYED, {"transient": True, "retry_after_s": 1.0}, "Try again in 1 second."),
        (Reason.REPLAYED, {}, "Sign and send it anew."),
        (Reason.OVERLOADED, {"transient": True}, "Try again."),
        (Reason.UPSTREAM_STATUS, {"http_status": 404}, "Correct the request."),
        (Reason.UPSTREAM_STATUS, {"http_status": 500}, "Tell the owner of the service."),
    ],
)
def test_an_action_follows_from_the_failure(reason: Reason, more: dict, said: str) -> None:
    error = CallError(Code.UNAVAILABLE, reason, "x", origin=Origin.GATEWAY, **more)
    assert action_for(error) == said
    assert said in PAGE or said.startswith("Try again in") or reason is Reason.UPSTREAM_STATUS
