"""Logging in with the hub, and everything a stranger could try on the way there and back."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest
from jwt.algorithms import RSAAlgorithm
from starlette.testclient import TestClient

from tabs.serving import hub_login
from tabs.serving.config import HubClient, Serving
from tabs.serving.hub_login import LOGIN_SECONDS, NOT_PROVED, OLD_LOGIN
from tabs.serving.id_tokens import Expected, TokenRefused, verify_id_token
from tabs.serving.openid import OpenIdProvider, ProviderFailed, code_challenge
from tabs.serving.routes import HUB_CALLBACK, HUB_CLAIM, HUB_LOGIN, INVITE, LOGIN
from tabs.serving.serve import announce_accounts
from tabs.serving.stack import stack
from tests.hub_stand_in import CLIENT_ID, CLIENT_SECRET, HubStandIn
from tests.self_signed import rsa_key
from tests.serving import SmallPage
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people.accounts import get_person, has_owner, list_people
from workbench.people.hub_accounts import set_joining_role
from workbench.people.invitations import accept_invitation, invite, invite_first_owner
from workbench.people.people_log import people_events
from workbench.people.roles import Role
from workbench.preferences import store

SPACE = "https://me-bench.hf.space"
REDIRECT = f"{SPACE}/login/callback"
PASSWORD = "correct horse battery"
FROM_HUB = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


PAGE: list[SmallPage] = []
"""The page behind the login, the same for all tests: only who may reach it differs."""


class Space:
    """A Space of `me`, with the hub's login, and the hub."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.home, self.hub = Home.at(folder), HubStandIn(REDIRECT)
        client = HubClient(CLIENT_ID, CLIENT_SECRET, self.hub.issuer, REDIRECT, "me", "1" * 24)
        hosts = {"hosts": ("me-bench.hf.space",), "space": True, "accounts": True, "hub": client}
        self.serving = Serving("0.0.0.0", **(hosts | settings))
        transport = httpx.ASGITransport(self.hub.app())
        monkeypatch.setattr(hub_login, "OpenIdProvider", lambda given: OpenIdProvider(given, transport))
        if not PAGE:
            PAGE.append(SmallPage())
        self.page = PAGE[0]
        self.start()

    def start(self) -> None:
        """The server, as after a restart."""
        roles = dict.fromkeys((Role.ANNOTATOR, Role.VIEWER), self.page.app)
        self.app = stack(self.page.app, self.serving, self.home.root, roles)

    def browser(self, **options: Any) -> TestClient:
        client = {"base_url": SPACE, "follow_redirects": False, "raise_server_exceptions": False}
        return TestClient(self.app, **(client | options))

    def begin(self, browser: TestClient, **query: str) -> dict[str, str]:
        """Follows the link to the hub: what the hub is asked."""
        reply = browser.get(HUB_LOGIN, params=query)
        assert reply.status_code == 303, reply.text
        return dict(parse_qsl(urlsplit(reply.headers["location"]).query))

    def log_in(self, browser: TestClient, **query: str) -> Any:
        """The whole way: there, allowed, and back."""
        return browser.get(HUB_CALLBACK, params=self.hub.allow(self.begin(browser, **query)), headers=FROM_HUB)

    def joined(self, user: tuple[str, str], role: str) -> TestClient:
        self.hub.user = user
        browser = self.browser()
        assert self.log_in(browser, invite=invite(self.home, role, "test")).status_code == 303
        return browser


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Space:
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    return Space(tmp_path, monkeypatch)


def is_in(browser: TestClient) -> bool:
    return browser.get("/favicon.ico").status_code == 200


# ---- the way there and back -----------------------------------------------------------------------------------


def test_the_author_of_the_space_logs_in_and_is_its_owner_after_a_restart_too(space: Space) -> None:
    space.hub.user = ("a" * 24, "me")
    browser = space.browser()
    asked = space.begin(browser, next="tab=data")
    assert asked["scope"] == "openid profile" and asked["redirect_uri"] == REDIRECT
    assert asked["code_challenge_method"] == "S256" and len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43
    reply = browser.get(HUB_CALLBACK, params=space.hub.allow(asked), headers=FROM_HUB)
    assert (reply.status_code, reply.headers["location"]) == (303, "./../?tab=data")
    cookie = next(each for each in reply.headers.get_list("set-cookie") if "workbench-login" in each)
    assert "HttpOnly; SameSite=None; Secure; Partitioned" in cookie
    assert (get_person(space.home, "me").role, get_person(space.home, "me").hub_name) == (Role.OWNER, "me")
    assert is_in(browser)
    space.start()
    again = space.browser(cookies=dict(browser.cookies))
    assert is_in(again), "the server was started again"
    assert again.post("/logout", headers={"origin": SPACE, **FORM}).headers["location"] == "./login"
    assert not is_in(again)


def test_an_invitation_is_taken_by_a_hub_login_once(space: Space) -> None:
    token = invite(space.home, "annotator", "test")
    browser = space.browser()
    page = browser.get(INVITE, params={"token": token}).text
    assert "Join with Hugging Face" in page and f"invite={token}" in page and "You are invited as an annotator" in page
    assert space.log_in(browser, invite=token).status_code == 303 and is_in(browser)
    assert [(p.name, p.role) for p in list_people(space.home)] == [("ada", Role.ANNOTATOR)]
    space.hub.user = ("b" * 24, "bob")
    reply = space.log_in(other := space.browser(), invite=token)
    assert reply.status_code == 403 and "was used already" in reply.text and not is_in(other)
    assert people_events(space.home)[0].kind == "invitation refused"


def test_nobody_comes_in_without_an_invitation_unless_owners_opened_it(space: Space) -> None:
    browser = space.browser()
    reply = space.log_in(browser)
    assert reply.status_code == 403 and "ada has no account here" in reply.text and not is_in(browser)
    set_joining_role(space.home, "viewer", "test")
    assert space.log_in(browser).status_code == 303 and get_person(space.home, "ada").role is Role.VIEWER


def test_passwords_go_on_beside_it_and_can_be_switched_off(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept_invitation(space.home, invite_first_owner(space.home), "Olga", PASSWORD)
    form, browser = {"name": "Olga", "password": PASSWORD}, space.browser()
    page = browser.get(LOGIN).text
    assert "Log in with Hugging Face" in page and 'name="password"' in page
    assert browser.post(LOGIN, data=form, headers={"origin": SPACE}).status_code == 303 and is_in(browser)
    off = Space(tmp_path, monkeypatch, password_login=False)
    token, browser = invite(off.home, "viewer", "test"), off.browser()
    for path in (LOGIN, f"{INVITE}?token={token}"):
        page = browser.get(path).text
        assert "with Hugging Face" in page and 'name="password"' not in page
        reply = browser.post(path, data=form, headers={"origin": SPACE})
        assert reply.status_code == 403 and "Passwords are switched off here" in reply.text and not is_in(browser)


def test_without_the_hub_there_is_neither_its_button_nor_its_routes(space: Space) -> None:
    client = space.page.client(Serving("0.0.0.0", accounts=True), space.home.root)
    assert "Hugging Face" not in client.get(LOGIN).text
    for method, path in (("GET", HUB_LOGIN), ("GET", HUB_CALLBACK), ("POST", HUB_CLAIM)):
        assert client.request(method, path, headers=FORM).status_code == 404
    shared = space.page.client(Serving("0.0.0.0", password="p"), space.home.root)
    assert shared.get(HUB_LOGIN).status_code == 404


# ---- a frame --------------------------------------------------------------------------------------------------


def test_a_login_is_handed_to_the_frame_by_a_code_that_works_once_and_from_our_page_alone(space: Space) -> None:
    set_joining_role(space.home, "annotator", "test")
    tab, frame = space.browser(), space.browser()
    reply = space.log_in(tab, frame="1", next="tab=label")
    code = re.search(r'id="hub-code" value="([\w-]{43})"|value="([\w-]{43})"', reply.text)
    assert reply.status_code == 200 and code and not is_in(tab), "the tab has nothing but the code"
    assert "frame-ancestors https://huggingface.co" in reply.headers["content-security-policy"]
    form = {"claim": code.group(1) or code.group(2)}
    assert frame.post(HUB_CLAIM, data=form, headers={"origin": "https://evil.hf.space"}).status_code == 403
    taken = frame.post(HUB_CLAIM, data=form, headers={"origin": SPACE})
    assert (taken.status_code, taken.headers["location"]) == (303, "./../?tab=label") and is_in(frame)
    thief = space.browser()
    assert thief.post(HUB_CLAIM, data=form, headers={"origin": SPACE}).status_code == 403 and not is_in(thief)
    assert thief.post(HUB_CLAIM, data={"claim": ""}, headers={"origin": SPACE}).status_code == 403


def test_a_code_for_the_frame_runs_out(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    set_joining_role(space.home, "annotator", "test")
    monkeypatch.setattr(hub_login, "CLAIM_SECONDS", -1.0)
    space.start()
    browser = space.browser()
    code = re.search(r'value="([\w-]{43})"', space.log_in(browser, frame="1").text)
    assert code
    reply = browser.post(HUB_CLAIM, data={"claim": code.group(1)}, headers={"origin": SPACE})
    assert reply.status_code == 403 and OLD_LOGIN in reply.text and not is_in(browser)


# ---- what strangers try ---------------------------------------------------------------------------------------


@pytest.fixture
def opened(space: Space) -> Iterator[Space]:
    """A Space that everybody may join who proves a hub account; so what is refused is refused for the proof."""
    set_joining_role(space.home, "annotator", "test")
    yield space
    assert not has_owner(space.home)


def test_a_wrong_a_missing_and_a_used_state_are_refused(opened: Space) -> None:
    browser = opened.browser()
    answer = opened.hub.allow(opened.begin(browser))
    for state in ("", "x", answer["state"] + "x"):
        reply = browser.get(HUB_CALLBACK, params=answer | {"state": state}, headers=FROM_HUB)
        assert reply.status_code == 403 and OLD_LOGIN in reply.text
        assert "Max-Age=0" in str(reply.headers.get_list("set-cookie")), "and what was begun is forgotten"
    assert not is_in(browser) and opened.hub.codes, "the hub was not even asked"
    answer = opened.hub.allow(opened.begin(browser))
    jar = dict(browser.cookies)
    assert browser.get(HUB_CALLBACK, params=answer, headers=FROM_HUB).status_code == 303
    thief = opened.browser(cookies={name: value for name, value in jar.items() if "login" not in name})
    answer["code"] = opened.hub.allow({**answer, "redirect_uri": REDIRECT, "code_challenge": "x"})["code"]
    reply = thief.get(HUB_CALLBACK, params=answer, headers=FROM_HUB)
    assert reply.status_code == 403 and not is_in(thief)


def test_a_login_that_another_browser_began_is_refused(opened: Space) -> None:
    """Login CSRF: somebody sends their own answer of the hub to a browser that began none, or another login."""
    attacker, victim = opened.browser(), opened.browser()
    answer = opened.hub.allow(opened.begin(attacker))
    assert victim.get(HUB_CALLBACK, params=answer, headers=FROM_HUB).status_code == 403 and not is_in(victim)
    opened.begin(victim)
    assert victim.get(HUB_CALLBACK, params=answer, headers=FROM_HUB).status_code == 403 and not is_in(victim)
    reply = victim.get(HUB_LOGIN, headers=FROM_HUB)
    assert reply.status_code == 403, "nor can another site make a browser begin one"


def test_a_code_that_was_used_or_ran_out_or_belongs_to_another_login_is_refused(opened: Space) -> None:
    browser = opened.browser()
    first = opened.hub.allow(opened.begin(browser))
    assert browser.get(HUB_CALLBACK, params=first, headers=FROM_HUB).status_code == 303
    replay = opened.browser()
    state = opened.begin(replay)["state"]
    reply = replay.get(HUB_CALLBACK, params={"code": first["code"], "state": state}, headers=FROM_HUB)
    assert reply.status_code == 403 and NOT_PROVED in reply.text and not is_in(replay)
    late = opened.hub.allow(opened.begin(replay))
    opened.hub.codes[late["code"]].until = 0
    assert replay.get(HUB_CALLBACK, params=late, headers=FROM_HUB).status_code == 403 and not is_in(replay)
    stolen = opened.hub.allow(opened.begin(opened.browser()))["code"]
    mine = opened.begin(replay)["state"]
    reply = replay.get(HUB_CALLBACK, params={"code": stolen, "state": mine}, headers=FROM_HUB)
    assert reply.status_code == 403 and not is_in(replay), "PKCE: the code is of another browser's login"


@pytest.mark.parametrize(
    "lies",
    [
        {"claims": {"aud": "another-app"}}, {"claims": {"aud": [CLIENT_ID, "another-app"]}},
        {"claims": {"aud": CLIENT_ID, "azp": "another-app"}}, {"claims": {"nonce": "another"}},
        {"claims": {"nonce": ""}}, {"claims": {"nonce": None}},
        {"claims": {"iss": "https://evil.example"}}, {"claims": {"exp": 1}}, {"claims": {"exp": "soon"}},
        {"claims": {"iat": 1}}, {"claims": {"iat": time.time() + 9000}}, {"claims": {"sub": "b" * 24}},
        {"header": {"alg": "none"}}, {"header": {"alg": "HS256"}}, {"header": {"kid": "two"}}, {"key": 2},
        {"userinfo": {"sub": "b" * 24}}, {"userinfo": {"sub": None}},
        {"userinfo": {"preferred_username": "<img src=x onerror=alert(1)>"}}, {"userinfo": {"preferred_username": ""}},
    ],
)  # fmt: skip
def test_what_the_hub_says_of_somebody_else_or_in_another_name_proves_nobody(
    opened: Space, lies: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    opened.hub.lies = lies
    browser = opened.browser()
    reply = opened.log_in(browser)
    assert reply.status_code == 403 and NOT_PROVED in reply.text and not is_in(browser)
    assert "<img" not in reply.text and list_people(opened.home) == []
    assert "refused a hub login" in caplog.text


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/oauth/token"},
        {"authorization_endpoint": "javascript:alert(1)"}, {"jwks_uri": ""}, {"userinfo_endpoint": "http://10.0.0.1/x"},
    ],
)  # fmt: skip
def test_a_hub_that_would_send_secrets_elsewhere_is_not_followed(opened: Space, metadata: dict[str, str]) -> None:
    opened.hub.lies = {"metadata": metadata}
    reply = opened.browser().get(HUB_LOGIN)
    assert reply.status_code == 502 and "cannot be asked" in reply.text and opened.hub.asked == []


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "@evil.example", "x=1\r\nset-cookie: a=b",
        "javascript:alert(1)", "<script>alert(1)</script>", "../../evil", "#//evil.example",
    ],
)  # fmt: skip
def test_what_comes_after_the_login_is_the_page_and_no_other_address(opened: Space, target: str) -> None:
    browser = opened.browser()
    assert "<script>" not in browser.get(LOGIN, params={"next": target}).text
    location = opened.log_in(browser, next=target).headers["location"]
    assert location.startswith("./../?") and "\r" not in location and "\n" not in location and "#" not in location
    there = httpx.URL(f"{SPACE}{HUB_CALLBACK}").join(location)
    assert (there.scheme, there.host, there.path) == ("https", "me-bench.hf.space", "/")


def test_a_user_who_says_no_and_an_answer_without_a_code_log_nobody_in(opened: Space) -> None:
    browser = opened.browser()
    for answer in ({"error": "access_denied", "error_description": "<b>no</b>"}, {}):
        state = opened.begin(browser)["state"]
        reply = browser.get(HUB_CALLBACK, params={"state": state, **answer}, headers=FROM_HUB)
        assert reply.status_code == 403 and NOT_PROVED in reply.text and "<b>no" not in reply.text
    assert not is_in(browser)


def test_a_login_that_took_too_long_is_refused(opened: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = opened.browser()
    answer = opened.hub.allow(opened.begin(browser))
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + LOGIN_SECONDS + 2)
    assert browser.get(HUB_CALLBACK, params=answer, headers=FROM_HUB).status_code == 403


def test_no_token_code_or_secret_is_kept_logged_or_told(opened: Space, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "workbench")
    browser = opened.browser()
    answer = opened.hub.allow(opened.begin(browser))
    shown = browser.get(HUB_CALLBACK, params=answer, headers=FROM_HUB)
    [token] = opened.hub.tokens
    kept = b"".join(path.read_bytes() for path in opened.home.root.rglob("*") if path.is_file())
    told = str(shown.headers) + shown.text + caplog.text + str(people_events(opened.home)) + repr(opened.serving)
    for secret in (token, answer["code"], CLIENT_SECRET):
        assert secret not in told and secret.encode() not in kept
    assert "ada" in caplog.text


# ---- the pieces -----------------------------------------------------------------------------------------------


def test_an_id_token_that_was_changed_or_cut_is_refused() -> None:
    hub = HubStandIn(REDIRECT)
    token = hub.id_token(("a", "ada"), "n")
    keys = json.loads(bytes(asyncio.run(hub._keys(None)).body))  # type: ignore[arg-type]
    expected = Expected(hub.issuer, CLIENT_ID, "n")
    assert verify_id_token(token, keys, expected)["sub"] == "a"
    head, body, signature = token.split(".")
    other = hub.id_token(("b", "bob"), "n").split(".")[1]
    for forged in ("", "a.b", f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}",
                   f"{head}.{body}.AAAA", f"{head}.{body}.{signature}.x", "é.é.é", "x" * 30_000):  # fmt: skip
        with pytest.raises(TokenRefused):
            verify_id_token(forged, keys, expected)
    for odd in ({}, {"keys": []}, {"keys": "x"}, {"keys": [{"kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB"}]}):
        with pytest.raises(TokenRefused):
            verify_id_token(token, odd, expected)
    small = rsa_key(2, bits=1024)
    weak = jwt.encode(jwt.decode(token, options={"verify_signature": False}), small, "RS256", {"kid": "one"})
    listed = {**json.loads(RSAAlgorithm.to_jwk(small.public_key())), "kid": "one"}
    with pytest.raises(TokenRefused):
        verify_id_token(weak, {"keys": [listed]}, expected)


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    assert (
        code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(200, text="[]"), httpx.Response(302)])
def test_a_hub_that_does_not_answer_as_it_should_is_told_by_path_alone(answer: httpx.Response) -> None:
    client = HubClient(CLIENT_ID, CLIENT_SECRET, "https://hub.example", REDIRECT)
    provider = OpenIdProvider(client, httpx.MockTransport(lambda request: answer))
    with pytest.raises(ProviderFailed, match=r"^/\.well-known/openid-configuration "):
        asyncio.run(provider.authorization_url("s", "n", "v"))


HUB_VARIABLES = {
    "SPACE_ID": "me/bench", "SPACE_HOST": "me-bench.hf.space,bench.example.org", "OAUTH_CLIENT_ID": CLIENT_ID,
    "OAUTH_CLIENT_SECRET": CLIENT_SECRET, "OPENID_PROVIDER_URL": "https://huggingface.co", "SPACE_AUTHOR_NAME": "me",
}  # fmt: skip


def configured(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Serving:
    for name, value in (HUB_VARIABLES | variables).items():
        monkeypatch.setenv(name, value)
    return Serving.configured()


def test_a_space_with_the_login_knows_it_and_has_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    serving = configured(monkeypatch, WORKBENCH_PASSWORD="p")
    assert serving.accounts and serving.hub and serving.hub.redirect_uri == REDIRECT and serving.hub.author == "me"
    assert CLIENT_SECRET not in repr(serving)
    for missing in ("OAUTH_CLIENT_SECRET", "OAUTH_CLIENT_ID", "OPENID_PROVIDER_URL", "SPACE_ID", "SPACE_HOST"):
        assert configured(monkeypatch, **{missing: ""}).hub is None, "elsewhere nobody is sent to a hub"


def test_settings_with_which_nobody_could_log_in_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured(monkeypatch, WORKBENCH_PASSWORD_LOGIN="0").password_login is False
    with pytest.raises(UserError, match="Nobody could log in"):
        configured(monkeypatch, WORKBENCH_PASSWORD_LOGIN="0", OAUTH_CLIENT_ID="")
    with pytest.raises(UserError, match="no https address"):
        configured(monkeypatch, OPENID_PROVIDER_URL="http://huggingface.co")


def test_the_first_start_says_how_the_owner_comes_in(
    space: Space, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    announce_accounts(configured(monkeypatch), space.home)
    said = capsys.readouterr().out
    assert "me logs in with Hugging Face" in said and f"{SPACE}/invite?token=" in said
    announce_accounts(configured(monkeypatch, OAUTH_CLIENT_ID=""), space.home)
    said = capsys.readouterr().out
    assert "hf_oauth: true" in said and f"{SPACE}/invite?token=" in said
