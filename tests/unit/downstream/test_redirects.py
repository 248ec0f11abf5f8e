import pytest
from aiohttp import web
from fakes.clock import FakeClock, FakeRng
from support.upstream import RawUpstream, Upstream
from unit.downstream.sockets import OK, Reader, Writer, head

from gateway.core.clock import SystemClock, system_rng
from gateway.core.http import HttpRequest
from gateway.downstream import new_client
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions
from gateway.downstream.redirects import RedirectingClient, redirected

ORIGIN = "http://shop.example:8080"
TARGET = "/v1/orders/7?x=1"


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/elsewhere", "/elsewhere"),
        ("/a%2Fb?x=%26&y=", "/a%2Fb?x=%26&y="),
        ("8", "/v1/orders/8"),
        ("../items?z", "/v1/items?z"),
        ("./", "/v1/orders/"),
        ("?y=2", "/v1/orders/7?y=2"),
        ("/a#fragment", "/a"),
        (" /a\t", "/a"),
        ("../../../../etc", "/etc"),
        (ORIGIN + "/a", "/a"),
        (ORIGIN, "/"),
        ("HTTP://SHOP.example:8080/a", "/a"),
        ("//shop.example:8080/a", "/a"),
    ],
)
def test_location_within_the_upstream_is_followed(location, leads_to):
    assert redirected(ORIGIN, TARGET, location) == leads_to


@pytest.mark.parametrize(
    "location",
    [
        "",
        "https://shop.example:8080/a",
        "http://shop.example/a",
        "http://shop.example:8081/a",
        "http://other.example:8080/a",
        "//other.example:8080/a",
        "http://shop.example:8080@other.example/a",
        "http://user@shop.example:8080/a",
        "http://user:secret@shop.example:8080/a",
        "http://other.example\\@shop.example:8080/a",
        "\\\\other.example/a",
        "/\\other.example/a",
        "/a b",
        "/a\r\nx: y",
        "/a\0",
        "/\xe4",
        "/a|b",
        "ftp://shop.example:8080/a",
        "javascript:alert(1)",
        "http://shop.example:99999/a",
        "http://[::1/a",
        "/" + "x" * 20_000,
    ],
)
def test_any_other_location_is_not_followed(location):
    assert redirected(ORIGIN, TARGET, location) is None


@pytest.mark.parametrize("location", ["https://shop.example/a", "https://shop.example:443/a"])
def test_usual_port_is_the_same_said_or_not(location):
    assert redirected("https://shop.example", "/", location) == "/a"
    assert redirected("https://shop.example:443", "/", location) == "/a"


def client_for(url, max_redirects=3):
    options = ClientOptions(name="shop", url=url, max_redirects=max_redirects)
    return new_client(options, SystemClock(), system_rng())


async def fetch(client, method="GET", body=None, target="/a"):
    request = HttpRequest(method, target, {"x-tenant": "t"}, body)
    return await client.fetch(request, max_body_bytes=1_000, max_error_bytes=1_000)


def moving(status, location):
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.endswith("/b"):
            return web.json_response({})
        return web.Response(status=status, headers={"location": location})

    return handle


async def test_no_redirects_means_no_wrapper():
    client = client_for("http://x", 0)
    assert type(client) is Http1Client
    await client.close()
    client = client_for("http://x", 1)
    assert type(client) is RedirectingClient
    await client.close()


@pytest.mark.parametrize(
    ("status", "method", "body", "followed"),
    [
        (301, "GET", None, True),
        (302, "HEAD", None, True),
        (303, "GET", None, True),
        (303, "POST", b"{}", False),
        (301, "POST", b"{}", False),
        (302, "DELETE", None, False),
        (307, "POST", b"{}", True),
        (308, "PUT", b"{}", True),
        (307, "DELETE", None, True),
        (300, "GET", None, False),
        (304, "GET", None, False),
        (305, "GET", None, False),
        (201, "POST", b"{}", False),
    ],
)
async def test_what_is_followed(status, method, body, followed):
    async with Upstream(moving(status, "/base/b")) as upstream:
        client = client_for(upstream.url + "/base")
        answer = await fetch(client, method, body)
        await client.close()
    assert answer.status == (200 if followed else status)
    assert upstream.requests == [f"{method} /base/a"] + [f"{method} /base/b"] * followed
    assert upstream.bodies == [body or b""] * (1 + followed)
    assert all(headers["x-tenant"] == "t" for headers in upstream.headers)


async def test_a_streamed_body_is_not_repeated():
    async def body():
        yield b"{}"

    async with Upstream(moving(307, "/b")) as upstream:
        client = client_for(upstream.url)
        assert (await fetch(client, "POST", body())).status == 307
        await client.close()
    assert upstream.requests == ["POST /a"]


@pytest.mark.parametrize("max_redirects", [1, 3, 5])
async def test_a_loop_ends_by_the_count_and_is_the_answer_it_is(max_redirects):
    async with Upstream(moving(302, "/a")) as upstream:
        client = client_for(upstream.url, max_redirects)
        answer = await fetch(client)
        await client.close()
    assert (answer.status, answer.headers["location"]) == (302, "/a")
    assert len(upstream.requests) == max_redirects + 1
    assert upstream.total_connections == 1


async def test_a_way_out_of_the_upstream_is_not_taken():
    async with Upstream(moving(302, "/b")) as other, Upstream(moving(302, "")) as upstream:
        upstream.handler = moving(302, other.url + "/b")
        client = client_for(upstream.url)
        assert (await fetch(client)).status == 302
        await client.close()
    assert other.requests == []


async def test_a_stream_is_followed_too():
    async with Upstream(moving(301, "b")) as upstream:
        client = client_for(upstream.url)
        async with client.open(HttpRequest("GET", "/a", {})) as answer:
            assert (answer.status, await answer.read_up_to(10)) == (200, b"{}")
        await client.close()
    assert upstream.requests == ["GET /a", "GET /b"]


async def test_what_a_hop_took_is_taken_off_the_time_that_the_next_is_told():
    clock, seen = FakeClock(), []

    async def serve(reader: Reader, writer: Writer) -> None:
        while True:
            lines = (await head(reader)).decode().split("\r\n")
            seen.append(next(line for line in lines if "x-server-timeout" in line))
            clock.advance(1.5)
            if len(seen) == 1:
                writer.write(b"HTTP/1.1 302 F\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n")
            else:
                writer.write(OK)

    async with RawUpstream(serve) as upstream:
        options = ClientOptions(name="shop", url=upstream.url, max_redirects=1)
        client = new_client(options, clock, FakeRng())
        request = HttpRequest("GET", "/a", {"x-server-timeout": "5.000"})
        await client.fetch(request, max_body_bytes=9, max_error_bytes=9)
        await client.close()
    assert [line[18:] for line in seen] == ["5.000", "3.500"]
