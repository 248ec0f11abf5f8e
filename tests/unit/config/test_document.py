"""A configuration file: every mistake with its line and key, all at once."""

from pathlib import Path

import pytest

from gateway.config import document, reader
from gateway.config.document import empty_document, read_document
from gateway.core.errors import ConfigError

from .conftest import Given


def _line(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def test_an_empty_file_says_nothing(given: Given) -> None:
    for text in ("", "# nothing\n", "---\n", "{}\n"):
        assert not given.document(text).config.ListFields()


def test_a_start_without_a_file_says_nothing_and_has_no_place() -> None:
    empty = empty_document()
    assert not empty.config.ListFields()
    assert empty.where("defaults.method") == ""


def test_keys_may_be_snake_case_or_lower_camel(given: Given) -> None:
    said = given.document("{opsListen: off, defaults: {method: {retry: {max_attempts: 4}}}}").config
    assert said.ops_listen == "off"
    assert said.defaults.method.retry.max_attempts == 4


def test_words_that_yaml_takes_for_booleans_stay_words_in_text_fields(given: Given) -> None:
    said = given.document(_line("listen: 1:2", "ops_listen: off", "serve: [yes, 1.0, 0x1f]")).config
    assert (said.listen, said.ops_listen) == ("1:2", "off")
    assert list(said.serve) == ["yes", "1.0", "0x1f"]


def test_every_mistake_is_reported_at_once_with_line_and_key(given: Given) -> None:
    text = _line(
        "listen: [1]",
        "serve: orders",
        "defaults:",
        "  method:",
        "    retry:",
        "      max_attempts: many",
        "      jitter: SOME",
        "      backoff_multiplier: 1x",
        "      disabled: yes",
        "    deadline: 5s",
        "    errors:",
        "      status_codes: {x4: ABORTED}",
        "    sizes: {max_request_bytes: -1, max_json_depth: 010}",
        "ceilings: {deadline: 5}",
        "upstreams: []",
        "drain:",
        "  wait: [5s]",
        "  grace:",
    )
    depth = "a whole number from 0 to 4294967295"
    assert given.yaml_mistakes(text) == [
        "seawall.yaml:1: listen: expected a text, found a list",
        "seawall.yaml:2: serve: expected a list, found 'orders'",
        f"seawall.yaml:6: defaults.method.retry.max_attempts: expected {depth}, found 'many'",
        "seawall.yaml:7: defaults.method.retry.jitter: expected one of "
        "FULL, EQUAL, NONE, PROPORTIONAL, DECORRELATED, found 'SOME'",
        "seawall.yaml:8: defaults.method.retry.backoff_multiplier: expected a number, found '1x'",
        "seawall.yaml:9: defaults.method.retry.disabled: expected true or false, found 'yes'",
        "seawall.yaml:10: defaults.method.deadline: expected a mapping, found '5s'; "
        "did you mean {default: 5s}?",
        f"seawall.yaml:12: defaults.method.errors.status_codes.x4: the key: expected {depth}",
        "seawall.yaml:13: defaults.method.sizes.max_request_bytes: "
        "expected a whole number from 0 to 18446744073709551615, found '-1'",
        f"seawall.yaml:13: defaults.method.sizes.max_json_depth: expected {depth}, found '010'",
        "seawall.yaml:14: ceilings.deadline: expected a duration such as \"1.5s\", found '5'; "
        'did you mean "5s"?',
        "seawall.yaml:15: upstreams: expected a mapping, found a list",
        'seawall.yaml:17: drain.wait: expected a duration such as "1.5s", found a list',
        'seawall.yaml:18: drain.grace: expected a duration such as "1.5s", found nothing',
    ]


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1.5", "1h", "1.0000000001s", "٣s", "1 s"])
def test_what_is_no_duration_is_refused(given: Given, text: str) -> None:
    (line,) = given.yaml_mistakes(f'drain: {{wait: "{text}"}}')
    assert line.startswith("seawall.yaml:1: drain.wait: expected a duration")


def test_a_duration_beyond_what_protobuf_holds_is_refused(given: Given) -> None:
    given.document("drain: {wait: 315576000000s}")
    assert len(given.yaml_mistakes("drain: {wait: 315576000001s}")) == 1


@pytest.mark.parametrize("text", ["1_000", "+1", "1e3", "0x10", "1.0", "٣", "4294967296", " "])
def test_what_is_no_decimal_number_of_its_width_is_refused(given: Given, text: str) -> None:
    (line,) = given.yaml_mistakes(f'ceilings: {{max_attempts: "{text}"}}')
    assert "expected a whole number from 0 to 4294967295" in line


@pytest.mark.parametrize("text", [".nan", ".inf", "nan", "inf", "1,5", "1."])
def test_what_is_no_finite_number_is_refused(given: Given, text: str) -> None:
    (line,) = given.yaml_mistakes(
        f"defaults: {{method: {{retry: {{backoff_multiplier: '{text}'}}}}}}"
    )
    assert "expected a number" in line


def test_enums_of_no_meaning_are_refused(given: Given) -> None:
    for text in ("IDEMPOTENCY_UNSPECIFIED", "0", "2", "idempotent"):
        (line,) = given.yaml_mistakes(f"defaults: {{method: {{idempotency: {text}}}}}")
        assert "expected one of NO_SIDE_EFFECTS, IDEMPOTENT, NOT_IDEMPOTENT" in line


def test_unknown_keys_come_with_the_closest_known_one(given: Given) -> None:
    assert given.yaml_mistakes(
        _line("listne: a:1", "defaults: {method: {retry: {max_attempt: 2}}}", "zzz: 1")
    ) == [
        "seawall.yaml:1: listne: unknown key; did you mean 'listen'?",
        "seawall.yaml:2: defaults.method.retry.max_attempt: unknown key; "
        "did you mean 'max_attempts'?",
        "seawall.yaml:3: zzz: unknown key; known: listen, ops_listen, descriptor_set, proto, "
        "serve, defaults, upstreams, services, ceilings, drain, … (20 in all)",
    ]


def test_a_key_given_twice_is_a_mistake_in_either_spelling_and_in_maps(given: Given) -> None:
    assert given.yaml_mistakes(
        _line(
            "ops_listen: a:1",
            "opsListen: b:2",
            "upstreams:",
            "  a: {url: http://a}",
            "  a: {url: http://b}",
        )
    ) == [
        "seawall.yaml:2: ops_listen: is given twice, first on line 1",
        "seawall.yaml:5: upstreams.a: is given twice, first on line 4",
    ]


def test_nothing_says_nothing_where_a_mapping_or_list_could_stand(given: Given) -> None:
    read = given.document("serve:\ndefaults:\n  method:\n    retry:\n      # all commented out\n")
    assert not read.config.serve
    assert not read.config.defaults.method.HasField("retry")
    assert read.emptied("defaults.method") == frozenset()


def test_an_upstream_may_be_named_and_no_more(given: Given) -> None:
    assert list(given.document("upstreams:\n  orders:\n").config.upstreams) == ["orders"]


def test_nothing_is_no_value(given: Given) -> None:
    assert given.yaml_mistakes("listen:\nserve: [a, ]\nops_listen: null\n") == [
        "seawall.yaml:1: listen: expected a text, found nothing",
        "seawall.yaml:3: ops_listen: expected a text, found nothing",
    ]
    assert given.yaml_mistakes("serve: [a, ~]\n") == [
        "seawall.yaml:1: serve[1]: expected a text, found nothing"
    ]


def test_empty_lists_and_maps_are_remembered_by_level(given: Given) -> None:
    read = given.document(
        "services: {a.B: {policy: {headers: {forward_request: []}, errors: {status_codes: {}}}}}"
    )
    assert read.emptied("services.a.B.policy") == {
        "headers.forward_request",
        "errors.status_codes",
    }
    assert read.emptied("services.a.B.methods.C") == frozenset()


def test_anchors_and_aliases_are_followed(given: Given) -> None:
    said = given.document(
        _line(
            "defaults: {method: &quick {deadline: {default: 1s}}}",
            "services: {a.B: {policy: *quick}}",
        )
    ).config
    assert said.services["a.B"].policy.deadline.default.seconds == 1


def test_an_alias_of_what_holds_it_ends(given: Given) -> None:
    assert given.yaml_mistakes("defaults: &d {method: *d}\n") == [
        "seawall.yaml:1: defaults.method.method: unknown key; known: upstream, deadline, retry, "
        "headers, sizes, errors, stream, idempotency, json, request, … (28 in all)"
    ]


def test_what_stands_too_far_to_the_left_is_told_so(given: Given) -> None:
    (line,) = given.yaml_mistakes(
        _line("services:", "  a.B:", "  policy:", "    retry: {max_attempts: 2}")
    )
    assert line == (
        "seawall.yaml:4: services.policy.retry: unknown key; does 'policy' belong to the entry "
        "above it? Then indent it further"
    )


def test_merge_keys_are_refused_by_name(given: Given) -> None:
    (line,) = given.yaml_mistakes("defaults: {method: &m {upstream: a}}\nservices: {x: {<<: *m}}\n")
    assert line.startswith("seawall.yaml:2: services.x: merge keys (<<) are not taken")


def test_aliases_that_stand_for_very_much_are_cut_short(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_VALUES", 500)
    methods = ", ".join(f"M{i}: {{upstream: a}}" for i in range(50))
    services = "\n".join(f"  a.S{i}: *s" for i in range(50))
    (line,) = given.yaml_mistakes(f"services:\n  a.S: &s {{methods: {{{methods}}}}}\n{services}\n")
    assert "the file comes to more than 500 values" in line


def test_tags_of_applications_are_refused(given: Given) -> None:
    (line,) = given.yaml_mistakes("listen: !secret x\n")
    assert line == "seawall.yaml:1: listen: the tag '!secret' means nothing here"


def test_a_key_that_is_no_word_is_refused(given: Given) -> None:
    (line,) = given.yaml_mistakes("? [a, b]\n: c\n")
    assert line == "seawall.yaml:1: a key must be a plain word"


@pytest.mark.parametrize("text", ["- a\n", "word\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(given: Given, text: str) -> None:
    (line,) = given.yaml_mistakes(text)
    assert line.startswith("seawall.yaml:1: expected a mapping, found")


@pytest.mark.parametrize("text", ["a: [b\n", "a: b: c\n", "\ta: b\n", "a: *nowhere\n", "'a", "}"])
def test_what_is_not_yaml_says_line_and_column(given: Given, text: str) -> None:
    (line,) = given.yaml_mistakes(text)
    assert line.startswith("seawall.yaml:")
    assert ": is not YAML: " in line
    assert all(part.isdigit() for part in line.split(": ")[0].split(":")[1:3])


def test_a_second_document_is_refused(given: Given) -> None:
    (line,) = given.yaml_mistakes("a: b\n---\nc: d\n")
    assert "is not YAML" in line


@pytest.mark.parametrize("deeper", ["[", "{a: ", "- "])
def test_deep_nesting_is_one_line(given: Given, deeper: str) -> None:
    (line,) = given.yaml_mistakes(deeper * 100_000)
    assert line.endswith(": is nested deeper than 64")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe\x00junk", "is not UTF-8 text"),
        (b"\x80\x81", "is not UTF-8 text"),
        (b"a: \x00\x01\x02\n", "is not YAML"),
        (b"\x00" * 100, "is not YAML"),
    ],
)
def test_binary_junk_is_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "junk.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as raised:
        read_document(path, {})
    (problem,) = raised.value.problems
    assert said in problem.text
    assert "\n" not in str(problem)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbflisten: a:1\n")
    assert read_document(path, {}).config.listen == "a:1"


def test_a_huge_file_is_refused_without_being_read_whole(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MAX_FILE_BYTES", 1000)
    assert given.yaml_mistakes("# " + "x" * 1000) == ["seawall.yaml: is larger than 1000 bytes"]


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path / "absent.yaml", "no such file or directory"),
        (tmp_path, "is a directory"),
    ):
        with pytest.raises(ConfigError) as raised:
            read_document(path, {})
        assert str(raised.value) == f"{path}: cannot be read: {why}"


def test_a_place_is_that_of_the_key_or_of_the_closest_above(given: Given) -> None:
    read = given.document(
        "services:\n  a.B:\n    policy:\n      headers:\n        forward_request:\n        - x-a\n"
    )
    name = str(given.folder / "seawall.yaml")
    headers = "services.a.B.policy.headers"
    assert read.where(f"{headers}.forward_request[0]") == f"{name}:6"
    assert read.where(f"{headers}.forward_request[7]") == f"{name}:5"
    assert read.where(f"{headers}.forward_response[0]") == f"{name}:4"
    assert read.where("services.a.B.methods.C") == f"{name}:2"
    assert read.where("ceilings.deadline") == name


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("upstreams: {a: {retry: {}}}", "did you mean 'upstreams.a.methods.retry'?"),
        ("upstreams: {a: {breaker: {}}}", "did you mean 'upstreams.a.policy.breaker'?"),
        ("defaults: {retry: {}}", "did you mean 'defaults.method.retry'?"),
        ("services: {a.B: {retry: {}}}", "did you mean 'services.a.B.policy.retry'?"),
        ("services: {a.B: {Get: {}}}", "did you mean 'services.a.B.methods.Get'?"),
        ("defaults: {method: {retyr: {}}}", "did you mean 'retry'?"),
        (
            "defaults: {upstream: {breaker: {enabled: false}}}",
            "what is on says nothing, what is off says 'disabled: true'",
        ),
        ("defaults: {method: {hedge: off}}", "did you mean {disabled: true}?"),
        ("defaults: {upstream: {retry_budget: false}}", "did you mean {disabled: true}?"),
        ("drain: {wait: 100ms}", 'did you mean "0.1s"?'),
        ("drain: {wait: 2}", 'did you mean "2s"?'),
        ("drain: {wait: 1h}", 'did you mean "3600s"?'),
        ("defaults: {method: {retry: {jitter: full}}}", "did you mean FULL?"),
    ],
)
def test_a_mistake_says_what_was_meant(given: Given, text: str, hint: str) -> None:
    (line,) = given.yaml_mistakes(text)
    assert line.endswith(f"; {hint}")


def test_a_reference_without_quotes_within_braces_is_told_how_to_be_written(given: Given) -> None:
    (mistake,) = given.yaml_mistakes("state: {shared: ${REDIS}}\n", {"REDIS": "redis://a"})
    assert mistake.startswith("seawall.yaml:1:")
    assert 'write "${NAME}" in quotes' in mistake
    (other,) = given.yaml_mistakes("state: {shared: [}\n")
    assert "NAME" not in other


def test_a_file_of_the_store_is_beside_the_configuration(given: Given) -> None:
    for said, place in (
        ("sqlite:///shop.db", "{folder}/shop.db"),
        ("sqlite:///data/shop.db", "{folder}/data/shop.db"),
        ("sqlite:////var/lib/shop.db", "/var/lib/shop.db"),
    ):
        document = given.document(f"state: {{durable: '{said}'}}\n")
        folder = document.folder.absolute()
        assert document.config.state.durable == f"sqlite:///{place.format(folder=folder)}"
    for said in ("sqlite:///:memory:", "sqlite:///", "postgresql://host/name", "shop.db"):
        document = given.document(f"state: {{durable: '{said}'}}\n")
        assert document.config.state.durable == said
