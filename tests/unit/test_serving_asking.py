"""Every browser has an id of its own, which events and server functions see alike."""

from typing import Any

import gradio as gr
import pytest
from starlette.testclient import TestClient

from tabs._kit import component
from tabs.serving.asking import BROWSER_COOKIE, Asker, asker
from tabs.serving.server import mounted
from tabs.serving.stack import stack


def page() -> gr.Blocks:
    """A page that says who asks, by an event and by a server function."""

    def by_event(request: gr.Request) -> str:
        return asker(request).browser

    def by_function(query: dict[str, Any], request: Any) -> dict[str, Any]:
        return {"browser": asker(request).browser}

    with gr.Blocks() as demo:
        component("pulse", "", {"who": by_function}, ("", "", ""), elem_id="who")
        gr.Button().click(by_event, None, gr.Textbox(), api_name="who", queue=False)
    return demo


@pytest.fixture
def app() -> Any:
    demo = page()
    demo.app = mounted(demo, None)
    return demo


def browser(demo: Any, base_url: str = "http://127.0.0.1:7860", **options: Any) -> TestClient:
    return TestClient(stack(demo.app), base_url=base_url, **options)


def by_function(client: TestClient, demo: gr.Blocks) -> str:
    identifier = next(key for key, block in demo.blocks.items() if block.elem_id == "who")
    body = {"component_id": identifier, "fn_name": "who", "data": {}, "session_hash": "s"}
    return client.post("/gradio_api/component_server/", json=body).json()["browser"]


def by_event(client: TestClient) -> str:
    return client.post("/gradio_api/run/who", json={"data": []}).json()["data"][0]


def test_an_event_and_a_server_function_name_the_same_browser(app: Any) -> None:
    with browser(app) as client:
        client.get("/")
        name = by_function(client, app)
        assert len(name) == 32
        assert by_event(client) == name


def test_two_browsers_have_two_names_and_a_restart_keeps_them(app: Any) -> None:
    with browser(app) as first, browser(app) as second:
        first.get("/"), second.get("/")
        names = by_function(first, app), by_function(second, app)
        assert names[0] != names[1]
        jar = dict(first.cookies)
    restarted = page()
    restarted.app = mounted(restarted, None)
    with browser(restarted, cookies=jar) as again:
        assert by_function(again, restarted) == names[0]


def test_the_name_does_not_give_the_cookie_away(app: Any) -> None:
    with browser(app) as client:
        client.get("/")
        secret = client.cookies[BROWSER_COOKIE]
        assert by_function(client, app) not in secret


@pytest.mark.parametrize("invented", ["", "x", "a" * 44, "a b", "é" * 43])
def test_a_cookie_that_is_none_of_ours_is_replaced(app: Any, invented: str) -> None:
    with browser(app) as client:
        reply = client.get("/", headers={"cookie": f"{BROWSER_COOKIE}={invented}".encode()})
        assert len(reply.cookies[BROWSER_COOKIE]) == 43


def test_a_browser_that_is_known_gets_no_second_cookie(app: Any) -> None:
    with browser(app) as client:
        assert "set-cookie" in client.get("/").headers
        assert "set-cookie" not in client.get("/").headers


@pytest.mark.parametrize(
    ("base_url", "space", "rules"),
    [
        ("http://127.0.0.1", False, "SameSite=Lax"),
        ("https://example.org", False, "SameSite=Lax; Secure"),
        ("https://x.hf.space", True, "SameSite=None; Secure; Partitioned"),
    ],
)
def test_no_script_reads_the_cookie_and_no_other_site_sends_it(
    app: Any, base_url: str, space: bool, rules: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if space:
        monkeypatch.setenv("SPACE_ID", "someone/workbench")
    with browser(app, base_url) as client:
        assert client.get("/").headers["set-cookie"].endswith(f"HttpOnly; {rules}")


def test_nobody_asks_where_no_request_came_through_the_server() -> None:
    assert asker(None) == Asker() == asker(gr.Request())
