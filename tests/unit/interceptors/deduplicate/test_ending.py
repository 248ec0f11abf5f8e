"""What the end of a call says to the record of its key: each rule of ending.py."""

from dataclasses import replace

import pytest
from support.calls import answered, refused

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.outcome import SUCCESS, failed
from gateway.core.status import Code
from gateway.interceptors.deduplicate.ending import Ending, ending_of

SILENT = CallError(
    Code.DEADLINE_EXCEEDED,
    Reason.ATTEMPT_TIMEOUT,
    "upstream 'shop' did not answer",
    origin=Origin.UPSTREAM,
    sent=Sent.UNKNOWN,
)


def test_a_success_is_kept() -> None:
    assert ending_of(SUCCESS, 1) is Ending.KEEP


@pytest.mark.parametrize("status", [400, 402, 404, 409, 410, 412, 422])
def test_what_the_upstream_decided_is_kept(status: int) -> None:
    assert ending_of(failed(answered(status)), 1) is Ending.KEEP


@pytest.mark.parametrize("status", [401, 403, 408, 421, 425, 429])
def test_what_it_did_not_act_on_leaves_nothing(status: int) -> None:
    assert ending_of(failed(answered(status)), 2) is Ending.FORGET


@pytest.mark.parametrize("status", [500, 502, 503, 504, 302])
def test_what_may_have_been_acted_on_is_unknown(status: int) -> None:
    assert ending_of(failed(answered(status)), 1) is Ending.UNKNOWN


def test_no_answer_is_unknown_and_not_sent_leaves_nothing() -> None:
    assert ending_of(failed(SILENT), 1) is Ending.UNKNOWN
    assert ending_of(failed(refused()), 3) is Ending.FORGET
    assert ending_of(failed(SILENT), 0) is Ending.FORGET


def test_the_gateways_own_4xx_words_decide_nothing() -> None:
    own = replace(answered(404), origin=Origin.GATEWAY)
    assert ending_of(failed(own), 1) is Ending.UNKNOWN
