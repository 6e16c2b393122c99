"""Every route, asked by strangers: under a foreign name, from a foreign page, in a form no page of ours sends."""

from collections.abc import Iterator
from typing import Any

import pytest
from gradio import routes as gradio_routes
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tabs.serving.calls import LONGEST_CALL_BYTES, TOO_LONG
from tabs.serving.config import Serving
from tabs.serving.routes import (
    BACKUP,
    FILE,
    HUB_CALLBACK,
    HUB_CLAIM,
    HUB_LOGIN,
    INVITE,
    LABEL,
    LOGIN,
    LOGOUT,
    RESULTS,
    ROUTES,
    Who,
    find,
)
from tabs.shell.kit import ODD_QUERY
from tests.serving import LOCAL, SmallPage, routes

OURS = {(method, path) for method in ("GET", "HEAD", "POST") for path in (LOGIN, INVITE)} | {
    ("POST", LOGOUT),
    ("GET", BACKUP),
    ("GET", HUB_LOGIN),
    ("GET", HUB_CALLBACK),
    ("POST", HUB_CLAIM),
    *(("GET", f"/{page}{session}") for page in (LABEL, RESULTS) for session in ("", "/{session}")),
}
VALUES = {"path_or_url:path": "/x", "url_path:path": "https://x.hf.space/", "component_id": "1", "size": "64"}
FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "http://127.0.0.1:8080"},
    {"origin": "http://localhost:7860"},
    {"origin": "http://sub.127.0.0.1:7860"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": LOCAL, "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"sec-fetch-site": "odd"},
]
OPENED = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.fixture(scope="module")
def page() -> SmallPage:
    return SmallPage()


def address(template: str) -> str:
    """A path the template stands for."""
    for part in template.split("{")[1:]:
        name = part.partition("}")[0]
        template = template.replace(f"{{{name}}}", VALUES.get(name, "x"))
    return template


def everything(page: SmallPage) -> list[tuple[str, str]]:
    return sorted({*routes(page.app), *OURS})


def test_every_route_of_the_running_app_has_an_entry_that_says_who_may_use_it(page: SmallPage) -> None:
    known = {(method, route.path) for route in ROUTES for method in route.methods}
    real = {(method, path.rstrip("/") or "/") for method, path in routes(page.app)}
    missing = {one for one in real - known if ("GET", one[1]) not in known or one[0] != "HEAD"}
    assert missing == set(), "new routes: say in tabs/serving/routes.py who may use them"
    gone = {one for one in known - real - OURS if one[0] != "HEAD"}
    assert gone == set(), "these are served no more: take them out of tabs/serving/routes.py"


def test_what_the_page_does_not_need_is_not_there(page: SmallPage) -> None:
    client = page.client()
    for route in ROUTES:
        for method in route.methods if route.who is Who.NOBODY else ():
            assert client.request(method, address(route.path)).status_code == 404, route
    for path in (
        "/docs",
        "/redoc",
        "/gradio_api/mcp/sse",
        "/gradio_api/mcp",
        "/x",
        "/gradio_api",
        "/gradio_api//info",
    ):
        assert client.get(path).status_code == 404, path


@pytest.mark.parametrize(
    "host", ["rebound.example", "rebound.example:7860", "127.0.0.1.example", "localhost.example", ""]
)
def test_under_a_foreign_name_every_route_is_refused(page: SmallPage, host: str) -> None:
    client = page.client()
    for method, path in everything(page):
        reply = client.request(method, address(path), headers={"host": host})
        assert reply.status_code == 400, path
        assert "config" not in reply.text and not leaks(reply.headers), path


@pytest.mark.parametrize("headers", FOREIGN)
def test_from_a_foreign_page_every_route_is_refused(page: SmallPage, headers: dict[str, str]) -> None:
    client = page.client()
    for method, path in everything(page):
        reply = client.request(method, address(path), headers=headers)
        assert reply.status_code == 403, path
        assert not leaks(reply.headers), path


def test_a_link_from_elsewhere_opens_the_page_and_nothing_else(page: SmallPage) -> None:
    with page.client() as client:
        for method, path in everything(page):
            reply = client.request(method, address(path), headers=OPENED)
            opens = path in ("/", LOGIN, INVITE, HUB_CALLBACK) and method in ("GET", "HEAD")
            assert (reply.status_code == 403) is not opens, (method, path)
        assert client.get("/?tab=train", headers=OPENED).status_code == 200


def test_only_a_space_may_be_opened_in_a_frame(page: SmallPage) -> None:
    framed = {**OPENED, "sec-fetch-dest": "iframe"}
    space = Serving("0.0.0.0", hosts=("a-b.hf.space",), space=True)
    with page.client(space, base_url="https://a-b.hf.space") as client:
        reply = client.get("/", headers=framed)
        assert reply.status_code == 200
        assert "frame-ancestors https://huggingface.co" in reply.headers["content-security-policy"]
        assert client.get("/config", headers=framed).status_code == 403
    with page.client() as client:
        assert "frame-ancestors 'none'" in client.get("/").headers["content-security-policy"]


@pytest.mark.parametrize("headers", [{}, {"origin": LOCAL, "sec-fetch-site": "same-origin"}])
def test_no_origin_is_ever_let_in_by_cors(page: SmallPage, headers: dict[str, str]) -> None:
    with page.client() as client:
        for path in ("/", "/config", "/theme.css", "/gradio_api/info"):
            reply = client.get(path, headers=headers)
            assert reply.status_code == 200 and not leaks(reply.headers), path
        assert client.options("/config", headers={**headers, "access-control-request-method": "GET"}).status_code == 404


def leaks(headers: Any) -> list[str]:
    return [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_call_is_json_or_nothing(page: SmallPage, kind: str) -> None:
    client = page.client()
    assert page.call(client).status_code == 200
    for path in (route.path for route in ROUTES if route.body == "application/json"):
        body = b'{"component_id": 1, "fn_name": "who", "data": {}, "session_hash": "s"}'
        reply = client.post(address(path), content=body, headers={"content-type": kind})
        assert reply.status_code == 415, path


# ---- what Gradio would fetch ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "https://example.org/a.png", "http://127.0.0.1:1/", "HTTPS://example.org/", "https:/example.org",
        "//example.org/x", "ftp://example.org/x", "file:///etc/hostname", "data:text/html,x",
        "https%3A//example.org/", "x.png", "", "./x",
        "../x",
    ],
)  # fmt: skip
def test_no_address_is_fetched_for_anybody(page: SmallPage, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(*_: Any, **__: Any) -> None:
        raise AssertionError("an address was fetched")

    monkeypatch.setattr(gradio_routes, "secure_url_stream_response", fetched)
    monkeypatch.setattr(gradio_routes.httpx.AsyncClient, "send", fetched)
    client = page.client()
    for prefix in ("/gradio_api/file=", "/gradio_api/file/", "/gradio_api/proxy="):
        assert client.get(f"{prefix}{target}").status_code in (403, 404), prefix


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "/gradio_api/../etc/passwd"])
def test_no_file_but_ours_and_uploads_is_served(page: SmallPage, path: str) -> None:
    assert page.client().get(f"/gradio_api/file={path}").status_code == 403


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "https://example.org/x", "http://127.0.0.1:1/x", "x", "../x", "a\0b", "/tmp/gradio/../x"]
)
def test_a_call_can_name_no_file_that_was_not_uploaded(page: SmallPage, path: str) -> None:
    with page.client() as client:
        file = {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}}
        reply = client.post("/gradio_api/run/take", json={"data": [file]})
        assert reply.status_code == 500
        assert reply.json()["error"] == "That file was not uploaded here."


def test_a_file_that_was_uploaded_is_taken(page: SmallPage) -> None:
    with page.client() as client:
        path = client.post("/gradio_api/upload", files={"files": ("a.txt", b"hello")}).json()[0]
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        reply = client.post("/gradio_api/run/take", json={"data": [file]})
        assert reply.status_code == 200 and path in reply.json()["data"][0]
        shown = client.get(f"/gradio_api/file={path}")
        assert shown.text == "hello" and "sandbox" in shown.headers["content-security-policy"]


# ---- names ---------------------------------------------------------------------------------------------------

ANYWHERE = Serving("0.0.0.0", password="p")
NAMED = Serving("0.0.0.0", hosts=("bench.example.org", "other.example.org:8443"), password="p")


@pytest.mark.parametrize(
    ("serving", "host", "known"),
    [
        (Serving(), "127.0.0.1:7860", True), (Serving(), "localhost", True), (Serving(), "[::1]:7860", True),
        (Serving("::1"), "[::1]", True), (Serving(), "LOCALHOST.:9000", True), (Serving(), "192.168.0.4", False),
        (Serving(), "example.org", False), (ANYWHERE, "192.168.0.4:7860", True), (ANYWHERE, "[fe80::1]:7860", True),
        (ANYWHERE, "example.org", False), (ANYWHERE, "localhost:7860", True), (NAMED, "bench.example.org", True),
        (NAMED, "BENCH.example.org:443", True), (NAMED, "other.example.org", False),
        (NAMED, "x.bench.example.org", False),
        (NAMED, "other.example.org:8443", True), (NAMED, "10.0.0.1", True),
        (Serving(hosts=("bench.example.org",)), "bench.example.org", True), (Serving(), "127.0.0.1@example.org", False),
    ],
)  # fmt: skip
def test_a_server_knows_its_own_names(serving: Serving, host: str, known: bool) -> None:
    assert serving.knows(host) is known


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://127.0.0.1:7860", "127.0.0.1:7860", True), ("http://localhost:7860", "127.0.0.1:7860", False),
        ("https://bench.example.org", "bench.example.org", True), ("https://bench.example.org", "127.0.0.1:7860", True),
        ("https://bench.example.org:444", "bench.example.org", False), ("http://[::1]:7860", "[::1]:7860", True),
        ("https://other.example.org:8443", "127.0.0.1:7860", True),
        ("https://x.bench.example.org", "bench.example.org", False),
        ("null", "null", False), ("file://127.0.0.1:7860", "127.0.0.1:7860", False),
    ],
)  # fmt: skip
def test_an_origin_is_ours_to_the_port(origin: str, host: str, own: bool) -> None:
    assert NAMED.is_own_origin(origin, host) is own


def test_a_claimed_address_does_not_get_into_the_page(page: SmallPage) -> None:
    with page.client() as client:
        claims = {"x-forwarded-host": "evil.example", "x-gradio-server": "http://evil.example"}
        assert "evil.example" not in client.get("/", headers=claims).text


# ---- headers -------------------------------------------------------------------------------------------------


def test_every_answer_carries_the_security_headers(page: SmallPage) -> None:
    with page.client() as client:
        for method, path in [*everything(page), ("GET", "/not-there")]:
            if "queue/data" in path or "heartbeat" in path:
                continue  # streams that do not end
            for headers in ({}, {"host": "rebound.example"}, {"origin": "http://evil.example"}):
                reply = client.request(method, address(path), headers=headers)
                assert reply.headers["x-content-type-options"] == "nosniff", path
                assert "default-src 'none'" in reply.headers["content-security-policy"], path
                assert reply.headers["referrer-policy"] == "same-origin", path
                assert "server" not in reply.headers, path


def test_every_script_of_the_page_carries_the_nonce_of_its_own_answer(page: SmallPage) -> None:
    with page.client() as client:
        first, second = client.get("/"), client.get("/")
        nonce = first.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
        assert first.text.count("<script") == first.text.count(f'<script nonce="{nonce}"') > 3
        assert nonce not in second.text
        scripts = first.headers["content-security-policy"].partition("style-src")[0]
        assert "unsafe-inline" not in scripts and "'strict-dynamic'" in scripts
        assert first.headers["content-encoding"] == "gzip"


def test_the_table_is_what_decides(page: SmallPage) -> None:
    assert find("GET", "/gradio_api/info/") is find("GET", "/gradio_api/info") is not None
    assert find("DELETE", "/") is find("GET", "/login/") is find("GET", "/logout") is None
    route = find("GET", "/gradio_api/file=/x/")
    assert route is not None and route.path == FILE


def test_a_websocket_is_refused(page: SmallPage) -> None:
    client: TestClient = page.client()
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/gradio_api/queue/join"):
        pass
    assert caught.value.code == 1008


@pytest.mark.parametrize("data", [None, 0, True, 1.5, "x", [], [{}]])
def test_a_call_without_named_values_is_answered_in_a_sentence(page: SmallPage, data: Any, caplog: Any) -> None:
    body = {"component_id": page.component._id, "fn_name": "who", "data": data, "session_hash": "s"}
    answer = page.client().post("/gradio_api/component_server/", json=body)
    assert answer.json() == {"error": ODD_QUERY}
    assert caplog.records == []  # whoever sends many does not fill the log


@pytest.mark.parametrize("announced", [True, False])
def test_a_call_that_is_too_long_is_refused_before_it_is_in_memory(page: SmallPage, announced: bool) -> None:
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        start = f'{{"component_id": {page.component._id}, "fn_name": "who", "session_hash": "s", "data": {{"x": "'
        yield start.encode()
        while read < LONGEST_CALL_BYTES + 20_000_000:
            read += 1_000_000
            yield b"x" * 1_000_000
        yield b'"}}'

    length = {"content-length": str(LONGEST_CALL_BYTES + 1)} if announced else {}
    headers = {"content-type": "application/json", **length}
    answer = page.client().post("/gradio_api/component_server/", content=pieces(), headers=headers)
    assert "browser" not in answer.text
    assert answer.status_code == 413 if announced else answer.status_code >= 400
    if announced:
        assert answer.json()["error"] == TOO_LONG
    body = {"component_id": page.component._id, "fn_name": "who", "data": {"x": "x" * 5_000_000}, "session_hash": "s"}
    assert "browser" in page.client().post("/gradio_api/component_server/", json=body).json()
