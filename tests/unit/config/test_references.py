"""References to the environment and to files."""

import os
from pathlib import Path

import pytest

from gateway.config.references import MAX_FILE_BYTES, BrokenReferenceError, expand, read_file

from .conftest import Given

ENVIRON = {"HOST": "db", "EMPTY": "", "TRICKY": "${HOST}"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("http://${HOST}:80", "http://db:80"),
        ("${HOST}${HOST}", "dbdb"),
        ("${HOST:-other}", "db"),
        ("${ABSENT:-other}", "other"),
        ("${ABSENT:-}", ""),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("${ABSENT:-http://a:1/b}", "http://a:1/b"),
        ("${TRICKY}", "${HOST}"),
        ("$${HOST}", "${HOST}"),
        ("$HOST $$ {HOST}", "$HOST $$ {HOST}"),
    ],
)
def test_references_are_replaced(text: str, value: str) -> None:
    assert expand(text, ENVIRON) == value


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(BrokenReferenceError, match="variable ABSENT is not set"):
        expand("http://${ABSENT}", ENVIRON)


@pytest.mark.parametrize("text", ["${}", "${HOST", "${1X}", "${HOST-x}", "${HOST:-x", "a ${ b"])
def test_what_only_looks_like_a_reference_is_refused(text: str) -> None:
    with pytest.raises(BrokenReferenceError, match="begins a reference"):
        expand(text, ENVIRON)


def test_references_work_in_every_kind_of_value(given: Given) -> None:
    said = given.document(
        "listen: ${HOST}:1\nserve: ['${S}']\ndrain: {wait: '${W}'}\n"
        "ceilings: {max_attempts: '${N}'}\n"
        "defaults: {method: {retry: {jitter: '${J}', disabled: '${B}'}}}\n",
        {"HOST": "h", "S": "a.B", "W": "2s", "N": "4", "J": "EQUAL", "B": "true"},
    ).config
    assert (said.listen, list(said.serve), said.drain.wait.seconds) == ("h:1", ["a.B"], 2)
    assert said.ceilings.max_attempts == 4
    assert said.defaults.method.retry.disabled


def test_a_broken_reference_has_its_line_and_key(given: Given) -> None:
    assert given.yaml_mistakes("\nupstreams: {a: {url: '${ABSENT}'}}\ndrain: {wait: '${W'}\n") == [
        "seawall.yaml:2: upstreams.a.url: the environment variable ABSENT is not set; "
        "set it, or give a default: ${ABSENT:-…}",
        "seawall.yaml:3: drain.wait: '${' begins a reference: write ${NAME} or "
        "${NAME:-default}, or $${ for '${' itself",
    ]


def test_the_url_of_an_upstream_may_lie_in_a_file_beside_the_configuration(given: Given) -> None:
    (given.folder / "secrets").mkdir()
    (given.folder / "secrets" / "url").write_text("\n http://orders:8080/v2 \n")
    said = given.document(
        "upstreams:\n  a: {url: 'file:secrets/url'}\n  b: {policy: {url: 'file:${WHERE}/url'}}\n",
        {"WHERE": str(given.folder / "secrets")},
    ).config
    assert said.upstreams["a"].url == "http://orders:8080/v2"
    assert said.upstreams["b"].policy.url == "http://orders:8080/v2"


def test_only_urls_may_lie_in_files(given: Given) -> None:
    assert given.document("listen: file:x\n").config.listen == "file:x"


def test_what_a_file_says_is_not_expanded(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("http://${HOST}")
    assert read_file("file:url", tmp_path) == "http://${HOST}"


def test_a_file_of_the_largest_size_is_taken(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("x" * MAX_FILE_BYTES)
    assert len(read_file("file:url", tmp_path)) == MAX_FILE_BYTES


def test_a_file_that_is_no_small_text_is_refused_with_its_reason(given: Given) -> None:
    (given.folder / "large").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    (given.folder / "binary").write_bytes(b"\xff\xfe")
    (given.folder / "blank").write_text(" \n")
    (given.folder / "folder").mkdir()
    os.mkfifo(given.folder / "pipe")
    for name, why in (
        ("absent", "absent cannot be read: no such file or directory"),
        ("large", f"large is larger than {MAX_FILE_BYTES} bytes"),
        ("binary", "binary is not UTF-8 text"),
        ("blank", "blank is empty"),
        ("folder", "folder cannot be read: is a directory"),
        ("pipe", "pipe is not a regular file"),
        ("", "'file:' names no file; write file:PATH"),
    ):
        assert given.yaml_mistakes(f"upstreams:\n  a:\n    url: 'file:{name}'\n") == [
            f"seawall.yaml:3: upstreams.a.url: {why}"
        ]


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenReferenceError, match="cannot be read"):
        read_file("file:a\0b", tmp_path)
    with pytest.raises(BrokenReferenceError, match="cannot be read"):
        read_file("file:" + "x" * 5000, tmp_path)
