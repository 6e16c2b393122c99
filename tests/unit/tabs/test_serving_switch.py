"""Accounts are switched on in the page while the server runs, by whoever makes the first owner's account."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.routing import Mount
from starlette.testclient import TestClient

from tabs.people.tab import build
from tabs.serving.callers import event_name
from tabs.serving.config import Serving
from tabs.serving.page import Page
from tabs.serving.permissions import OLD_PAGE, PAGE_ROLE_HEADER
from tabs.serving.routes import INVITE
from tabs.serving.site import Site
from tabs.shell.context import Context
from tests.serving import LOCAL
from workbench.core.home import Home
from workbench.people.accounts import accounts_are_on, list_people
from workbench.people.invitations import invite
from workbench.people.record import ChangeFilter, all_changes
from workbench.people.roles import Role


def people_page(ctx: Context) -> gr.Blocks:
    """The People tab alone, which has other parts with accounts than without."""
    with Page() as demo:
        build(ctx)
        ctx.wire(demo)
    return demo


def small_page(ctx: Context) -> gr.Blocks:
    with Page() as demo:
        gr.Textbox("nothing of owners")
    return demo


PAGES = {Role.OWNER: people_page, Role.ANNOTATOR: small_page, Role.VIEWER: small_page}
PASSWORD = "correct horse battery"
OLGA = {"name": "Olga", "password": PASSWORD}


class Served:
    """A server of its own, with browsers."""

    def __init__(self, folder: Path, serving: Serving, pages: Any = PAGES) -> None:
        self.home = Home.at(folder)
        uploads = folder / "uploads"
        uploads.mkdir(exist_ok=True)
        self.site = Site(pages, serving, self.home, uploads)
        self.first = self.browser()

    def browser(self) -> TestClient:
        return TestClient(self.site, LOCAL, follow_redirects=False, raise_server_exceptions=False)

    def link(self, **headers: str) -> str:
        """What the People tab's button answers, as the page would open it."""
        mount = next(route for route in self.site._now.pages.routes if isinstance(route, Mount))
        demo = mount.app.get_blocks()  # type: ignore[attr-defined]
        index = next(i for i, event in demo.fns.items() if event.fn and "_switch.switched" in event_name(event.fn))
        body = {"data": [], "fn_index": index, "session_hash": "s"}
        path: str = self.first.post("/gradio_api/run/predict", json=body, headers=headers).json()["data"][0]
        return f"/{path}"

    def join(self, link: str, **form: str) -> Any:
        return self.first.post(link, data=OLGA | form, headers={"origin": LOCAL})


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path, Serving())
    with server.first:
        yield server


def is_in(client: TestClient) -> bool:
    return client.get("/favicon.ico").status_code == 200


def numbers(server: Served) -> list[int]:
    """Those of the page's parts, from the number of which a new process would begin."""
    parts = server.first.get("/config").json()["components"]
    return [part["id"] - server.site._first_number for part in parts]


def test_the_first_owner_switches_accounts_on_without_a_restart(served: Served) -> None:
    home, other = served.home, served.browser()
    old = {PAGE_ROLE_HEADER: "local-owner"}
    assert is_in(served.first) and is_in(other)
    link = served.link(**old)
    assert served.first.get(link).status_code == 200 and not accounts_are_on(home), "a link alone changes nothing"
    assert served.join(link, password="short").status_code == 400
    assert served.first.post(link, data=OLGA, headers={"origin": "http://evil.example"}).status_code == 403
    assert is_in(other) and not accounts_are_on(home) and list_people(home) == []
    assert served.site.queue.gate.unrestricted

    joined = served.join(link)
    assert (joined.status_code, joined.headers["location"]) == (303, "./")
    assert is_in(served.first) and not is_in(other) and other.get("/").headers["location"] == "./login"
    assert [(person.name, person.role) for person in list_people(home)] == [("Olga", Role.OWNER)]
    assert accounts_are_on(home) and not served.site.queue.gate.unrestricted
    newest = all_changes(home, ChangeFilter(kind="switched on"))[0]
    assert (newest.person, newest.object_name) == ("Olga", "accounts")
    page = served.first.get("/").text
    assert re.search("workbench-role[^>]*owner", page) and "local-owner" not in page

    stale = served.first.post("/gradio_api/component_server/", json={}, headers=old)
    assert (stale.status_code, stale.json()["error"]) == (409, OLD_PAGE)
    assert served.browser().get(link).status_code == 410, "it works once"
    # an open page goes on after a restart: its parts have the same numbers there
    restarted = Served(home.root, Serving.configured(accounts_are_on(home)))
    restarted.first.cookies = served.first.cookies
    with restarted.first:
        assert numbers(restarted) == numbers(served)


def test_only_an_owners_link_switches_accounts_on_and_a_new_one_makes_the_last_void(served: Served) -> None:
    annotator = f"{INVITE}?token={invite(served.home, 'annotator', 'test')}"
    for reply in (served.first.get(annotator), served.join(annotator)):
        assert reply.status_code == 403 and "not switched on here yet" in reply.text
    first, second = served.link(), served.link()
    assert served.join(first).status_code == 410 and not accounts_are_on(served.home)
    assert served.join(second).status_code == 303 and accounts_are_on(served.home)


def test_pages_that_cannot_be_made_leave_everything_as_it_was(tmp_path: Path) -> None:
    def fails(ctx: Any) -> Any:
        if ctx.accounts:
            raise RuntimeError("no page")
        return PAGES[Role.VIEWER](ctx)

    server = Served(tmp_path, Serving(), PAGES | {Role.VIEWER: fails})
    with server.first:
        link = server.link()
        assert server.join(link).status_code == 500
        assert not accounts_are_on(server.home) and list_people(server.home) == [] and is_in(server.first)
        assert server.first.get(link).status_code == 200, "the link can still be used"


def test_who_has_the_shared_password_switches_to_accounts_which_end_it(tmp_path: Path) -> None:
    server = Served(tmp_path, Serving("0.0.0.0", password="the one password"))
    with server.first:
        form = {"name": "workbench", "password": "the one password"}
        assert server.first.post("/login", data=form, headers={"origin": LOCAL}).status_code == 303
        other = server.browser()
        other.cookies = server.first.cookies
        assert is_in(other)
        assert server.join(server.link()).status_code == 303
        assert is_in(server.first) and not is_in(other)
        assert other.post("/login", data=form, headers={"origin": LOCAL}).status_code == 401
