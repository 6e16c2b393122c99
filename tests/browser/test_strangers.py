"""In a real browser: other sites can neither read nor write, an ended login loses no vote, a Space shows in its hub."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driving import App, serving, tab, until
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.conftest import launched
from workbench.core.home import Home
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session
from workbench.preferences.standing_votes import effective_votes

PASSWORD = "correct horse"
HUB = "https://huggingface.co/spaces/me/bench"
TABS = ("Models", "Data", "Train", "Merge", "Compress", "Compare", "Label", "Jobs", "People")
READ = """async (url) => {
  const how = [{ credentials: "include" }, { credentials: "omit" }];
  const replies = await Promise.all(how.map((one) => fetch(url, one).then((reply) => reply.text(), () => "")));
  return replies.join("");
}"""
WRITE = """async ([url, body, type]) => {
  const call = { method: "POST", body, credentials: "include", mode: type === "text/plain" ? "no-cors" : "cors",
    headers: { "Content-Type": type } };
  return fetch(url, call).then((reply) => reply.type === "opaque" ? "sent" : reply.status, () => "blocked");
}"""
SEND_FORM = """(url) => {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: url });
  document.body.append(form);
  form.submit();
}"""
FRAME = "(url) => { const one = document.createElement('iframe'); one.src = url; document.body.append(one); }"


@pytest.fixture(scope="module")
def world(driver: Playwright) -> Iterator[Browser]:
    """A Chromium in which every name of .example is this machine."""
    rules = "--host-resolver-rules=MAP *.example 127.0.0.1"
    chromium = launched(driver, rules, "--disable-features=LocalNetworkAccessChecks,HttpsUpgrades")
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """A site of somebody else's on another port: an empty page."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>stranger</title>")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app with a login, known as bench.example, with a session of two pairs."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    create_session(home, "round", ["one", "two"], "questions", {})
    for number in range(3):
        asked = [{"role": "user", "content": f"question {number}"}]
        answers = {name: Answer(f"{name} says {number}", "eos", 4) for name in ("one", "two")}
        add_answers(home, "round", number, asked, answers)
    finish_session(home, "round")
    with serving(home, WORKBENCH_PASSWORD=PASSWORD, WORKBENCH_HOSTS="bench.example") as app:
        yield app


def log_in(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def watched(page: Page) -> list[str]:
    """What the page's console complains of."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def test_the_page_works_under_its_policy_without_a_complaint(world: Browser, app: App) -> None:
    page = world.new_context(color_scheme="dark").new_page()
    said = watched(page)
    page.goto(f"{app.url}?tab=x")
    log_in(page)
    page.wait_for_url("**/?tab=x")
    for name in TABS:
        tab(page, name)
        expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
    tab(page, "Data")
    page.locator("#load-sample").click()
    until((app.home.datasets / "field-guide").is_dir)
    assert said == []
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.context.close()


@pytest.mark.parametrize(
    ("target", "stranger"),
    [
        ("bench.example", "evil.example"), ("bench.example", "sub.bench.example"), ("bench.example", "bench.example"),
        ("127.0.0.1", "127.0.0.1"),
    ],
    ids=["another site", "a subdomain", "another port", "another port of this machine"],
)  # fmt: skip
def test_a_page_of_somebody_else_can_neither_read_nor_write(
    world: Browser, app: App, site: int, target: str, stranger: str
) -> None:
    context = world.new_context()
    page, url = context.new_page(), f"http://{target}:{app.port}"
    page.goto(url)
    log_in(page)
    expect(page.locator("#tabs")).to_be_visible()
    body = '{"data": [], "fn_index": 0, "session_hash": "x"}'
    calls = (f"{url}/gradio_api/run/predict", f"{url}/gradio_api/component_server/", f"{url}/logout")
    assert "components" in page.evaluate(READ, f"{url}/config"), "the page itself reads"
    assert page.evaluate(WRITE, [calls[0], body, "application/json"]) != "blocked", "and writes"

    other = context.new_page()
    other.goto(f"http://{stranger}:{site}/")
    for path in ("/", "/config", "/gradio_api/info", "/theme.css"):
        assert other.evaluate(READ, f"{url}{path}") == ""
    statuses: list[int] = []
    other.on("response", lambda reply: statuses.append(reply.status) if f":{app.port}" in reply.url else None)
    for call in calls:
        assert other.evaluate(WRITE, [call, body, "application/json"]) == "blocked"
        assert other.evaluate(WRITE, [call, body, "text/plain"]) in ("sent", "blocked")
    with other.expect_navigation(url=calls[2]) as logged_out:
        other.evaluate(SEND_FORM, calls[2])
    assert logged_out.value is not None and logged_out.value.status == 403
    assert set(statuses) <= {400, 403, 404}, "nothing of what was sent was done"
    other.goto(f"http://{stranger}:{site}/")
    assert _framed(other, url) is False
    assert "components" in page.evaluate(READ, f"{url}/config"), "nobody was logged out"
    context.close()


def _framed(page: Page, url: str) -> bool:
    """Whether the page shows in a frame of another one."""
    with page.expect_event("framenavigated", lambda frame: frame is not page.main_frame) as shown:
        page.evaluate(FRAME, url)
    frame = shown.value
    return bool(frame.locator("form, #tabs").count())


def test_a_name_pointed_at_this_machine_reads_nothing(world: Browser, app: App) -> None:
    page = world.new_context().new_page()
    reply = page.goto(f"http://rebound.example:{app.port}/")
    assert reply is not None and reply.status == 400
    assert "not known by that name" in page.inner_text("body")
    assert page.evaluate("fetch('/config').then((reply) => reply.status)") == 400
    page.context.close()


def test_an_ended_login_says_so_and_keeps_the_vote_until_somebody_logs_in_again(world: Browser, app: App) -> None:
    context = world.new_context()
    page = context.new_page()
    page.goto(app.url)
    log_in(page)
    tab(page, "Label")
    expect(page.locator("#session input")).to_have_value("round")
    page.locator("#annotator input, #annotator textarea").first.fill("ada")
    page.locator("#vote-start").click()
    pad = page.locator(".wb-vote-pad")
    expect(pad).to_contain_text("question")
    context.clear_cookies(name=f"workbench-login-{app.port}")
    page.keyboard.press("t")
    expect(pad).to_contain_text("Your login has ended. Log in again in another tab.")
    expect(pad).to_contain_text("Your choice “Equally good” is kept.")
    expect(page.locator(".wb-login-ended").filter(has_text="Your login has ended")).to_be_visible()
    assert effective_votes(app.home, "round") == []
    with context.expect_page() as opened:
        page.get_by_role("link", name="Log in again").click()
    log_in(opened.value)
    expect(opened.value.locator("#tabs")).to_be_visible()
    page.bring_to_front()
    expect(pad).to_contain_text("Saved ✓")
    expect(page.get_by_role("link", name="Log in again")).to_have_count(0)
    assert [vote.choice for vote in effective_votes(app.home, "round")] == ["tie"]
    context.close()


def test_a_space_shows_in_a_frame_of_the_hub_and_keeps_its_cookies_there(world: Browser, tmp_path: Path) -> None:
    settings = {"SPACE_ID": "me/bench", "SPACE_HOST": "me-bench.localhost", "WORKBENCH_PASSWORD": PASSWORD}
    with serving(Home.at(tmp_path), WORKBENCH_HOST="127.0.0.1", **settings) as app:
        context = world.new_context()
        page, url = context.new_page(), f"http://me-bench.localhost:{app.port}/"
        frame_html = f'<!doctype html><iframe src="{url}" width="1000" height="700"></iframe>'
        context.route(
            "https://huggingface.co/**", lambda route: route.fulfill(body=frame_html, content_type="text/html")
        )
        page.goto(HUB)
        inside = page.frame_locator("iframe")
        inside.get_by_label("Password").fill(PASSWORD)
        inside.get_by_role("button", name="Log in").click()
        expect(inside.locator("#tabs")).to_be_visible()
        cookies = {cookie["name"].partition("-login")[0]: cookie for cookie in context.cookies()}
        assert {(one["sameSite"], one["secure"], one["httpOnly"]) for one in cookies.values()} == {("None", True, True)}
        context.close()
