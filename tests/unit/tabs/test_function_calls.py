"""The calls of server functions: what they carry, what of it is refused, and how they are answered."""

import os
from typing import Any

import pytest

from tabs.serving.function_calls import FUNCTION_CALLS, PACKED_FROM_BYTES
from tabs.shell.kit import component
from tests.serving import SmallPage

ODD_NAME = os.fsdecode(b"caf\xe9")


class AnsweringPage(SmallPage):
    """A page whose function answers what it is asked with."""

    def add_parts(self) -> None:
        answers = {"long": "word " * PACKED_FROM_BYTES, "odd": ODD_NAME, "none": float("nan"), "keys": {1: (2, 3)}}
        self.answering = component("pulse", "", {"say": lambda query: {"it": answers[query["what"]]}}, ("", "", ""))

    def say(self, what: str) -> Any:
        body = {"component_id": self.answering._id, "fn_name": "say", "data": {"what": what}, "session_hash": "s"}
        return self.client().post(FUNCTION_CALLS, json=body)


@pytest.fixture(scope="module")
def page() -> AnsweringPage:
    return AnsweringPage()


def test_answers_are_json_whatever_is_in_them(page: AnsweringPage) -> None:
    assert page.say("odd").json() == {"it": ODD_NAME}
    assert page.say("none").json() == {"it": None}
    assert page.say("keys").json() == {"it": {"1": [2, 3]}}


def test_long_answers_are_sent_compressed(page: AnsweringPage) -> None:
    answer = page.say("long")
    assert answer.headers["content-encoding"] == "gzip" and answer.json()["it"].startswith("word word")
    assert "content-encoding" not in page.say("odd").headers


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"fn_name": "__init__"}, 404),
        ({"fn_name": "nothing"}, 404),
        ({"component_id": 10**9}, 404),
        ({"component_id": "1"}, 422),
        ({"session_hash": None}, 422),
        ({"fn_name": 7}, 422),
    ],
)
def test_what_is_no_call_of_a_function_is_refused(page: AnsweringPage, changed: dict[str, Any], status: int) -> None:
    body = {"component_id": page.component._id, "fn_name": "who", "data": {}, "session_hash": "s"} | changed
    answer = page.client().post(FUNCTION_CALLS, json=body)
    assert answer.status_code == status and answer.json()["detail"]


@pytest.mark.parametrize(("content", "status"), [(b"{", 400), (b"[]", 422), (b"", 400), (b"null", 422)])
def test_what_is_no_call_at_all_is_refused(page: AnsweringPage, content: bytes, status: int) -> None:
    answer = page.client().post(FUNCTION_CALLS, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status and answer.json()["detail"]
