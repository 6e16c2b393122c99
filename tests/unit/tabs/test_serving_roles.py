"""Every road into the page for every role: routes, events, server functions, files; and what strangers try there."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.testclient import TestClient

from tabs.application import PAGES
from tabs.serving.callers import EVENTS, SERVER_FUNCTIONS, event_name
from tabs.serving.config import Serving
from tabs.serving.permissions import NOT_YOURS, OTHER_PAGE, PAGE_ROLE_HEADER
from tabs.serving.routes import FILE, FORM, INVITE, LOGIN, LOGOUT, ROUTES, Who
from tabs.serving.serve import announce_accounts
from tabs.serving.server import mounted
from tabs.serving.sessions import Sessions
from tabs.serving.stack import stack
from tabs.shell.context import Context
from tabs.shell.kit import static_paths
from tests.serving import LOCAL
from tests.unit.tabs.test_serving_guard import address
from tests.voting import close, make_session
from workbench.chat.service import ChatService
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.people import accounts
from workbench.people.invitations import (
    InvitationRefused,
    accept_invitation,
    invite,
    invite_first_owner,
    reset_person,
)
from workbench.people.people_log import people_events
from workbench.people.roles import Role
from workbench.preferences.standing_votes import effective_votes

PASSWORD = "correct horse battery"
MODELS = ("model-alpha", "model-beta")
SERVING = Serving("0.0.0.0", accounts=True)
NAMES = {Role.OWNER: "Olga", Role.ANNOTATOR: "Anna", Role.VIEWER: "Viktor"}
STREAMS = ("/gradio_api/queue/data", "/gradio_api/heartbeat/{session_hash}", "/gradio_api/upload_progress")


class Bench:
    """The real pages of a home with an owner, an annotator and a viewer."""

    def __init__(self, folder: Path) -> None:
        self.home = Home.at(folder)
        accept_invitation(self.home, invite_first_owner(self.home), "Olga", PASSWORD)
        for role in (Role.ANNOTATOR, Role.VIEWER):
            accept_invitation(self.home, invite(self.home, role, "Olga"), NAMES[role], PASSWORD)
        make_session(self.home, "round", 6, MODELS)
        make_session(self.home, "ended", 1, MODELS)
        close(self.home, "ended")
        queue = Queue(self.home)
        runner, chats = Runner(self.home, queue), ChatService(self.home)
        self.demos = {role: PAGES[role](Context(self.home, queue, runner, chats, asks_login=True, accounts=True))
                      for role in Role}  # fmt: skip
        self.apps = {role: mounted(demo, role) for role, demo in self.demos.items()}

    def client(self, serving: Serving = SERVING, confused: bool = False, **options: Any) -> TestClient:
        """A browser of its own, not logged in; `confused`: a server that gives every role the owner's page."""
        others = {role: self.apps[Role.OWNER if confused else role] for role in (Role.ANNOTATOR, Role.VIEWER)}
        app = stack(self.apps[Role.OWNER], serving, self.home.root, others)
        client = {"base_url": LOCAL, "follow_redirects": False, "raise_server_exceptions": False} | options
        return TestClient(app, **client)

    def logged_in(self, role: Role | None, **options: Any) -> TestClient:
        client = self.client(**options)
        if role:
            assert log_in(client, NAMES[role]).status_code == 303
        return client

    def pad(self, client: TestClient, function: str, role: Role = Role.ANNOTATOR, **query: Any) -> Any:
        """What a function of the vote pad answers."""
        component = next(block for block in self.demos[role].blocks.values() if hasattr(block, "cast_vote"))
        return call(client, component._id, function, {"session": "round", **query})


def log_in(client: TestClient, name: str, password: str = PASSWORD) -> Any:
    return client.post(LOGIN, data={"name": name, "password": password}, headers={"origin": LOCAL})


def call(client: TestClient, component: int, function: str, query: Any = None, **headers: str) -> Any:
    body = {"component_id": component, "fn_name": function, "data": query or {}, "session_hash": "s"}
    return client.post("/gradio_api/component_server/", json=body, headers=headers)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("home"))


@pytest.fixture
def anna(bench: Bench) -> Iterator[TestClient]:
    """An annotator's browser; in the end her account is as it was."""
    yield bench.logged_in(Role.ANNOTATOR)
    accounts.enable_person(bench.home, "Anna", "test"), accounts.change_role(bench.home, "Anna", "annotator", "test")


# ---- the table ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [None, *Role])
def test_every_route_is_answered_for_those_who_may_and_for_nobody_else(bench: Bench, role: Role | None) -> None:
    client = bench.logged_in(role)
    for route in ROUTES:
        if (
            route.who is Who.NOBODY
            or route.path in (LOGOUT, FILE)
            or (route.path in STREAMS and route.who.allows(role))
        ):
            continue
        for method in route.methods:
            kind = {"content-type": route.body} if method == "POST" else {}
            status = client.request(method, address(route.path), headers=kind).status_code
            if route.who.allows(role):
                asks = {401} if (method, route.path) == ("POST", LOGIN) else set()  # for a name and a password
                assert status not in {401, 403} - asks, (role, method, route.path)
            elif role is None:
                leads = route.linked and route.who is not Who.ANYONE
                assert status == (303 if leads else 401), (role, method, route.path)
            else:
                assert status == 403, (role, method, route.path)


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.VIEWER])
def test_every_event_and_function_of_an_owner_is_refused_even_on_the_owners_page(
    bench: Bench, role: Role, caplog: pytest.LogCaptureFixture
) -> None:
    client, page = bench.logged_in(role, confused=True), bench.demos[Role.OWNER]
    tried = 0
    for index, event in page.fns.items():
        if event.fn is None or EVENTS[event_name(event.fn)].allows(role):
            continue
        body = {"data": [None] * len(event.inputs), "fn_index": index, "session_hash": "s"}
        reply = client.post("/gradio_api/run/predict", json=body)
        assert (reply.status_code, reply.json()["error"]) == (500, NOT_YOURS), event_name(event.fn)
        tried += 1
    for block in page.blocks.values():
        for name, function in vars(block).items():
            if getattr(function, "_is_server_fn", False) and not SERVER_FUNCTIONS[function.__qualname__].allows(role):
                assert call(client, block._id, name).json() == {"error": NOT_YOURS}, function.__qualname__
                tried += 1
    assert tried > 150 and f"to {NAMES[role]}" in caplog.text


def test_the_queue_is_no_way_around(bench: Bench) -> None:
    page = bench.demos[Role.OWNER]
    index = next(
        i for i, event in page.fns.items() if event.fn and event_name(event.fn) == "people.tab._manage.set_role"
    )
    with bench.logged_in(Role.ANNOTATOR, confused=True) as client:
        body = {"data": ["Anna", "owner"], "fn_index": index, "session_hash": "q"}
        assert client.post("/gradio_api/queue/join", json=body).status_code == 200
        with client.stream("GET", "/gradio_api/queue/data?session_hash=q") as stream:
            text = next(line for line in stream.iter_lines() if "process_completed" in line)
    assert '"success":false' in text.replace(" ", "") and NOT_YOURS in text
    assert accounts.get_person(bench.home, "Anna").role is Role.ANNOTATOR


def test_an_owner_may_call_what_others_may_not(bench: Bench) -> None:
    client, page = bench.logged_in(Role.OWNER), bench.demos[Role.OWNER]
    block = next(block for block in page.blocks.values() if hasattr(block, "notices"))
    assert call(client, block._id, "notices").json().get("error") != NOT_YOURS


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.VIEWER])
def test_files_are_those_of_the_page_alone(bench: Bench, role: Role) -> None:
    client, owner = bench.logged_in(role), bench.logged_in(Role.OWNER)
    icon = next(path for path in static_paths() if path.suffix == ".svg")
    upload = owner.post("/gradio_api/upload", files={"files": ("a.txt", b"hello")}).json()[0]
    gr.set_static_paths(static_paths())
    assert client.get(f"/gradio_api/file={icon}").status_code == 200
    assert owner.get(f"/gradio_api/file={upload}").status_code == 200
    for path in (upload, f"{icon}/../../../etc/passwd", f"{icon.parent}/fonts/../js/main.js", str(bench.home.labels),
                 f"{icon.parent}/fonts/..%2f..%2fapp.py", f"{icon}%00"):  # fmt: skip
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404), path
    assert client.post("/gradio_api/upload", files={"files": ("a.txt", b"hello")}).status_code == 403


# ---- what an annotator learns ---------------------------------------------------------------------------------


def test_nothing_an_annotator_is_sent_names_a_model(bench: Bench, anna: TestClient) -> None:
    with anna:
        texts = [anna.get(path).text for path in ("/", "/config", "/gradio_api/info")]
    texts.append(bench.pad(anna, "next_pair").text)
    pulse = next(block for block in bench.demos[Role.ANNOTATOR].blocks.values() if hasattr(block, "changes"))
    texts.append(call(anna, pulse._id, "changes").text)
    assert "round" in texts[-1] and "ended" not in texts[-1], "sessions that are closed are not offered"
    for text in texts:
        assert not [model for model in MODELS if model in text]
        assert "Start training" not in text and "train-dpo" not in text and "session-close" not in text


def test_a_viewer_sees_results_of_closed_sessions_alone(bench: Bench) -> None:
    client, page = bench.logged_in(Role.VIEWER), bench.demos[Role.VIEWER]
    index = next(i for i, event in page.fns.items() if event.fn and "view_result" in event_name(event.fn))

    def result(session: str) -> str:
        body = {"data": [session], "fn_index": index, "session_hash": "s"}
        return client.post("/gradio_api/run/predict", json=body).text

    assert "No votes" in result("ended")
    assert "hidden from everyone" in result("round") and not [model for model in MODELS if model in result("round")]


# ---- votes ----------------------------------------------------------------------------------------------------


def test_the_server_says_who_votes_whatever_the_client_claims(bench: Bench, anna: TestClient) -> None:
    item = bench.pad(anna, "next_pair", annotator="Olga").json()["item"]
    reply = bench.pad(anna, "cast_vote", annotator="Olga", token=item["token"], choice="left", key="k1").json()
    assert reply["saved"]
    assert {vote.annotator for vote in effective_votes(bench.home, "round")} == {"Anna"}


def test_a_token_of_somebody_else_and_a_vote_sent_again_count_for_nothing(bench: Bench, anna: TestClient) -> None:
    olga = bench.logged_in(Role.OWNER)
    hers = bench.pad(olga, "next_pair", Role.OWNER).json()["item"]["token"]
    before = len(effective_votes(bench.home, "round"))
    stolen = bench.pad(anna, "cast_vote", token=hers, choice="left", key="stolen").json()
    assert stolen["error"] and not stolen.get("saved")
    forged = bench.pad(anna, "cast_vote", token="x" * 32, choice="left", key="forged").json()
    assert forged["error"] and len(effective_votes(bench.home, "round")) == before
    mine = bench.pad(anna, "next_pair").json()["item"]["token"]
    for _ in range(3):
        bench.pad(anna, "cast_vote", token=mine, choice="left", key="once")
    bench.pad(anna, "cast_vote", token=mine, choice="right", key="again")
    assert len(effective_votes(bench.home, "round")) == before + 1
    bench.pad(olga, "return_pair", Role.OWNER, token=hers)


def test_two_browsers_of_one_person_are_one_voter(bench: Bench, anna: TestClient) -> None:
    other = bench.logged_in(Role.ANNOTATOR)
    pair = bench.pad(anna, "next_pair").json()["item"]
    assert bench.pad(other, "next_pair").json()["item"]["token"] == pair["token"]


def test_an_annotator_is_told_of_their_own_turn_and_a_viewer_of_nothing(bench: Bench, anna: TestClient) -> None:
    def bell(role: Role) -> Any:
        return next((block for block in bench.demos[role].blocks.values() if hasattr(block, "own_notices")), None)

    reply = call(anna, bell(Role.ANNOTATOR)._id, "own_notices")
    (notice,) = reply.json()["notices"]
    assert (notice["name"], notice["title"]) == ("round", "round: it is your turn to vote")
    assert not [model for model in MODELS if model in reply.text]
    viktor = bench.logged_in(Role.VIEWER, confused=True)
    assert bell(Role.VIEWER) is None and bell(Role.OWNER) is None
    owners = next(block for block in bench.demos[Role.OWNER].blocks.values() if hasattr(block, "notices"))
    for client in (viktor, bench.logged_in(Role.ANNOTATOR, confused=True)):
        assert call(client, owners._id, "notices").json() == {"error": NOT_YOURS}


# ---- logins ---------------------------------------------------------------------------------------------------


def test_a_disabled_or_reset_person_is_out_at_once_and_for_good(bench: Bench, anna: TestClient) -> None:
    assert anna.get("/favicon.ico").status_code == 200
    accounts.disable_person(bench.home, "Anna", "Olga")
    assert anna.get("/favicon.ico").status_code == 401
    assert bench.pad(anna, "next_pair").status_code == 401
    assert log_in(bench.client(), "Anna").status_code == 401
    accounts.enable_person(bench.home, "Anna", "Olga")
    assert anna.get("/favicon.ico").status_code == 401, "the login from before does not come back"
    again = bench.logged_in(Role.ANNOTATOR)
    token = reset_person(bench.home, "Anna", "Olga")
    assert again.get("/favicon.ico").status_code == 401
    accept_invitation(bench.home, token, "", PASSWORD)
    assert log_in(again, "Anna").status_code == 303 and again.get("/favicon.ico").status_code == 200


def test_a_role_is_that_of_the_moment_and_a_page_from_before_reaches_no_other(bench: Bench, anna: TestClient) -> None:
    upload = {"files": ("a.txt", b"hello")}
    assert anna.post("/gradio_api/upload", files=upload).status_code == 403
    accounts.change_role(bench.home, "Anna", "owner", "Olga")
    assert anna.post("/gradio_api/upload", files=upload).status_code == 200
    accounts.change_role(bench.home, "Anna", "viewer", "Olga")
    assert anna.post("/gradio_api/upload", files=upload).status_code == 403
    reply = call(anna, 1, "x", **{PAGE_ROLE_HEADER: "annotator"})
    assert (reply.status_code, reply.json()["error"]) == (409, OTHER_PAGE)


def test_a_session_has_a_page_of_its_own_for_those_who_may_and_for_owners(bench: Bench) -> None:
    owner, anna, viktor = (bench.logged_in(role) for role in (Role.OWNER, Role.ANNOTATOR, Role.VIEWER))
    for place, whose, refused in (("label", Role.ANNOTATOR, viktor), ("results", Role.VIEWER, anna)):
        for client in (owner, viktor if refused is anna else anna):
            page = client.get(f"/{place}/round")
            assert page.status_code == 200 and re.search(f"workbench-role[^>]*{whose}", page.text)
            assert '<head><base href="../">' in page.text and "script-src" in page.headers["content-security-policy"]
        for name in ("round", "ended", "there-is-none"):  # whether it exists is not told
            reply = refused.get(f"/{place}/{name}")
            assert reply.status_code == 403 and NOT_YOURS in reply.text
        assert '<base href="../">' not in owner.get(f"/{place}").text
    pad = next(block for block in bench.demos[Role.ANNOTATOR].blocks.values() if hasattr(block, "cast_vote"))
    query = {"session": "round"}  # an owner's calls go to the page they come from
    assert call(owner, pad._id, "next_pair", query, **{PAGE_ROLE_HEADER: "annotator"}).json()["title"] is not None
    assert call(viktor, pad._id, "next_pair", query, **{PAGE_ROLE_HEADER: "annotator"}).status_code == 409


def test_the_login_leads_on_to_the_session_of_a_link_and_nowhere_else(bench: Bench) -> None:
    stranger = bench.client()
    asked = stranger.get("/label/na%20me%26x%3D1%23")
    assert asked.headers["location"] == "./../login?next=tab%3Dlabel%26session%3Dna%2Bme%2526x%253D1%2523"
    assert stranger.get("/results").headers["location"] == "./login?next=tab%3Dresults"
    for odd in ("//evil.example", "https://evil.example/", "..%2F..%2Fx"):
        form = {"data": {"name": "Anna", "password": PASSWORD}, "headers": {"origin": LOCAL}}
        assert bench.client().post(f"{LOGIN}?next={odd}", **form).headers["location"].startswith("./?")


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.VIEWER])
def test_of_a_session_that_is_not_shown_it_is_not_told_whether_there_is_one(bench: Bench, role: Role) -> None:
    component = next(block for block in bench.demos[role].blocks.values() if hasattr(block, "find_session"))
    client = bench.logged_in(role)
    names = {"round": role is Role.ANNOTATOR, "ended": role is Role.VIEWER, "none": False}
    told = {name: call(client, component._id, "find_session", {"name": name}).json()["problem"] for name in names}
    assert {name: not problem for name, problem in told.items()} == names
    hidden = next(name for name in ("ended", "round") if not names[name])
    assert told[hidden].replace(hidden, "none") == told["none"]


def test_a_login_outlives_a_restart_and_logging_out_ends_a_copied_cookie(bench: Bench) -> None:
    first = bench.logged_in(Role.ANNOTATOR)
    jar = dict(first.cookies)
    assert bench.client(cookies=jar).get("/favicon.ico").status_code == 200
    assert first.post(LOGOUT, headers={"origin": LOCAL, "content-type": FORM}).status_code == 303
    assert bench.client(cookies=jar).get("/favicon.ico").status_code == 401
    assert people_events(bench.home)[0].kind == "logged out"


def test_a_forged_foreign_or_old_cookie_is_nobodys(bench: Bench, tmp_path: Path) -> None:
    name = Sessions(bench.home.root, SERVING).cookie.name
    own, foreign = Sessions(bench.home.root, SERVING), Sessions(tmp_path, SERVING)
    of_password = Sessions(bench.home.root, Serving("0.0.0.0", password="p"))
    old = Sessions(bench.home.root, SERVING, max_age=-1)
    good = own.begin("1-1")
    assert bench.client(cookies={name: own.begin("1-0")}).get("/favicon.ico").status_code == 200
    for value in (good, good.replace("1-1", "1-0"), foreign.begin("1-0"), of_password.begin("1-0"), own.begin("Olga"),
                  own.begin("999-0"), own.begin("1-"), own.begin("-1-0"), "1-0", ""):  # fmt: skip
        assert bench.client(cookies={name: value}).get("/favicon.ico").status_code == 401, value
    assert old.login(good) == ""


def test_wrong_passwords_are_throttled_logged_and_recorded_without_what_was_typed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client = bench.client()
    statuses = [log_in(client, "Anna", f"guess number {n}").status_code for n in range(12)]
    assert statuses[:5] == [401] * 5 and 429 in statuses
    assert "guess number" not in caplog.text and "wrong password from" in caplog.text
    latest = people_events(bench.home)[0]
    assert (latest.actor, latest.kind, latest.subject) == ("nobody", "login refused", "Anna")
    assert "guess number" not in str(people_events(bench.home)) and PASSWORD not in caplog.text


def test_ones_own_login_or_link_makes_guesses_at_another_account_no_cheaper(bench: Bench) -> None:
    client, link = bench.client(), f"{INVITE}?token={invite(bench.home, 'viewer', 'Olga')}"
    statuses = []
    for n in range(12):
        statuses.append(log_in(client, "Olga", f"guess number {n}").status_code)
        assert log_in(client, "Viktor").status_code == 303 and client.get(link).status_code == 200
    assert statuses[:5] == [401] * 5 and 429 in statuses
    assert log_in(bench.client(), "Anna").status_code == 303, "others do not wait"


# ---- invitations ----------------------------------------------------------------------------------------------


def test_an_invitation_is_opened_from_anywhere_used_once_and_refused_from_another_site(bench: Bench) -> None:
    path = f"{INVITE}?token={invite(bench.home, 'viewer', 'Olga')}"
    guest = bench.client()
    opened = guest.get(path, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate",
                                      "sec-fetch-dest": "document"})  # fmt: skip
    assert opened.status_code == 200 and "as a viewer" in opened.text
    form = {"name": "Gast", "password": PASSWORD}
    assert guest.post(path, data=form, headers={"origin": "http://evil.example"}).status_code == 403
    short = guest.post(path, data={**form, "password": "short"}, headers={"origin": LOCAL})
    assert short.status_code == 400 and "The password is too short" in short.text and "short" not in str(short.headers)
    assert guest.post(path, data={**form, "name": "olga"}, headers={"origin": LOCAL}).status_code == 400
    joined = guest.post(path, data=form, headers={"origin": LOCAL})
    assert joined.status_code == 303 and guest.get("/favicon.ico").status_code == 200
    again = bench.client()
    for reply in (again.get(path), again.post(path, data={**form, "name": "Zweiter"}), again.get(f"{INVITE}?token=x")):
        assert reply.status_code == 410 and "was used already" in reply.text
    assert people_events(bench.home)[0].kind == "invitation refused"
    assert accounts.get_person(bench.home, "Gast").role is Role.VIEWER


def test_the_operators_password_makes_the_first_owner_and_nothing_more(tmp_path: Path, bench: Bench) -> None:
    serving = Serving("0.0.0.0", accounts=True, password="the one password")
    home = Home.at(tmp_path)
    app = stack(bench.apps[Role.OWNER], serving, home.root, {})
    new = TestClient(app, base_url=LOCAL, follow_redirects=False)
    link = log_in(new, "workbench", "the one password").headers["location"]
    assert link.startswith(f".{INVITE}?token=") and new.get("/favicon.ico").status_code == 401
    joined = new.post(link[1:], data={"name": "Olga", "password": PASSWORD}, headers={"origin": LOCAL})
    assert joined.status_code == 303 and new.get("/favicon.ico").status_code == 200
    later = TestClient(app, base_url=LOCAL, follow_redirects=False)
    assert log_in(later, "workbench", "the one password").status_code == 401


def test_when_accounts_cannot_be_read_nobody_gets_in(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise UserError("The labels are damaged.")

    client = bench.logged_in(Role.OWNER)
    monkeypatch.setattr("tabs.serving.account_login.person_of_login", fails)
    assert client.get("/").status_code == 503 and "damaged" not in client.get("/").text


def test_a_home_whose_database_was_taken_away_opens_to_nobody(tmp_path: Path, bench: Bench) -> None:
    home = Home.at(tmp_path)
    accounts.switch_accounts_on(home)
    serving = Serving.configured(accounts.accounts_are_on(home))
    client = TestClient(stack(bench.apps[Role.OWNER], serving, home.root), base_url=LOCAL, follow_redirects=False)
    assert client.get("/").headers["location"] == "./login" and client.get("/config").status_code == 401
    assert log_in(client, "Olga").status_code == 401


def test_without_accounts_there_is_no_invitation(tmp_path: Path, bench: Bench) -> None:
    shared = bench.client(Serving("0.0.0.0", password="p"))
    assert shared.get(f"{INVITE}?token=x").status_code == 404
    assert bench.client(Serving()).get(f"{INVITE}?token=x").headers["location"] == "./"


# ---- the first start ------------------------------------------------------------------------------------------


def test_a_server_without_an_owner_prints_a_link_that_makes_one_and_no_other_start_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, serving = Home.at(tmp_path), Serving("0.0.0.0", accounts=True, password="the one password")
    links = []
    for _ in range(2):
        announce_accounts(serving, home)
        printed = capsys.readouterr().out
        links.append(printed.partition(f"http://0.0.0.0:7860{INVITE}?token=")[2].split()[0])
        assert "WORKBENCH_PASSWORD of the user workbench leads to the same" in printed
    with pytest.raises(InvitationRefused):
        accept_invitation(home, links[0], "Olga", PASSWORD)
    accept_invitation(home, links[1], "Olga", PASSWORD)
    announce_accounts(serving, home)
    printed = capsys.readouterr().out
    assert INVITE not in printed and "is not asked for any more" in printed and "the one password" not in printed


def test_without_accounts_nothing_is_asked_and_the_database_is_not_touched(tmp_path: Path, bench: Bench) -> None:
    home = Home.at(tmp_path)
    client = TestClient(stack(bench.apps[Role.OWNER], Serving(), home.root), base_url=LOCAL)
    assert client.get("/favicon.ico").status_code == 200
    assert client.post("/gradio_api/upload", files={"files": ("a.txt", b"hello")}).status_code == 200
    assert not home.labels.exists() and not list(home.root.glob("server.*"))
