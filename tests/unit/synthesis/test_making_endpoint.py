"""The operator's endpoint, and servers that misbehave: nothing is lost in silence, and the key is written nowhere."""

import json
import math
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint_server import KEY, Bad, Server, completion, last, serving
from workbench.core.errors import UserError
from workbench.core.tasks import Task
from workbench.inference.decoding import Decoding
from workbench.synthesis import endpoint_writer, retrying
from workbench.synthesis.endpoint import Endpoint
from workbench.synthesis.endpoint_writer import EndpointWriter
from workbench.synthesis.replies import Reply, Request
from workbench.synthesis.rules import Patience


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def requests(count: int, **more: Any) -> list[Request]:
    return [Request(f"a/{n}", [{"role": "user", "content": f"Q{n}"}], Decoding(seed=n), **more) for n in range(count)]


def ask(server: Server, count: int = 1, stop: Any = lambda: None, scored: bool = False, **patience: Any) -> list[Reply]:
    """The replies in the order of the requests."""
    settings = Patience(**{"timeout": 5, "tries": 3, **patience})
    writer = EndpointWriter(Endpoint(server.url + "/chat/completions", "big", KEY), settings)
    found: dict[str, Reply] = {}
    asked = requests(count, scored=scored)
    try:
        writer.write(asked, lambda told: found.update({one.key: reply for one, reply in told}), Task(check_stop=stop))
    finally:
        writer.close()
    return [found[one.key] for one in asked]


def test_it_asks_in_the_protocols_words() -> None:
    with serving(lambda body, n: f"To {last(body)}") as server:
        replies = ask(server, 3)
    assert [one.text for one in replies] == ["To Q0", "To Q1", "To Q2"]
    assert replies[2].sampling == {"temperature": 0.7, "top_p": 0.95, "max_new_tokens": 256, "seed": 2}
    assert {one.finish for one in replies} == {"eos"} and {one.tokens for one in replies} == {7}
    body = next(body for body in server.asked if last(body) == "Q2")
    assert body["model"] == "big" and body["seed"] == 2 and body["max_tokens"] == 256 and not body["stream"]
    assert server.keys == {f"Bearer {KEY}"}


def test_no_more_than_allowed_are_under_way_at_once() -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def say(body: Any, n: int) -> str:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.03)
        with lock:
            under_way -= 1
        return "Yes"

    with serving(say) as server:
        ask(server, 12, concurrency=3)
    assert most == 3


def test_it_waits_as_long_as_the_server_asks() -> None:
    with serving(lambda body, n: Bad(429, {"Retry-After": "0.5"}) if n == 1 else "Yes") as server:
        assert ask(server)[0].text == "Yes"
    assert server.times[1] - server.times[0] >= 0.5


def test_it_does_not_wait_for_hours() -> None:
    with serving(lambda body, n: Bad(429, {"Retry-After": "7200"})) as server:
        began = time.monotonic()
        assert ask(server)[0].failure == "HTTP 429, and it asks to wait 7200 s"
    assert len(server.asked) == 1 and time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Bad(500), "HTTP 500"),
        (Bad(503, body="<html>"), "HTTP 503"),
        (Bad(200, body="{not json"), "not JSON"),
        (Bad(200, body="[" * 100_000), "JSON|nested"),
        (Bad(200, body='{"choices": []}'), "no choices"),
        (Bad(200, body='{"choices": [{"message": {"content": [1]}}]}'), "no text"),
        (Bad(200, body='["choices"]'), "no choices"),
        (Bad(200, {"Content-Length": "99"}, "{"), "connection"),
        (Bad(close=True), "connection"),
        (Bad(hang=0.6), "timed out"),
        (Bad(200, body=json.dumps(completion("slow " * 40)), drip=0.05), "timed out"),
    ],
)
def test_what_may_pass_is_tried_again_and_then_counted_with_its_reason(bad: Bad, reason: str) -> None:
    with serving(lambda body, n: bad if n < 3 else "Yes") as server:
        assert ask(server, timeout=0.3)[0].text == "Yes"
    with serving(lambda body, n: bad) as server:
        (reply,) = ask(server, timeout=0.3)
    assert len(server.asked) == 3
    assert re.search(reason, reply.failure) and reply.trouble and not reply.text
    assert KEY not in reply.failure and "127.0.0.1" not in reply.failure


def test_an_unreachable_server_is_a_trouble_without_its_address() -> None:
    with serving(lambda body, n: "Yes") as server:
        pass
    (reply,) = ask(server)
    assert reply.failure == "connection: ConnectError" and reply.trouble


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (completion(None), "empty reply"),
        (completion("  "), "empty reply"),
        (completion("half", "content_filter"), "content filter of the endpoint"),
    ],
)
def test_what_the_model_does_is_no_trouble_and_not_tried_again(body: Any, failure: str) -> None:
    with serving(lambda asked, n: body) as server:
        (reply,) = ask(server)
    assert (reply.failure, reply.trouble, len(server.asked)) == (failure, False, 1)


def test_a_cut_off_reply_says_so() -> None:
    with serving(lambda body, n: completion("half of", "length")) as server:
        assert ask(server)[0].finish == "length"


@pytest.mark.parametrize(
    ("status", "message"), [(401, "key"), (403, "key"), (404, "address or model"), (302, "address")]
)
def test_what_concerns_all_requests_ends_the_job(status: int, message: str) -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}})
    bad = Bad(status, {"Location": "http://127.0.0.1:1/"}, body)
    with serving(lambda asked, n: bad) as server, pytest.raises(UserError, match=message) as found:
        ask(server, 5, concurrency=1)
    assert KEY not in str(found.value) and len(server.asked) == 1


def test_an_endpoint_that_only_fails_ends_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_writer, "MOST_FAILURES", 4)
    with (
        serving(lambda body, n: Bad(500)) as server,
        pytest.raises(UserError, match="4 requests in a row failed: HTTP 500"),
    ):
        ask(server, 40, tries=1)
    assert len(server.asked) < 20


def test_a_refused_request_is_told_without_the_key() -> None:
    body = json.dumps({"error": {"message": f"bad content\nfrom {KEY} " + "x" * 1000}})
    with serving(lambda asked, n: Bad(400, body=body)) as server:
        (reply,) = ask(server)
    assert reply.failure == "HTTP 400"
    assert reply.detail.startswith("bad content from [key] xxx") and len(reply.detail) == 200
    assert len(server.asked) == 1


def test_it_leaves_out_what_the_server_does_not_take() -> None:
    def say(body: dict[str, Any], n: int) -> Any:
        for name, message in (
            ("max_tokens", "Use 'max_completion_tokens' instead of 'max_tokens'."),
            ("seed", "seed?"),
        ):
            if name in body:
                return Bad(400, body=json.dumps({"error": message}))
        return "Yes"

    with serving(say) as server:
        replies = ask(server, 3, concurrency=1)
    assert [one.text for one in replies] == ["Yes"] * 3 and len(server.asked) == 5
    assert server.asked[-1]["max_completion_tokens"] == 256
    assert "seed" not in replies[0].sampling


def test_a_key_that_comes_back_in_a_text_is_taken_out() -> None:
    with serving(lambda body, n: f"The key is {KEY}! \ud83d") as server:
        assert ask(server)[0].text == "The key is [key]! ?"


def scored(top: list[tuple[str, float]], text: str = "4") -> dict[str, Any]:
    shown = [{"token": token, "logprob": math.log(chance)} for token, chance in top]
    content = [{"token": " ", "top_logprobs": []}, {"token": text, "logprob": -0.1, "top_logprobs": shown}]
    return completion(text, logprobs={"content": content})


def test_a_score_is_the_mean_by_the_probabilities_shown() -> None:
    with serving(lambda body, n: scored([("4", 0.6), (" 5", 0.3), ("The", 0.1)])) as server:
        (reply,) = ask(server, scored=True)
    assert reply.score == pytest.approx((4 * 0.6 + 5 * 0.3) / 0.9)
    assert server.asked[0]["logprobs"] is True and server.asked[0]["top_logprobs"] == 20


@pytest.mark.parametrize(("text", "score"), [("Score: 3/5", 3), ("I cannot say.", None), ("7", None)])
def test_without_probabilities_the_written_score_counts(text: str, score: float | None) -> None:
    def say(body: dict[str, Any], n: int) -> Any:
        return Bad(400, body='{"error": {"message": "logprobs are not supported"}}') if "logprobs" in body else text

    with serving(say) as server:
        (reply,) = ask(server, scored=True)
    assert reply.score == score and reply.failure == ("" if score else "no score in the judge's reply")


def test_a_stop_does_not_wait_for_the_server() -> None:
    class Stopped(Exception):
        pass

    began = time.monotonic()

    def stop() -> None:
        if time.monotonic() - began > 0.2:
            raise Stopped

    with serving(lambda body, n: Bad(hang=3) if n % 2 else Bad(429, {"Retry-After": "100"})) as server:
        with pytest.raises(Stopped):
            ask(server, 8, stop, timeout=60)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "No endpoint is configured"),
        ({"URL": "http://host:99999/v1", "MODEL": "big"}, "not a plain http"),
        ({"URL": "http://127.0.0.1/v1"}, "MODEL is not set"),
        ({"URL": "ftp://host/v1", "MODEL": "big"}, "not a plain http"),
        ({"URL": "https://me:pass@host/v1", "MODEL": "big"}, "not a plain http"),
        ({"URL": "https://host/v1", "MODEL": "big", "KEY": "sk-né"}, "KEY holds characters"),
        ({"URL": "https://host/v1", "MODEL": "big", "KEY": "sk-1\r\nX: y"}, "KEY holds characters"),
    ],
)
def test_a_wrong_environment_is_told_without_its_secrets(
    values: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("URL", "MODEL", "KEY"):
        monkeypatch.setenv(f"WORKBENCH_ENDPOINT_{name}", values.get(name, ""))
    with pytest.raises(UserError, match=message) as found:
        Endpoint.configured()
    assert not any(secret in str(found.value) for secret in ("pass@", "sk-"))


def test_the_address_is_completed_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("URL", "https://host/v1/"), ("MODEL", "big"), ("KEY", f" {KEY}\n")):
        monkeypatch.setenv(f"WORKBENCH_ENDPOINT_{name}", value)
    found = Endpoint.configured()
    assert (found.url, found.key) == ("https://host/v1/chat/completions", KEY)
    assert KEY not in repr(found) and "host" not in repr(found)
    monkeypatch.setenv("WORKBENCH_ENDPOINT_URL", found.url)
    assert Endpoint.configured() == found


def test_nothing_of_it_can_come_from_a_request() -> None:
    from workbench.synthesis.jobs.make_data import MakeData

    for field in ("url", "key", "endpoint.url", "endpoint.key"):
        path = field.split(".")
        given = {path[0]: {path[1]: "x"}} if len(path) == 2 else {field: "x"}
        with pytest.raises(UserError, match="no such setting"):
            MakeData.parse({"dataset": "talks", **given})


def test_the_key_stays_out_of_a_traceback(tmp_path: Path) -> None:
    writer = EndpointWriter(Endpoint("http://127.0.0.1:9/x", "big", KEY), Patience(tries=1))
    assert KEY not in repr(vars(writer)) and writer.name == "endpoint:big"
    writer.close()
