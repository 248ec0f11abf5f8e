"""Which services are served, and what of them is not."""

from .conftest import HEAD_LINES, Given, get


def stream(name: str, rule: str, *, returns: str = "Item") -> str:
    return (
        f"  rpc {name}(stream Item) returns ({returns}) "
        f"{{ option (google.api.http) = {{{rule}}}; }}\n"
    )


TWO = (
    "service A {\n" + get("Get") + "  rpc Plain(Item) returns (Item);\n}\n"
    "service B {\n" + get("Get") + "}\n"
    "service Unbound { rpc Get(Item) returns (Item); }\n"
)


def names(given: Given, *arguments: object, **more: object) -> list[str]:
    return [m.method.full_name for m in given.served(*arguments, **more).methods]  # type: ignore


def test_every_service_with_a_binding_is_served_by_default(given: Given) -> None:
    assert names(given, TWO) == ["shop.v1.A/Get", "shop.v1.B/Get"]


def test_a_flag_chooses_services_in_its_order_and_each_once(given: Given) -> None:
    chosen = ("shop.v1.B", "shop.v1.A", "shop.v1.B")
    assert names(given, TWO, services=chosen) == ["shop.v1.B/Get", "shop.v1.A/Get"]


def test_serve_chooses_services(given: Given) -> None:
    assert names(given, TWO, "serve: [shop.v1.B]") == ["shop.v1.B/Get"]


def test_the_flag_beats_serve(given: Given) -> None:
    yaml = "serve: [shop.v1.B]"
    assert names(given, TWO, yaml, services=("shop.v1.A",)) == ["shop.v1.A/Get"]


def test_services_that_cannot_be_served_are_refused_by_name(given: Given) -> None:
    yaml = "serve:\n- shop.v1.A\n- shop.v1.AB\n- shop.v1.Unbound\n"
    assert given.mistakes(TWO, yaml) == [
        "seawall.yaml:3: there is no service 'shop.v1.AB'; did you mean 'shop.v1.B'?",
        "seawall.yaml:4: no method of shop.v1.Unbound carries google.api.http",
    ]
    assert given.mistakes(TWO, services=("nope",)) == [
        "--service: there is no service 'nope'; known: shop.v1.A, shop.v1.B, shop.v1.Unbound"
    ]


def test_protos_without_any_binding_have_nothing_to_serve(given: Given) -> None:
    assert given.mistakes("service A { rpc Get(Item) returns (Item); }") == [
        "no method of the protos carries google.api.http: nothing to serve"
    ]


def test_methods_that_are_left_out_say_why(given: Given) -> None:
    body = "service A {\n" + get("Get") + "  rpc Plain(Item) returns (Item);\n}"
    assert [str(p) for p in given.served(body).left_out] == [
        f"shop.proto:{HEAD_LINES + 3}: shop.v1.A/Plain: carries no google.api.http",
    ]


def test_client_streams_are_served_with_the_promises_of_streams(given: Given) -> None:
    body = "service A {\n" + stream("Up", 'post: "/up" body: "*"') + "}"
    (method,) = given.served(body).methods
    assert method.method.client_streaming
    assert method.policy.deadline.default.seconds == 3600


def test_a_client_stream_without_a_body_is_refused_with_its_place(given: Given) -> None:
    body = "service A {\n" + stream("Up", 'get: "/up"') + "}"
    assert given.mistakes(body) == [
        f'shop.proto:{HEAD_LINES + 2}: shop.v1.A/Up: GET "/up": a stream of messages is sent '
        'as the body, and the binding has none; write body: "*" or name a field'
    ]


def test_a_bidirectional_method_needs_a_body_for_one_body_only(given: Given) -> None:
    body = "service A {\n" + stream("Talk", 'get: "/talk"', returns="stream Item") + "}"
    assert len(given.served(body).methods) == 1
    yaml = "defaults: {method: {stream: {requests: ONE_BODY}}}"
    (line,) = given.mistakes(body, yaml)
    assert line.startswith(f"shop.proto:{HEAD_LINES + 2}: shop.v1.A/Talk: stream.requests: GET")


def test_what_a_policy_says_of_streams_that_are_not_there_is_refused(given: Given) -> None:
    option = "option (seawall.policy.v1.method).stream"
    body = (
        "service A {\n"
        + get("Get", f"{option}.enveloped = true;")
        + get("Watch", f"{option}.requests = ONE_BODY;", returns="stream Item")
        + "}"
    )
    assert [line.partition("shop.v1.")[2] for line in given.mistakes(body)] == [
        "A.Get: stream: the method does not answer with a stream",
        "A.Watch: stream.requests: the method takes no stream",
    ]
    body = "service A {\n" + get("Watch", returns="stream Item") + "}"
    yaml = "services: {shop.v1.A: {methods: {Watch: {stream: {requests: ONE_EACH}}}}}"
    assert given.mistakes(body, yaml) == [
        "seawall.yaml:1: services.shop.v1.A.methods.Watch.stream.requests: "
        "the method takes no stream"
    ]


def test_every_mistake_of_every_binding_is_told_with_its_place(given: Given) -> None:
    body = (
        "service A {\n"
        '  rpc One(Item) returns (Item) { option (google.api.http) = {get: "/{x}/{y}"}; }\n'
        '  rpc Two(Item) returns (Item) { option (google.api.http) = {get: "v1"}; }\n}'
    )
    lines = given.mistakes(body)
    assert [line.split(": ")[:2] for line in lines] == [
        [f"shop.proto:{HEAD_LINES + 2}", "shop.v1.A/One"],
        [f"shop.proto:{HEAD_LINES + 2}", "shop.v1.A/One"],
        [f"shop.proto:{HEAD_LINES + 3}", "shop.v1.A/Two"],
    ]
    assert all("column" in line for line in lines)


def test_services_and_methods_of_the_configuration_exist(given: Given) -> None:
    yaml = "services:\n  shop.v1.C: {}\n  shop.v1.A:\n    methods:\n      Gett: {}\n"
    assert given.mistakes(TWO, yaml) == [
        "seawall.yaml:5: services.shop.v1.A.methods.Gett: "
        "there is no method 'Gett'; did you mean 'Get'?",
        "seawall.yaml:2: services.shop.v1.C: "
        "there is no service 'shop.v1.C'; did you mean 'shop.v1.B'?",
    ]


def test_the_configuration_may_speak_of_services_that_are_not_served_now(given: Given) -> None:
    yaml = "services: {shop.v1.B: {policy: {upstream: b}}}\nupstreams: {b: {url: 'http://b'}}"
    assert names(given, TWO, yaml, services=("shop.v1.A",), upstreams={"b": "http://b"}) == [
        "shop.v1.A/Get"
    ]


def test_mistakes_of_all_kinds_come_together(given: Given) -> None:
    body = "service A {\n"
    body += 'rpc One(Item) returns (Item) { option (google.api.http) = {get: "/{x}"}; }\n'
    body += get("Get", "option (seawall.policy.v1.method).retry.max_attempts = 99;") + "}"
    yaml = (
        "ceilings: {max_attempts: 0}\nservices: {shop.v1.Z: {}}\nserve: [shop.v1.A, shop.v1.Y]\n"
        "upstreams: {u: {url: ftp://a}}\n"
    )
    lines = given.mistakes(body, yaml, upstreams={"u": "u:80"})
    for part in (
        "seawall.yaml:1: ceilings.max_attempts",
        "seawall.yaml:2: services.shop.v1.Z",
        "seawall.yaml:3: there is no service 'shop.v1.Y'",
        "seawall.yaml:4: upstreams.u.url",
        "has no field 'x'",
        "must be 1 to 20, found 99",
        "--upstream: 'u:80' is not a URL",
    ):
        assert sum(part in line for line in lines) == 1, part
    assert len(lines) == 7
