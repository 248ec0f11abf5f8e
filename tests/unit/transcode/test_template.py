import pytest

from gateway.transcode.template import (
    MismatchError,
    TemplateError,
    Variable,
    parse_template,
)


def variable(pattern: str) -> Variable:
    return parse_template(f"/{{x={pattern}}}").variables[0]


def expand(pattern: str, value: str) -> str:
    return variable(pattern).expand(value)


@pytest.mark.parametrize(
    ("text", "literals", "variables"),
    [
        ("/v1", ("/v1",), ()),
        ("/v1/orders", ("/v1/orders",), ()),
        ("/v1/orders:search", ("/v1/orders:search",), ()),
        ("/{x}", ("/", ""), (("x", ("*",), 3),)),
        ("/v1/{order_id}", ("/v1/", ""), (("order_id", ("*",), 6),)),
        ("/v1/{order.order_id}/lines", ("/v1/", "/lines"), (("order.order_id", ("*",), 6),)),
        ("/v1/{x=*}:cancel", ("/v1/", ":cancel"), (("x", ("*",), 6),)),
        ("/v1/{x=**}:cancel", ("/v1/", ":cancel"), (("x", ("**",), 6),)),
        ("/{name=shops/*/orders/**}", ("/", ""), (("name", ("shops", "*", "orders", "**"), 3),)),
        ("/{a}/{b}", ("/", "/", ""), (("a", ("*",), 3), ("b", ("*",), 7))),
        ("/%20a/b-c._~!$&'()+,;=@", ("/%20a/b-c._~!$&'()+,;=@",), ()),
        ("/{_a.b9}", ("/", ""), (("_a.b9", ("*",), 3),)),
    ],
)
def test_template_is_parsed_into_literals_and_variables(text, literals, variables):
    template = parse_template(text)
    assert template.text == text
    assert template.literals == literals
    assert tuple((v.path, v.pattern, v.column) for v in template.variables) == variables


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, 'a path template begins with "/"'),
        ("v1", 1, 'a path template begins with "/"'),
        ("/", 2, "expected a path segment, the template ends"),
        ("//v1", 2, "expected a path segment, found '/'"),
        ("/v1/", 5, "expected a path segment, the template ends"),
        ("/v1?a=b", 4, "expected '/', ':' or the end, found '?'"),
        ("/v1#a", 4, "expected '/', ':' or the end, found '#'"),
        ("/a b", 3, "expected '/', ':' or the end, found ' '"),
        ("/ä", 2, "expected a path segment, found 'ä'"),
        ("/50%", 4, "expected '/', ':' or the end, found '%'"),
        ("/%zz", 2, "expected a path segment, found '%'"),
        ("/v1:", 5, "expected a verb after ':', the template ends"),
        ("/v1:a/b", 6, "expected '/', ':' or the end, found '/'"),
        ("/v1:a:b", 6, "expected '/', ':' or the end, found ':'"),
        ("/v1:{x}", 5, "expected a verb after ':', found '{'"),
        ("/v1/{x}y", 8, "expected '/', ':' or the end, found 'y'"),
        ("/v1/y{x}", 6, "expected '/', ':' or the end, found '{'"),
        ("/v1/{", 6, "expected a field name, the template ends"),
        ("/v1/{}", 6, "expected a field name, found '}'"),
        ("/v1/{x", 7, "expected '}' to close the variable 'x', the template ends"),
        ("/v1/{x.}", 8, "expected a field name, found '}'"),
        ("/v1/{.x}", 6, "expected a field name, found '.'"),
        ("/v1/{9x}", 6, "expected a field name, found '9'"),
        ("/v1/{x-y}", 7, "expected '}' to close the variable 'x', found '-'"),
        ("/v1/{x=}", 8, "expected '*', '**' or a path segment, found '}'"),
        ("/v1/{x=a/}", 10, "expected '*', '**' or a path segment, found '}'"),
        ("/v1/{x=/a}", 8, "expected '*', '**' or a path segment, found '/'"),
        ("/v1/{x=**/a}", 11, "'**' must be the last segment of a variable"),
        ("/v1/{x=***}", 10, "expected '}' to close the variable 'x', found '*'"),
        ("/v1/{x={y}}", 8, "a variable cannot hold another variable"),
        ("/v1/{x}/{x}", 10, "the variable 'x' is used twice"),
        ("/v1/}", 5, "expected a path segment, found '}'"),
        (
            "/v1/*/a",
            5,
            "a wildcard outside a variable has no value to send; bind it to a field: {field=*}",
        ),
        (
            "/v1/**",
            5,
            "a wildcard outside a variable has no value to send; bind it to a field: {field=*}",
        ),
    ],
)
def test_mistake_is_reported_with_its_column(text, column, message):
    with pytest.raises(TemplateError) as raised:
        parse_template(text)
    assert raised.value.column == column
    assert str(raised.value) == f"column {column}: {message}"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("A-b._~9", "A-b._~9"),
        ("a/b", "a%2Fb"),
        ("a:b", "a%3Ab"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("100%", "100%25"),
        ("%2F", "%252F"),
        ("a?b#c", "a%3Fb%23c"),
        ("ä", "%C3%A4"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("😀", "%F0%9F%98%80"),
        ("\x00\r\n", "%00%0D%0A"),
        ("...", "..."),
        ("&=;,@!$'()*", "%26%3D%3B%2C%40%21%24%27%28%29%2A"),
    ],
)
def test_single_segment_encodes_everything_but_unreserved_characters(value, path):
    assert expand("*", value) == path


@pytest.mark.parametrize(
    ("pattern", "value", "path"),
    [
        ("**", "a/b/c", "a/b/c"),
        ("**", "a", "a"),
        ("**", "a b/c?d/e#f", "a%20b/c%3Fd/e%23f"),
        ("**", "a%2Fb/c", "a%252Fb/c"),
        ("shops/*", "shops/ä", "shops/%C3%A4"),
        ("shops/*/orders/*", "shops/1/orders/2", "shops/1/orders/2"),
        ("shops/**", "shops/1/orders/2", "shops/1/orders/2"),
        ("shops/**", "shops", "shops"),
        ("a%20b/*", "a b/c", "a%20b/c"),
        ("shops", "shops", "shops"),
    ],
)
def test_pattern_of_several_segments_keeps_slashes(pattern, value, path):
    assert expand(pattern, value) == path


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("shops/*", "shops"),
        ("shops/*", "shops/1/2"),
        ("shops/*", "stores/1"),
        ("shops/*", "Shops/1"),
        ("*/*", "a"),
        ("*/*", "a/b/c"),
        ("shops/**", "stores/1"),
        ("shops", "stores"),
        ("a%20b", "a%20b"),
    ],
)
def test_value_that_does_not_match_its_pattern_is_refused(pattern, value):
    with pytest.raises(MismatchError, match=r"^does not match '"):
        expand(pattern, value)


@pytest.mark.parametrize("pattern", ["*", "**", "shops/**", "shops/*"])
@pytest.mark.parametrize("segment", [".", ".."])
def test_dot_segment_cannot_leave_the_template(pattern, segment):
    value = segment if pattern in ("*", "**") else f"shops/{segment}"
    with pytest.raises(MismatchError, match=r"which would leave the path$"):
        expand(pattern, value)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [("*", ""), ("**", ""), ("**", "/a"), ("**", "a/"), ("**", "a//b"), ("shops/*", "shops/")],
)
def test_empty_segment_is_refused(pattern, value):
    with pytest.raises(MismatchError, match=r"^is empty, or has an empty path segment$"):
        expand(pattern, value)


@pytest.mark.parametrize("value", ["a/../b", "./a", "a/.", "a/b/.."])
def test_dot_segment_is_refused_anywhere_in_a_longer_value(value):
    with pytest.raises(MismatchError, match="leave the path"):
        expand("**", value)


def test_pattern_is_shown_as_it_is_written():
    assert variable("shops/*/orders/**").pattern_text == "shops/*/orders/**"


@pytest.mark.parametrize(
    "value",
    [
        "../../etc",
        "a/../../../admin",
        "a/..",
        "./a",
        "..\\..\\etc",
        "a\\..",
        "%2e%2e",
        "..%2f..%2fadmin",
        "a%5c..",
        "..;/admin",
        "a/..;x=1/b",
    ],
)
@pytest.mark.parametrize("pattern", ["*", "**"])
def test_no_value_leaves_its_template_by_what_a_server_makes_of_it(pattern, value):
    with pytest.raises(MismatchError, match="would leave the path"):
        expand(pattern, value)


@pytest.mark.parametrize("value", ["a/b c", "a..b", "...", "..a", "v1.2/..x", "a;b", "100%"])
def test_dots_and_slashes_that_climb_nowhere_are_values(value):
    assert expand("*", value)


@pytest.mark.parametrize("text", ["/v1/../x", "/./x", "/%2e%2e/x"])
def test_a_literal_segment_of_dots_is_a_mistake(text):
    with pytest.raises(TemplateError, match="would leave the path"):
        parse_template(text)
