"""The page that is kept, and the files it is made of, kept by browsers."""

import re
import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tabs.serving import page_cache
from tabs.serving.config import Serving
from tabs.serving.server import bound_socket
from tabs.shell.packed_files import PackedFiles
from tests.serving import LOCAL, SmallPage


@pytest.fixture(scope="module")
def page() -> SmallPage:
    return SmallPage()


@pytest.fixture
def made(page: SmallPage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts for which Gradio made a page."""
    hosts: list[str] = []
    real = page_cache.PageCache._composed

    async def counted(self: page_cache.PageCache, scope: page_cache.Scope, receive: page_cache.Receive) -> object:
        hosts.append(dict(scope["headers"])[b"host"].decode())
        return await real(self, scope, receive)

    monkeypatch.setattr(page_cache.PageCache, "_composed", counted)
    return hosts


def root_of(client: TestClient, **headers: str) -> str:
    """The address the page was made for, as it stands in it."""
    text = client.get("/", headers=headers).text
    return text.partition('"root":"')[2].partition('"')[0]


def test_a_page_is_made_once_and_carries_its_headers_and_a_nonce_of_its_own_each_time(
    page: SmallPage, made: list[str]
) -> None:
    client = page.client()
    first, second = client.get("/"), client.get("/")
    assert made == ["127.0.0.1:7860"]
    for answer in (first, second):
        nonce = answer.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
        assert f'<script nonce="{nonce}"' in answer.text
        assert answer.headers["cache-control"] == "no-store"
    assert first.headers["content-security-policy"] != second.headers["content-security-policy"]


def test_each_address_has_its_own_page(page: SmallPage, made: list[str]) -> None:
    client = page.client()
    assert root_of(client) == LOCAL
    assert root_of(client, host="localhost:7860") == "http://localhost:7860"
    assert root_of(client, **{"x-forwarded-proto": "https"}) == LOCAL.replace("http", "https")
    assert root_of(client) == LOCAL
    assert len(made) == 3


def test_only_so_many_pages_are_kept(page: SmallPage, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache, "MOST_PAGES", 2)
    client = page.client()
    for port in (1, 2, 3, 3, 1):
        client.get("/", headers={"host": f"localhost:{port}"})
    assert [host.partition(":")[2] for host in made] == ["1", "2", "3", "1"]


def test_a_page_asked_for_with_a_query_is_the_one_without_it(page: SmallPage, made: list[str]) -> None:
    client = page.client()
    pages = [client.get(address).text for address in ("/?tab=data&dataset=talks", "/?__theme=dark", "/")]
    plain = {re.sub('nonce="[^"]*"', "", page) for page in pages}
    assert len(plain) == 1 and "gradio_config" in plain.pop()
    assert len(made) == 1


def test_who_is_not_logged_in_is_not_shown_the_page_another_was(
    page: SmallPage, made: list[str], tmp_path: Path
) -> None:
    serving = Serving(password="a long password")
    member, stranger = (page.client(serving, tmp_path) for _ in range(2))
    entered = member.post(
        "/login", data={"name": "workbench", "password": "a long password"}, headers={"origin": LOCAL}
    )
    assert entered.status_code in (302, 303)
    member.cookies.update(entered.cookies)
    assert "gradio_config" in member.get("/").text
    assert "gradio_config" not in stranger.get("/").text
    assert len(made) == 1


def test_gradios_own_files_are_packed_once_and_kept_for_ever(page: SmallPage) -> None:
    client = page.client()
    name = client.get("/").text.partition('src="./assets/')[2].partition('"')[0]
    packed, plain = (client.get(f"/assets/{name}", headers={"accept-encoding": how}) for how in ("gzip", "identity"))
    assert packed.content == plain.content and packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-type"].startswith("text/javascript")
    assert "immutable" in plain.headers["cache-control"]
    assert client.get("/assets/%2e%2e/index.html").status_code == 404
    assert client.get("/assets/none.js").headers["cache-control"] == "no-store"


def test_a_file_that_does_not_shrink_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "font").write_bytes(bytes(range(256)))
    assert PackedFiles({"a.woff2": tmp_path / "font"})._packed("a.woff2") == (bytes(range(256)), b"")


def test_a_reply_does_not_wait_for_the_receipt_of_its_head() -> None:
    listening = bound_socket("127.0.0.1", 0)
    listening.listen()
    with listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
