"""Which upstream answers, where its URL comes from, and what names exist."""

import pytest

from gateway.config.resolve import DEFAULT_UPSTREAM, Resolved

from .conftest import CA_PEM, HEAD_LINES, Given, get

ONE = "service A {\n" + get("Get") + "}\n"
USES = 'option (seawall.policy.v1.%s).upstream = "%s";'
NAMED = (
    f"service A {{\n  {USES % ('service', 'a')}\n" + get("Get") + "}\n"
    f"service B {{\n  {USES % ('service', 'b')}\n" + get("Get") + "}\n"
)
DECLARED = (
    'service A {\n  option (seawall.policy.v1.upstream) = {name: "orders" '
    'url: "http://${ORDERS:-localhost}:80" pool {max_connections: 7}};\n' + get("Get") + "}\n"
)


def urls(resolved: Resolved) -> dict[str, str]:
    return {name: upstream.policy.url for name, upstream in resolved.upstreams.items()}


def answered_by(resolved: Resolved) -> list[str]:
    return [method.upstream for method in resolved.methods]


def test_one_url_without_a_name_answers_everything(given: Given) -> None:
    resolved = given.served(ONE, upstreams={"": "http://u"})
    assert urls(resolved) == {DEFAULT_UPSTREAM: "http://u"}
    assert resolved.upstreams[DEFAULT_UPSTREAM].origins["url"] == "flag (--upstream)"


def test_methods_that_name_none_have_the_only_upstream_there_is(given: Given) -> None:
    assert urls(given.served(ONE, upstreams={"x": "http://x"})) == {"x": "http://x"}
    in_yaml = "upstreams: {y: {url: 'http://y'}}"
    assert urls(given.served(ONE, in_yaml, upstreams={})) == {"y": "http://y"}
    assert urls(given.served(ONE, in_yaml, upstreams={"": "http://z"})) == {"y": "http://z"}
    both = NAMED.replace(USES % ("service", "b"), "")
    assert answered_by(given.served(both)) == ["a", "a"]


def test_with_several_the_one_called_default_answers_the_unnamed(given: Given) -> None:
    yaml = "upstreams: {a: {url: 'http://a'}, default: {url: 'http://d'}}"
    mixed = NAMED.replace(USES % ("service", "b"), "")
    assert answered_by(given.served(mixed, yaml, upstreams={})) == ["a", "default"]


def test_with_several_and_no_default_the_unnamed_must_say_which(given: Given) -> None:
    body = "service A {\n" + get("One") + get("Two") + get("Three") + "}\n"
    assert given.mistakes(body, upstreams={"x": "http://x", "y": "http://y"}) == [
        "shop.v1.A/One and 2 more: which upstream? There are x, y; say it by `upstream` "
        "in the policy of the service, or call one 'default'"
    ]


def test_named_upstreams_get_their_urls_by_name(given: Given) -> None:
    resolved = given.served(NAMED, upstreams={"b": "http://b", "a": "http://a"})
    assert answered_by(resolved) == ["a", "b"]
    assert urls(resolved) == {"a": "http://a", "b": "http://b"}


def test_a_url_without_a_name_cannot_serve_several(given: Given) -> None:
    lines = given.mistakes(NAMED, upstreams={"": "http://u"})
    assert lines[0] == (
        "--upstream: several upstreams are in use (a, b); write --upstream NAME=URL for each"
    )


def test_a_url_without_a_name_is_that_of_the_only_upstream_in_use(given: Given) -> None:
    resolved = given.served(NAMED, services=("shop.v1.B",), upstreams={"": "http://u"})
    assert urls(resolved) == {"b": "http://u"}


def test_a_url_with_and_without_the_name_is_given_twice(given: Given) -> None:
    assert given.mistakes(ONE, upstreams={"": "http://u", "x": "http://x"}) == [
        "--upstream: the upstream 'x' is given twice, with its name and without"
    ]


def test_an_upstream_without_a_url_says_how_to_give_one(given: Given) -> None:
    assert given.mistakes(NAMED, upstreams={"a": "http://a"}) == [
        f"shop.proto:{HEAD_LINES + 5}: the upstream 'b' has no URL; "
        "write --upstream b=http://HOST:PORT, or upstreams.b.url in the configuration"
    ]
    assert given.mistakes(ONE, upstreams={}) == [
        "the upstream 'default' has no URL; write --upstream http://HOST:PORT, "
        "or upstreams.default.url in the configuration"
    ]


def test_names_that_no_method_has_are_mistakes(given: Given) -> None:
    yaml = "upstreams:\n  orderz: {policy: {pool: {max_connections: 3}}}\n"
    flags = {"a": "http://a", "b": "http://b", "aa": "http://c"}
    assert given.mistakes(NAMED, yaml, upstreams=flags) == [
        "--upstream: there is no upstream 'aa'; did you mean 'a'?",
        "seawall.yaml:2: upstreams.orderz: no method has it: "
        "there is no upstream 'orderz'; known: a, b",
    ]


@pytest.mark.parametrize(
    "body",
    [
        NAMED,
        NAMED.replace(USES % ("service", "b"), 'option (seawall.policy.v1.upstream).name = "b";'),
        NAMED.replace(USES % ("service", "b"), "").replace(
            get("Get") + "}\nservice B {\n  \n" + get("Get"),
            get("Get") + "}\nservice B {\n  \n" + get("Get", USES % ("method", "b")),
        ),
    ],
)
def test_names_of_services_that_are_not_served_now_are_known(given: Given, body: str) -> None:
    yaml = "upstreams: {b: {url: 'http://b'}}"
    resolved = given.served(
        body, yaml, services=("shop.v1.A",), upstreams={"a": "http://a", "b": "http://c"}
    )
    assert urls(resolved) == {"a": "http://a"}


def test_every_flag_is_checked(given: Given) -> None:
    lines = given.mistakes(NAMED, upstreams={"a": "a:80", "b": "ftp://b"})
    assert [line.split(": ")[0] for line in lines] == ["--upstream", "--upstream"]


def test_a_service_has_the_upstream_that_it_declares(given: Given) -> None:
    resolved = given.served(DECLARED, upstreams={})
    upstream = resolved.upstreams["orders"]
    assert answered_by(resolved) == ["orders"]
    assert upstream.policy.url == "http://localhost:80"
    assert upstream.policy.pool.max_connections == 7
    assert upstream.policy.pool.connect_timeout.seconds == 2
    assert upstream.origins["url"] == f"proto (shop.proto:{HEAD_LINES + 1})"
    assert upstream.origins["pool.connect_timeout"] == "built-in"
    options = upstream.client_options()
    assert (options.name, options.url, options.max_connections) == (
        "orders",
        "http://localhost:80",
        7,
    )


def test_a_declared_url_follows_the_environment(given: Given) -> None:
    resolved = given.served(DECLARED, upstreams={}, environ={"ORDERS": "prod"})
    assert urls(resolved) == {"orders": "http://prod:80"}


def test_a_declared_url_whose_variable_is_not_set_is_told_once_with_its_place(given: Given) -> None:
    body = DECLARED.replace(":-localhost", "")
    assert given.mistakes(body, upstreams={}) == [
        f"shop.proto:{HEAD_LINES + 1}: shop.v1.A: upstream.url: the environment variable ORDERS "
        "is not set; set it, or give a default: ${ORDERS:-…}"
    ]


@pytest.mark.parametrize(
    ("yaml", "flags"),
    [
        ("", {"orders": "http://x"}),
        ("", {"": "http://x"}),
        ("upstreams: {orders: {url: 'http://x'}}", {}),
        ("upstreams: {orders: {policy: {url: 'http://x'}}}", {}),
    ],
)
def test_a_declared_variable_need_not_be_set_where_the_url_is_given(
    given: Given, yaml: str, flags: dict[str, str]
) -> None:
    resolved = given.served(DECLARED.replace(":-localhost", ""), yaml, upstreams=flags)
    assert urls(resolved) == {"orders": "http://x"}


def test_levels_of_an_upstream_in_their_order(given: Given) -> None:
    yaml = """
defaults: {upstream: {pool: {max_connections: 5, connect_timeout: 5s, idle_timeout: 5s}}}
upstreams: {orders: {url: 'http://yaml', policy: {pool: {connect_timeout: 6s}}}}
"""
    upstream = given.served(DECLARED, yaml, upstreams={}).upstreams["orders"]
    assert upstream.policy.pool.idle_timeout.seconds == 5
    assert upstream.policy.pool.max_connections == 7
    assert upstream.policy.pool.connect_timeout.seconds == 6
    assert upstream.policy.url == "http://yaml"
    file = given.folder / "seawall.yaml"
    of_pool = {
        path: at
        for path, at in upstream.origins.items()
        if path.partition(".")[0] in ("name", "url", "pool", "redirects")
    }
    assert all(upstream.origins[path] == "built-in" for path in upstream.origins.keys() - of_pool)
    assert of_pool == {
        "name": f"proto (shop.proto:{HEAD_LINES + 1})",
        "url": f"upstream ({file}:3)",
        "pool.idle_timeout": f"defaults ({file}:2)",
        "pool.max_connections": f"proto (shop.proto:{HEAD_LINES + 1})",
        "pool.connect_timeout": f"upstream ({file}:3)",
        "pool.max_age": "built-in",
        "pool.max_header_bytes": "built-in",
        "redirects.max_redirects": "built-in",
    }
    by_flag = given.served(DECLARED, yaml, upstreams={"orders": "http://flag"})
    assert urls(by_flag) == {"orders": "http://flag"}


def test_what_a_service_declares_beats_the_upstream_of_defaults(given: Given) -> None:
    yaml = "defaults: {method: {upstream: other}}\nupstreams: {other: {url: 'http://o'}}"
    plain = "service B {\n" + get("Get") + "}\n"
    resolved = given.served(DECLARED + plain, yaml, upstreams={})
    assert answered_by(resolved) == ["orders", "other"]
    assert resolved.methods[0].origins["upstream"] == f"service (shop.proto:{HEAD_LINES + 1})"


def test_a_method_may_have_another_upstream_than_its_service_declares(given: Given) -> None:
    body = DECLARED.replace(get("Get"), get("Get") + get("Pay", USES % ("method", "pay")))
    resolved = given.served(body, upstreams={"pay": "http://pay"})
    assert answered_by(resolved) == ["orders", "pay"]


def test_a_declaration_serves_methods_of_other_services_too(given: Given) -> None:
    body = DECLARED + f"service B {{\n  {USES % ('service', 'orders')}\n" + get("Get") + "}\n"
    resolved = given.served(body, services=("shop.v1.B",), upstreams={})
    assert urls(resolved) == {"orders": "http://localhost:80"}


def test_a_declaration_needs_a_name_and_sane_values(given: Given) -> None:
    nameless = DECLARED.replace('name: "orders" ', "")
    assert given.mistakes(nameless) == [
        f"shop.proto:{HEAD_LINES + 1}: shop.v1.A: upstream: the option needs a name"
    ]
    wrong = DECLARED.replace("max_connections: 7", "max_connections: 0").replace(
        "http://", "ftp://"
    )
    assert given.mistakes(wrong) == [
        f"shop.proto:{HEAD_LINES + 1}: shop.v1.A: upstream.pool.max_connections: "
        "must be 1 to 65535, found 0",
        f"shop.proto:{HEAD_LINES + 1}: shop.v1.A: upstream.url: "
        "'ftp://localhost:80': the scheme must be http or https",
    ]


def test_two_services_may_share_a_declaration_but_not_contradict_it(given: Given) -> None:
    other = DECLARED.replace("service A", "service B")
    by_name = 'service C {\n  option (seawall.policy.v1.upstream) = {name: "orders"};\n'
    by_name += get("Get") + "}\n"
    for body in (DECLARED + other + by_name, by_name + DECLARED + other):
        resolved = given.served(body, upstreams={})
        assert urls(resolved) == {"orders": "http://localhost:80"}
        assert resolved.upstreams["orders"].policy.pool.max_connections == 7
    (line,) = given.mistakes(DECLARED + other.replace("7", "8"), upstreams={})
    assert line == (
        f"shop.proto:{HEAD_LINES + 5}: shop.v1.B: upstream: 'orders' is declared otherwise "
        f"at shop.proto:{HEAD_LINES + 1}"
    )


CA_FILE = "upstreams: {{a: {{url: 'https://a', policy: {{tls: {{ca_file: {}}}}}}}}}"


def test_a_ca_file_is_found_beside_the_configuration(given: Given) -> None:
    (given.folder / "ca.pem").write_text(CA_PEM)
    upstream = given.served(ONE, CA_FILE.format("ca.pem"), upstreams={}).upstreams["a"]
    assert upstream.client_options().ca_file == str(given.folder / "ca.pem")


def test_a_ca_file_that_cannot_be_used_stops_the_start(given: Given) -> None:
    (given.folder / "empty.pem").write_text("")
    for name, why in (
        ("empty.pem", "empty.pem holds no PEM certificates"),
        ("gone.pem", "gone.pem cannot be read: no such file or directory"),
    ):
        assert given.mistakes(ONE, CA_FILE.format(name), upstreams={}) == [
            f"upstream 'a': tls.ca_file: {why}"
        ]


def test_a_slip_in_the_name_of_an_upstream_is_told_where_it_stands(given: Given) -> None:
    yaml = (
        "upstreams: {orders: {url: 'http://a'}}\n"
        "services:\n"
        "  shop.v1.A: {policy: {upstream: ordrs}}\n"
    )
    found = given.mistakes("service A {\n" + get("Get") + "}", yaml, upstreams={})
    assert found == ["seawall.yaml:3: there is no upstream 'ordrs'; did you mean 'orders'?"]
