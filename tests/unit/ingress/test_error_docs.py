"""docs/errors.md against the enum of the protos, core.errors.Reason, and who makes the errors."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.rpc import error_details_pb2
from seawall.error.v1 import error_pb2

from gateway.core.errors import Reason
from gateway.core.status import Code

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "errors.md").read_text()
PROTO = (ROOT / "protos" / "seawall" / "error" / "v1" / "error.proto").read_text()

STATUS = {
    name: set(re.findall(r"[A-Z]{2}[A-Z_]+", status)) - {"HTTP"}
    for name, status in re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", PAGE, re.MULTILINE)
}
"""The statuses that the table has for each reason; none where they are those of something else."""
TOLD = {
    name: " ".join(text.split())
    for name, text in re.findall(r"^\* `([A-Z_]+)`: ((?:.+\n)(?:  .+\n)*)", PAGE, re.MULTILINE)
}
"""What each means, and whether to come back."""
MEANING = {
    name: " ".join(re.findall(r"// (.+)", comment))
    for comment, name in re.findall(r"((?:  // .+\n)+)  REASON_(\w+) = \d+;", PROTO)
}
ENUM = [value.name.removeprefix("REASON_") for value in error_pb2.Reason.DESCRIPTOR.values[1:]]


def errors_made() -> Iterator[tuple[str, str, bool | None]]:
    """Yield reason, status and whether it helps to come back (None: it depends), from the code."""
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in ("CallError", "refused") or len(node.args) < 2:
                continue
            code, reason = map(ast.unparse, node.args[:2])
            if not reason.startswith("Reason."):
                continue
            helps: bool | None = node.func.id == "refused"
            for keyword in node.keywords:
                if keyword.arg == "transient":
                    said = keyword.value
                    helps = bool(said.value) if isinstance(said, ast.Constant) else None
            status = code.removeprefix("Code.") if code.startswith("Code.") else ""
            yield reason.removeprefix("Reason."), status, helps


MADE = sorted(set(errors_made()), key=str)


def test_the_table_has_the_reasons_of_the_protos_and_of_the_code() -> None:
    assert list(STATUS) == ENUM
    assert [reason.value for reason in Reason] == ENUM
    assert [reason.name for reason in Reason] == ENUM


def test_the_page_says_of_each_what_the_protos_say() -> None:
    assert list(TOLD) == ENUM
    assert list(MEANING)[-len(ENUM) :] == ENUM
    wrong = [name for name in ENUM if not TOLD[name].startswith(f"{MEANING[name]} ")]
    assert wrong == []


def test_the_table_names_statuses_that_there_are() -> None:
    named = set().union(*STATUS.values())
    assert named <= set(Code.__members__)
    assert {name for name, status in STATUS.items() if not status} == {
        "UPSTREAM_STATUS",
        "QUORUM_MISSED",
        "ATTEMPTS_SPENT",
    }


def test_the_code_was_read() -> None:
    assert len(MADE) > 25
    assert ("BREAKER_OPEN", "UNAVAILABLE", True) in MADE
    assert ("INTERNAL", "INTERNAL", False) in MADE


@pytest.mark.parametrize(("reason", "status", "_helps"), [one for one in MADE if one[1]])
def test_the_table_has_each_status_that_a_reason_is_told_with(
    reason: str, status: str, _helps: bool | None
) -> None:
    assert status in STATUS[reason]


def test_the_page_says_whether_to_come_back() -> None:
    said = defaultdict(set)
    for reason, _, helps in MADE:
        said[reason].add(helps)
    for reason, helps in said.items():
        advice = TOLD[reason].removeprefix(MEANING[reason]).strip()
        if helps == {False}:
            assert advice == "Do not come back.", reason
        elif helps == {True} and reason != "RATE_LIMITED":  # it says so behind `refused`
            assert advice == "Come back.", reason
        else:
            assert re.match("Come back,? (unless|where|after|only) ", advice), reason


@pytest.mark.parametrize("reason", ENUM)
def test_every_reason_has_advice(reason: str) -> None:
    advice = TOLD[reason].removeprefix(MEANING[reason]).strip()
    assert re.match(r"(Come back|Do not come back)\b.*\.$", advice)


@pytest.mark.parametrize(
    "detail",
    [
        error_details_pb2.ErrorInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.QuotaFailure,
        error_details_pb2.LocalizedMessage,
        error_pb2.UserMessage,
    ],
)
def test_the_page_tells_of_each_detail(detail: type) -> None:
    assert f"| `{detail.DESCRIPTOR.full_name}` |" in PAGE
