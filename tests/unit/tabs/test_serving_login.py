"""The login: throttled, kept through a restart, ended for one browser alone, and nothing told before it."""

import logging
import stat
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tabs.serving.config import Serving
from tabs.serving.routes import LOGIN, session_page
from tabs.serving.sessions import KEY_FILE, Sessions
from tabs.serving.throttle import LONGEST_WAIT_SECONDS, MOST_ADDRESSES, Throttle, network
from tests.serving import LOCAL, SmallPage
from tests.unit.tabs.test_serving_guard import address, everything
from workbench.core.errors import UserError

PASSWORD = "correct horse"
SERVING = Serving("0.0.0.0", password=PASSWORD)
TELLS = ("6.31", "gradio", "/work", "/usr", ".venv", "site-packages", "component", "torch", "python", "assets")


@pytest.fixture(scope="module")
def page() -> SmallPage:
    return SmallPage()


def client(page: SmallPage, folder: Path, **options: Any) -> TestClient:
    return page.client(SERVING, folder, **options)


def log_in(browser: TestClient, password: str = PASSWORD, query: str = "", name: str = "workbench") -> Any:
    return browser.post(f"{LOGIN}{query}", data={"name": name, "password": password}, headers={"origin": LOCAL})


def test_nothing_is_told_and_nothing_done_before_the_login(page: SmallPage, tmp_path: Path) -> None:
    stranger = client(page, tmp_path)
    for method, path in [
        *everything(page),
        ("GET", "/not-there"),
        ("GET", "/static/x"),
        ("GET", "/gradio_api/file=/etc"),
    ]:
        body = {"content-type": "application/json"} if method == "POST" and path != LOGIN else {}
        reply = stranger.request(method, address(path), headers=body)
        expected = 303 if session_page(path)[0] else {"/": 303, LOGIN: 200}.get(path)
        assert reply.status_code in ((expected,) if expected and method != "POST" else (401, 404, 415)), (method, path)
        text = f"{reply.text} {dict(reply.headers)}".lower().replace("workbench", "")
        assert not [word for word in TELLS if word in text], (method, path)


def test_a_login_opens_the_page_where_it_was_asked_for(page: SmallPage, tmp_path: Path) -> None:
    with client(page, tmp_path) as browser:
        asked = browser.get("/?tab=train&x=1")
        assert asked.headers["location"] == "./login?next=tab%3Dtrain%26x%3D1"
        reply = log_in(browser, query="?next=tab%3Dtrain%26x%3D1")
        assert (reply.status_code, reply.headers["location"]) == (303, "./?tab=train&x=1")
        assert "HttpOnly; SameSite=Lax" in reply.headers["set-cookie"]
        assert browser.get("/").status_code == 200
        assert page.call(browser).json()["login"] == "workbench"


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example", "\r\nx: y", "/..//evil.example", "'\"><script>"]
)
def test_a_login_leads_to_no_other_page(page: SmallPage, tmp_path: Path, target: str) -> None:
    browser = client(page, tmp_path)
    assert "<script>" not in browser.get(LOGIN, params={"next": target}).text
    reply = browser.post(LOGIN, params={"next": target}, data={"name": "workbench", "password": PASSWORD})
    assert reply.headers["location"].startswith("./?") and "\n" not in reply.headers["location"]
    assert reply.headers.get("x") is None


@pytest.mark.parametrize(
    ("name", "password"),
    [("workbench", "wrong"), ("other", PASSWORD), ("", ""), ("workbench", ""), ("workbench", "é\0")],
)
def test_a_wrong_name_or_password_is_refused_and_logged(
    page: SmallPage, tmp_path: Path, name: str, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    browser = client(page, tmp_path)
    reply = log_in(browser, password, name=name)
    assert reply.status_code == 401 and "That is not the name" in reply.text
    assert not [cookie for cookie in browser.cookies if cookie.startswith("workbench-login")]
    assert [record.levelno for record in caplog.records if record.name == "workbench.login"] == [logging.WARNING]
    assert "wrong password from" in caplog.text


def test_of_600_wrong_passwords_in_a_row_a_handful_is_tried(page: SmallPage, tmp_path: Path, caplog: Any) -> None:
    browser = client(page, tmp_path)
    replies = [log_in(browser, f"guess {n}") for n in range(600)]
    tried = sum(reply.status_code == 401 for reply in replies)
    assert 5 <= tried <= 12, "one more after 1, 2, 4, … s: the machine may be slow"
    assert replies[-1].status_code == 429 and int(replies[-1].headers["retry-after"]) >= 1
    assert "Too many tries" in replies[-1].text
    assert log_in(browser).status_code == 429, "the right one has to wait too"
    assert caplog.text.count("wrong password") == tried, "the log is not flooded"


def test_a_form_that_is_too_long_is_no_login(page: SmallPage, tmp_path: Path) -> None:
    assert log_in(client(page, tmp_path), PASSWORD + " " * 20_000).status_code == 401


# ---- the login's own life ------------------------------------------------------------------------------------


def test_a_login_outlives_a_restart_and_ends_with_the_password(page: SmallPage, tmp_path: Path) -> None:
    with client(page, tmp_path) as browser:
        log_in(browser)
        jar = dict(browser.cookies)
        assert client(page, tmp_path, cookies=jar).get("/favicon.ico").status_code == 200
    other = page.client(Serving("0.0.0.0", password="another"), tmp_path, cookies=jar)
    assert other.get("/favicon.ico").status_code == 401
    assert client(page, tmp_path / "..", cookies=jar).get("/favicon.ico").status_code == 401, "another home's key"


def test_logging_out_ends_this_login_for_good_and_no_other(page: SmallPage, tmp_path: Path) -> None:
    first, second = client(page, tmp_path), client(page, tmp_path)
    log_in(first), log_in(second)
    jar = dict(first.cookies)
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert first.get("/logout").status_code == 404
    assert first.post("/logout", headers={"origin": "http://evil.example", **form}).status_code == 403
    assert client(page, tmp_path).post("/logout", headers=form).status_code == 401
    assert first.get("/favicon.ico").status_code == second.get("/favicon.ico").status_code == 200
    reply = first.post("/logout", headers={"origin": LOCAL, **form})
    assert reply.headers["location"] == "./login" and "Max-Age=0" in reply.headers["set-cookie"]
    stolen = client(page, tmp_path, cookies=jar)  # after a restart, with the cookie as it was
    assert stolen.get("/favicon.ico").status_code == 401
    assert second.get("/favicon.ico").status_code == 200


def test_the_key_is_the_owners_alone_and_a_forged_cookie_is_nothing(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, SERVING)
    value = sessions.begin("workbench")
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert sessions.login(value) == "workbench"
    for forged in (
        "",
        "x",
        value[:-5] + ("A" if value[-5] != "A" else "B") + value[-4:],  # the last letter carries bits that say nothing
        value.replace("workbench", "admin"),
        value + ".",
    ):
        assert sessions.login(forged) == ""


def test_a_login_ends_by_itself(tmp_path: Path) -> None:
    value = Sessions(tmp_path, SERVING).begin("workbench")
    assert Sessions(tmp_path, SERVING, max_age=-1).login(value) == ""


def test_a_list_of_ended_logins_that_was_cut_short_is_read(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, SERVING)
    ended, other = sessions.begin("workbench"), sessions.begin("workbench")
    sessions.end(ended), sessions.end("forged")
    with (tmp_path / "server.logins-ended").open("a") as file:
        file.write("abc\n\xff 12")
    again = Sessions(tmp_path, SERVING)
    assert again.login(ended) == "" and again.login(other) == "workbench"


# ---- throttle ------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_each_failure_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    clock = Clock()
    throttle, waits = Throttle(clock), []
    for _ in range(25):
        clock.time += (wait := throttle.wait("10.0.0.1"))
        if wait:
            waits.append(wait)
            assert throttle.wait("10.0.0.1") == 0
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == LONGEST_WAIT_SECONDS
    assert throttle.wait("10.0.0.2") == 0, "others do not wait"


def test_many_addresses_guess_no_faster_than_one_every_two_seconds() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    tried = 0
    for second in range(100):
        clock.time = float(second)
        tried += sum(throttle.wait(f"10.{second}.0.{n}") == 0 for n in range(50))
    assert tried == 30 + 49


def test_the_right_password_forgets_the_failures_and_addresses_are_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(4):
        throttle.wait("10.0.0.1")
    throttle.succeeded("10.0.0.1")
    assert throttle.failures("10.0.0.1") == 0
    for n in range(MOST_ADDRESSES + 10):
        throttle.wait(f"address {n}")
    assert len(throttle._addresses) == MOST_ADDRESSES


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    assert network("2001:db8::1") == network("2001:db8::2") != network("2001:db8:0:1::1")
    assert network("::ffff:10.0.0.1") == network("10.0.0.1") == "10.0.0.1"


# ---- when a login is asked for -------------------------------------------------------------------------------


def configured(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Serving:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Serving.configured()


@pytest.mark.parametrize(
    ("environment", "asks", "names_paths"),
    [
        ({}, False, True), ({"WORKBENCH_HOST": "::1"}, False, True), ({"WORKBENCH_HOST": "localhost"}, False, True),
        ({"WORKBENCH_PASSWORD": "p"}, True, False), ({"WORKBENCH_HOST": "0.0.0.0"}, True, False),
        ({"WORKBENCH_HOSTS": "bench.example.org"}, True, False), ({"WORKBENCH_HOST": "::"}, True, False),
        ({"SPACE_ID": "a/b", "SPACE_HOST": "a-b.hf.space"}, True, False),
        ({"SPACE_ID": "a/b", "WORKBENCH_FOLDERS": "/tmp"}, True, True),
    ],
)  # fmt: skip
def test_whoever_can_be_reached_by_others_asks_for_a_login_and_takes_no_paths(
    environment: dict[str, str], asks: bool, names_paths: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = configured(monkeypatch, environment)
    assert serving.asks_login is asks
    assert serving.accounts is (asks and "WORKBENCH_PASSWORD" not in environment), "who sets a password keeps it"
    assert serving.gate(()).is_open is names_paths
    assert serving.gate(()).unrestricted is (names_paths and not asks)


def test_a_space_knows_the_name_it_has_there(monkeypatch: pytest.MonkeyPatch) -> None:
    serving = configured(monkeypatch, {"SPACE_ID": "a/b", "SPACE_HOST": "a-b.hf.space"})
    assert serving.host == "0.0.0.0" and serving.knows("a-b.hf.space") and not serving.knows("b.hf.space")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKBENCH_PORT", "seven"), ("WORKBENCH_PORT", "0"), ("WORKBENCH_PORT", "70000"),
        ("WORKBENCH_HOSTS", "https://x.example"), ("WORKBENCH_HOSTS", "*.example.org"), ("WORKBENCH_HOSTS", "x:port"),
        ("WORKBENCH_FOLDERS", "/not/there"), ("WORKBENCH_FOLDERS", "relative"), ("WORKBENCH_FOLDERS", "/etc/hostname"),
    ],
)  # fmt: skip
def test_a_setting_that_means_nothing_is_named_with_its_remedy(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError) as caught:
        configured(monkeypatch, {name: value})
    problems = getattr(caught.value, "problems", [caught.value])
    assert [problem.field for problem in problems] == [name] and problems[0].remedy
