"""The table of wrong inputs, each with the exact lines it earns on stderr.

"<dir>" in arguments and lines is the folder that the files are written to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf import descriptor_pb2
from support.gateways import PROTOS

UPSTREAM = ("--upstream", "http://127.0.0.1:1")
SHOP = ("--proto", str(PROTOS))
HEAD = 'syntax = "proto3";\npackage a.v1;\nimport "google/api/annotations.proto";\n'


@dataclass(frozen=True)
class Case:
    """One wrong input.

    Args:
        name: of the mistake.
        lines: expected on stderr, without "seawall: ".
        arguments: behind the command.
        files: by path below the test's folder, written before.
        environ: for the process.
        upstream: whether a good --upstream is added.
    """

    name: str
    lines: Sequence[str]
    arguments: Sequence[str]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    upstream: bool = True


def proto(name: str, line: str, rule: str, request: str = "string id = 1;") -> Case:
    """Return a case of one method with one binding; `line` follows "a.proto:5: a.v1.S/M: "."""
    text = (
        HEAD
        + "service S {\n"
        + f"  rpc M(R) returns (A) {{ option (google.api.http) = {{{rule}}}; }}\n"
        + "}\n"
        + f"message R {{ {request} }}\n"
        + "message A { string name = 1; }\n"
    )
    return Case(
        name, [f"a.proto:5: a.v1.S/M: {line}"], ("--proto", "<dir>/p"), files={"p/a.proto": text}
    )


def yaml(name: str, line: str, text: str, **environ: str) -> Case:
    """Return a case of a configuration file; `line` follows its name and a colon."""
    return Case(
        name,
        [f"<dir>/seawall.yaml:{line}"],
        (*SHOP, "--config", "<dir>/seawall.yaml"),
        files={"seawall.yaml": text},
        environ=environ,
    )


def url(url: str, line: str) -> Case:
    """Return a case of a malformed upstream URL."""
    return Case(f"URL {url}", [f"--upstream: {line}"], (*SHOP, "--upstream", url), upstream=False)


NOT_A_SET = (
    "<dir>/a.binpb: is not a binary FileDescriptorSet; make one with "
    "'protoc --include_imports --descriptor_set_out' or 'buf build -o'"
)


def descriptor_set(name: str, line: str, data: bytes) -> Case:
    """Return a case of a descriptor set."""
    return Case(name, [line], ("--descriptor-set", "<dir>/a.binpb"), files={"a.binpb": data})


def lone_file() -> bytes:
    """Return a set with a file but not what it imports."""
    file = descriptor_pb2.FileDescriptorProto(
        name="orders.proto", syntax="proto3", dependency=["money.proto"]
    )
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


CASES = (
    # Descriptor sets
    descriptor_set("bytes that are no protobuf", NOT_A_SET, b"\xff\xff\xff"),
    descriptor_set("text instead of a descriptor set", NOT_A_SET, b"service S {}\n"),
    descriptor_set("an empty file", "<dir>/a.binpb: holds no protobuf files", b""),
    descriptor_set(
        "a descriptor set without imports",
        "<dir>/a.binpb: orders.proto imports money.proto, which is not in the set; "
        "write it with --include_imports (protoc) or by 'buf build'",
        lone_file(),
    ),
    Case(
        "a missing file",
        ["<dir>/nope.binpb: cannot be read: no such file or directory"],
        ("--descriptor-set", "<dir>/nope.binpb"),
    ),
    Case(
        "a folder in place of a file",
        ["<dir>: cannot be read: is a directory"],
        ("--descriptor-set", "<dir>"),
    ),
    Case(
        "protos given twice",
        ["give the protos once: --descriptor-set FILE or --proto DIR"],
        (*SHOP, "--descriptor-set", "<dir>/a.binpb"),
    ),
    Case(
        "no protos at all",
        ["no protos given; use --descriptor-set FILE, --proto DIR, or name one in --config FILE"],
        (),
    ),
    # Protos
    Case(
        "a proto with a syntax error",
        ["<dir>/p/a.proto:2:25: Expected field number."],
        ("--proto", "<dir>/p"),
        files={"p/a.proto": 'syntax = "proto3";\nmessage R { string id = ; }\n'},
    ),
    Case(
        "an import that is not there",
        ['<dir>/p/a.proto:2:1: Import "no/such.proto" was not found or had errors.'],
        ("--proto", "<dir>/p"),
        files={"p/a.proto": 'syntax = "proto3";\nimport "no/such.proto";\n'},
    ),
    Case(
        "a name that two files define",
        ['<dir>/p/b.proto:4:9: "a.v1.R" is already defined in file "a.proto".'],
        ("--proto", "<dir>/p"),
        files={"p/a.proto": HEAD + "message R {}\n", "p/b.proto": HEAD + "message R {}\n"},
    ),
    Case(
        "a folder that is not there",
        ["<dir>/nope: is not a folder of .proto files"],
        ("--proto", "<dir>/nope"),
    ),
    Case(
        "a folder without protos",
        ["<dir>/p: holds no .proto files"],
        ("--proto", "<dir>/p"),
        files={"p/readme.txt": ""},
    ),
    Case(
        "protos without a binding",
        ["no method of the protos carries google.api.http: nothing to serve"],
        ("--proto", "<dir>/p"),
        files={"p/a.proto": HEAD + "service S { rpc M(R) returns (R); }\nmessage R {}\n"},
    ),
    # Bindings
    proto(
        "a binding to a missing field",
        "GET \"/v1/{idd}\": column 6: a.v1.R has no field 'idd'; did you mean 'id'?",
        'get: "/v1/{idd}"',
    ),
    proto(
        "a repeated field in a path",
        'GET "/v1/{id}": column 6: a.v1.R.id is repeated; a path takes a single value',
        'get: "/v1/{id}"',
        "repeated string id = 1;",
    ),
    proto(
        "a map in a query",
        "a.v1.R.labels is a map, which a query cannot carry; put it into the body",
        'get: "/v1/{id}"',
        "string id = 1; map<string, string> labels = 2;",
    ),
    proto(
        "a duplicate variable",
        "GET \"/v1/{id}/{id}\": column 11: the variable 'id' is used twice",
        'get: "/v1/{id}/{id}"',
    ),
    proto(
        "a variable that is not closed",
        "GET \"/v1/{id/x\": column 8: expected '}' to close the variable 'id', found '/'",
        'get: "/v1/{id/x"',
    ),
    proto(
        "a template without a slash",
        'GET "v1/{id}": column 1: a path template begins with "/"',
        'get: "v1/{id}"',
    ),
    proto(
        "text behind a variable",
        "GET \"/v1/{id}.json\": column 9: expected '/', ':' or the end, found '.'",
        'get: "/v1/{id}.json"',
    ),
    proto(
        "a body that is no field",
        "body: a.v1.R has no field 'idx'; did you mean 'id'?",
        'post: "/v1" body: "idx"',
    ),
    proto(
        "a response body that is no field",
        "response_body: a.v1.A has no field 'nam'; did you mean 'name'?",
        'get: "/v1/{id}" response_body: "nam"',
    ),
    proto(
        "a body on a GET",
        'GET has no body; remove body: "*" or use another verb',
        'get: "/v1/{id}" body: "*"',
    ),
    Case(
        "several mistakes at once",
        [
            "a.proto:5: a.v1.S/M: GET \"/{x}\": column 3: a.v1.R has no field 'x'",
            'a.proto:6: a.v1.S/N: GET "y": column 1: a path template begins with "/"',
        ],
        ("--proto", "<dir>/p"),
        files={
            "p/a.proto": HEAD
            + "service S {\n"
            + '  rpc M(R) returns (R) { option (google.api.http) = {get: "/{x}"}; }\n'
            + '  rpc N(R) returns (R) { option (google.api.http) = {get: "y"}; }\n'
            + "}\nmessage R { string name = 1; }\n"
        },
    ),
    # Upstreams
    url("localhost:8080", "'localhost:8080' is not a URL; write http://HOST:PORT or https://HOST"),
    url("ftp://h", "'ftp://h': the scheme must be http or https"),
    url("http://", "'http://' names no host"),
    url("http://h:x", "'http://h:x' is not a URL: Port could not be cast to integer value as 'x'"),
    url("http://h:99999", "'http://h:99999' is not a URL: Port out of range 0-65535"),
    url("http://h:0", "'http://h:0': port 0 cannot be called"),
    url("http://[::1", "'http://[::1' is not a URL: Invalid IPv6 URL"),
    url("http://h?q=1", "'http://h': a base URL has no query and no fragment"),
    url("http://a b", "'http://a b': a URL has no spaces, control characters and backslashes"),
    url("http://user:hunter2@h", "a URL must not hold credentials"),
    Case(
        "no upstream URL",
        [
            "the upstream 'default' has no URL; write --upstream http://HOST:PORT, "
            "or upstreams.default.url in the configuration"
        ],
        SHOP,
        upstream=False,
    ),
    Case(
        "an upstream given twice",
        ["--upstream: the upstream without a name is given twice"],
        (*SHOP, "--upstream", "http://b"),
    ),
    Case(
        "an unknown service",
        [
            "--service: there is no service 'shop.v1.OrderServce'; "
            "did you mean 'shop.v1.OrderService'?"
        ],
        (*SHOP, "--service", "shop.v1.OrderServce"),
    ),
    # YAML
    yaml(
        "a key with a typo",
        "4: defaults.method.retry.max_atempts: unknown key; did you mean 'max_attempts'?",
        "defaults:\n  method:\n    retry:\n      max_atempts: 3\n",
    ),
    yaml(
        "a scalar in place of a mapping",
        "3: defaults.method.retry: expected a mapping, found '3'",
        "defaults:\n  method:\n    retry: 3\n",
    ),
    yaml(
        "a mapping in place of a list",
        "2: serve: expected a list, found a mapping",
        "serve:\n  shop.v1.OrderService: {}\n",
    ),
    yaml(
        "a duration without a unit",
        "3: defaults.method.deadline.default: expected a duration such as \"1.5s\", found '15'; "
        'did you mean "15s"?',
        "defaults:\n  method:\n    deadline: {default: 15}\n",
    ),
    yaml(
        "a duration in minutes",
        '1: drain.grace: expected a duration such as "1.5s", found \'1m\'; did you mean "60s"?',
        "drain: {grace: 1m}\n",
    ),
    yaml(
        "an unknown enum value",
        "1: defaults.method.retry.jitter: expected one of "
        "FULL, EQUAL, NONE, PROPORTIONAL, DECORRELATED, found 'FUL'",
        "defaults: {method: {retry: {jitter: FUL}}}\n",
    ),
    yaml(
        "an environment variable that is not set",
        "2: upstreams.default.url: the environment variable ORDERS_HOST is not set; "
        "set it, or give a default: ${ORDERS_HOST:-…}",
        "upstreams:\n  default: {url: 'http://${ORDERS_HOST}'}\n",
    ),
    yaml(
        "a variable that makes no URL",
        "2: upstreams.default.url: 'http://h:x' is not a URL: "
        "Port could not be cast to integer value as 'x'",
        "upstreams:\n  default: {url: 'http://h:${ORDERS_PORT}'}\n",
        ORDERS_PORT="x",
    ),
    yaml(
        "an unknown method",
        "3: services.shop.v1.OrderService.methods.GetOrdr: "
        "there is no method 'GetOrdr'; did you mean 'GetOrder'?",
        "services:\n  shop.v1.OrderService:\n    methods: {GetOrdr: {}}\n",
    ),
    yaml(
        "a key given twice", "2: listen: is given twice, first on line 1", "listen: a\nlisten: b\n"
    ),
    yaml(
        "brackets that are not closed",
        "3:1: is not YAML: did not find expected ',' or ']'",
        "serve: [a,\nb: 1\n",
    ),
    yaml("a tab", "2:1: is not YAML: found character that cannot start any token", "a:\n\tb: 1\n"),
    yaml("an unknown alias", "1:9: is not YAML: found undefined alias", "listen: *there\n"),
    yaml("a list at the top", "1: expected a mapping, found a list", "- listen\n"),
    Case(
        "a configuration that is not text",
        ["<dir>/seawall.yaml: is not UTF-8 text"],
        (*SHOP, "--config", "<dir>/seawall.yaml"),
        files={"seawall.yaml": bytes(range(256))},
    ),
    Case(
        "a configuration that is not there",
        ["<dir>/seawall.yaml: cannot be read: no such file or directory"],
        (*SHOP, "--config", "<dir>/seawall.yaml"),
    ),
)
