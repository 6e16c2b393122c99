"""The operator's endpoint: any server that speaks OpenAI's chat completions, set in the environment alone.

Its address, model and key never come from a request, and address and key are written nowhere. https://platform.openai.com/docs/api-reference/chat
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from workbench.core.errors import UserError
from workbench.core.settings import Settings
from workbench.inference.decoding import Decoding
from workbench.synthesis.judging import expected_score, written_score
from workbench.synthesis.replies import CUT_OFF, Reply, Request
from workbench.synthesis.writer import EMPTY_REPLY, NO_SCORE

PATH = "/chat/completions"
OPTIONAL = ("logprobs", "top_logprobs", "seed", "max_tokens", "top_p")


@dataclass(frozen=True)
class Endpoint:
    """Where it is, which model it is asked for, and the key it wants."""

    url: str = field(repr=False)
    model: str
    key: str = field(default="", repr=False)

    @classmethod
    def configured(cls) -> "Endpoint":
        """The one set in the environment; raises `UserError` when there is none, or it cannot be used."""
        settings = Settings.current()
        url, key = settings.endpoint_url.get_secret_value(), settings.endpoint_key.get_secret_value()
        remedy = "The operator sets WORKBENCH_ENDPOINT_URL and WORKBENCH_ENDPOINT_MODEL before starting the workbench."
        if not url:
            raise UserError("No endpoint is configured here.", f"Choose a model of the shelf. {remedy}", "model")
        if not _is_plain(url):
            raise UserError("WORKBENCH_ENDPOINT_URL is not a plain http(s) address.", remedy, "model")
        if not settings.endpoint_model:
            raise UserError("WORKBENCH_ENDPOINT_MODEL is not set.", remedy, "model")
        if not key.isascii() or not key.isprintable():
            raise UserError("WORKBENCH_ENDPOINT_KEY holds characters a header cannot.", "Copy it again.", "model")
        address = url.rstrip("/")
        return cls(address if address.endswith(PATH) else address + PATH, settings.endpoint_model, key)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def cleaned(self, text: str) -> str:
        """A text of the server's without the key, should it send that back, and without broken characters."""
        safe = text.encode("utf-8", "replace").decode()
        return safe.replace(self.key, "[key]") if self.key else safe


def _is_plain(url: str) -> bool:
    """Whether it is an http(s) address without a password, query or impossible port."""
    try:
        parts = urlsplit(url)
        odd = parts.username or parts.password or parts.query or parts.fragment or parts.port == 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not odd


def body_of(request: Request, model: str, without: set[str]) -> dict[str, Any]:
    """The request in the server's words; `without` are optional parts it has refused."""
    decoding = request.decoding
    body: dict[str, Any] = {"model": model, "messages": request.messages, "stream": False}
    body["temperature"] = 0 if decoding.greedy else decoding.temperature
    limit = "max_completion_tokens" if "max_tokens" in without else "max_tokens"
    more: dict[str, Any] = {limit: decoding.max_new_tokens, "seed": decoding.seed}
    if not decoding.greedy:
        more["top_p"] = decoding.top_p
    if request.scored:
        more |= {"logprobs": True, "top_logprobs": 20}
    return body | {name: value for name, value in more.items() if name not in without}


def refused_options(message: str, without: set[str]) -> set[str]:
    """The optional parts a server's complaint names, which to leave out in the next try."""
    named = {name for name in OPTIONAL if re.search(rf"\b{name}\b", message)} - without
    scores = {"logprobs", "top_logprobs"}
    return named | scores if named & scores else named


def sampling_of(decoding: Decoding, without: set[str]) -> dict[str, Any]:
    """The settings the server was given."""
    sampling: dict[str, Any] = {"temperature": 0 if decoding.greedy else decoding.temperature}
    sampling |= {} if decoding.greedy else {"top_p": decoding.top_p}
    sampling |= {"max_new_tokens": decoding.max_new_tokens, "seed": decoding.seed}
    return {name: value for name, value in sampling.items() if name not in without}


def reply_of(data: Any, request: Request, endpoint: Endpoint, without: set[str]) -> Reply:
    """The reply in a server's answer; raises `ValueError` when it is none."""
    try:
        choice = data["choices"][0]
        content, finish = choice["message"].get("content"), choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("no choices in the reply") from None
    if content is not None and not isinstance(content, str):
        raise ValueError("the reply is no text")
    sampling = sampling_of(request.decoding, without)
    text = endpoint.cleaned(content or "").strip()
    usage = data.get("usage")
    reported = usage.get("completion_tokens") if isinstance(usage, dict) else None
    tokens = reported if isinstance(reported, int) else 0
    if finish == "content_filter":
        return Reply(failure="content filter of the endpoint", sampling=sampling)
    if not text:
        return Reply(failure=EMPTY_REPLY, tokens=tokens, sampling=sampling)
    ending = CUT_OFF if finish == "length" else "eos"
    if not request.scored:
        return Reply(text, ending, tokens, sampling=sampling)
    score = _expected(choice) or written_score(text)
    return Reply(text, ending, tokens, "" if score else NO_SCORE, score=score, sampling=sampling)


def _expected(choice: Mapping[str, Any]) -> float | None:
    """The expected score by the alternatives of the first token that is a number, where the server shows them."""
    try:
        tokens = choice["logprobs"]["content"]
        first = next(alternative for alternative in tokens if alternative["token"].strip() in set("12345"))
        chances: dict[int, float] = {}
        for alternative in first["top_logprobs"]:
            if alternative["token"].strip() in set("12345"):
                number = int(alternative["token"])
                chances[number] = chances.get(number, 0.0) + math.exp(min(0.0, float(alternative["logprob"])))
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
        return None
    return expected_score(chances)
