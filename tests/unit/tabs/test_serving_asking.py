"""Every browser has an id of its own, which events and server functions see alike."""

from pathlib import Path

import gradio as gr
import pytest
from starlette.testclient import TestClient

from tabs.serving.asking import BROWSER_COOKIE, Asker, asker
from tabs.serving.config import Serving
from tests.serving import SmallPage


@pytest.fixture(scope="module")
def page() -> SmallPage:
    return SmallPage()


def by_event(client: TestClient) -> str:
    return str(client.post("/gradio_api/run/who", json={"data": []}).json()["data"][0])


def test_an_event_and_a_server_function_name_the_same_browser(page: SmallPage) -> None:
    with page.client() as client:
        client.get("/")
        name = page.call(client).json()["browser"]
        assert len(name) == 32
        assert by_event(client) == name


def test_two_browsers_have_two_names_and_a_restart_keeps_them(page: SmallPage) -> None:
    with page.client() as first, page.client() as second:
        first.get("/"), second.get("/")
        names = page.call(first).json()["browser"], page.call(second).json()["browser"]
        assert names[0] != names[1]
        jar = dict(first.cookies)
    restarted = SmallPage()
    with restarted.client(cookies=jar) as again:
        assert restarted.call(again).json()["browser"] == names[0]


def test_the_name_does_not_give_the_cookie_away(page: SmallPage) -> None:
    with page.client() as client:
        client.get("/")
        assert page.call(client).json()["browser"] not in client.cookies[BROWSER_COOKIE]


@pytest.mark.parametrize("invented", ["", "x", "a" * 44, "a b", "é" * 43])
def test_a_cookie_that_is_none_of_ours_is_replaced(page: SmallPage, invented: str) -> None:
    reply = page.client().get("/favicon.ico", headers={"cookie": f"{BROWSER_COOKIE}={invented}".encode()})
    assert len(reply.cookies[BROWSER_COOKIE]) == 43


def test_a_browser_that_is_known_gets_no_second_cookie(page: SmallPage) -> None:
    client = page.client()
    assert "set-cookie" in client.get("/favicon.ico").headers
    assert "set-cookie" not in client.get("/favicon.ico").headers


@pytest.mark.parametrize(
    ("base_url", "space", "rules"),
    [
        ("http://127.0.0.1", False, "SameSite=Lax"),
        ("https://example.org", False, "SameSite=Lax; Secure"),
        ("https://x.hf.space", True, "SameSite=None; Secure; Partitioned"),
    ],
)
def test_no_script_reads_the_cookie_and_no_other_site_sends_it(
    page: SmallPage, base_url: str, space: bool, rules: str
) -> None:
    serving = Serving(hosts=("example.org", "x.hf.space"), space=space)
    client = page.client(serving, Path("/nowhere"), base_url=base_url)
    assert client.get("/favicon.ico").headers["set-cookie"].endswith(f"HttpOnly; {rules}")


def test_nobody_asks_where_no_request_came_through_the_server() -> None:
    assert asker(None) == Asker() == asker(gr.Request())
