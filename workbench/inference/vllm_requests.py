"""Many prompts put to a vLLM server at once, each in a request of its own. Imports no torch.

https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#completions-api
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from workbench.core.errors import UserError
from workbench.inference.decoding import Decoding
from workbench.inference.stream import Completion, Watch
from workbench.inference.vllm_server import ServerEnded, VllmServer

Heard = Callable[[int, dict[str, Any]], None]

PATH = "/v1/completions"
WATCH_SECONDS = 0.5
CONNECT_SECONDS, REPLY_SECONDS = 10.0, 3600.0
LIKELIEST_TOKENS = 20  # tokens whose probabilities vLLM tells at most, unless it is started otherwise
SHOWN_CHARACTERS = 300


def sampling_body(
    prompt: Sequence[int], decoding: Decoding, stops: Sequence[int], room: int, offset: int
) -> dict[str, Any]:
    """The request for one answer: the prompt's own tokens, and all of the sampling in vLLM's words.

    offset: what is added to the seed, so that every prompt of a batch has its own.
    """
    body: dict[str, Any] = {
        "prompt": list(prompt), "max_tokens": min(decoding.max_new_tokens, room), "stop_token_ids": list(stops),
        "repetition_penalty": decoding.repetition_penalty, "skip_special_tokens": True,
    }  # fmt: skip
    if decoding.greedy:
        return {**body, "temperature": 0}
    return {
        **body, "temperature": decoding.temperature, "top_k": decoding.top_k or -1, "top_p": decoding.top_p,
        "seed": decoding.seed + offset,
    }  # fmt: skip


def chances_body(prompt: Sequence[int]) -> dict[str, Any]:
    """The request for the probabilities of the first token of an answer."""
    return {"prompt": list(prompt), "max_tokens": 1, "temperature": 0, "logprobs": LIKELIEST_TOKENS}


def completion_of(reply: Mapping[str, Any]) -> Completion:
    """The answer in a reply; vLLM counts the token that ended it."""
    choice = reply["choices"][0]
    text, ended = str(choice["text"]).strip(), choice["finish_reason"] == "stop"
    tokens = max(0, int(reply["usage"]["completion_tokens"]) - ended)
    return Completion(text, ("eos" if ended else "length") if text else "error", tokens)


def chances_of(reply: Mapping[str, Any]) -> dict[str, float]:
    """The probabilities of the likeliest first tokens, by their texts."""
    listed = (reply["choices"][0].get("logprobs") or {}).get("top_logprobs") or [{}]
    return {text: math.exp(chance) for text, chance in (listed[0] or {}).items()}


def ask_all(
    server: VllmServer, bodies: Mapping[int, dict[str, Any]], concurrency: int, heard: Heard, watch: Watch
) -> None:
    """Puts all requests, so many at a time; `heard` gets each reply as it comes, by the number of its request.

    Raises `ServerEnded` when the server is no more, `UserError` when it refuses a request, and what `watch` raises to
    stop, which takes the open requests back.
    """
    if bodies:
        asyncio.run(_ask_all(server, bodies, concurrency, heard, watch))


async def _ask_all(
    server: VllmServer, bodies: Mapping[int, dict[str, Any]], concurrency: int, heard: Heard, watch: Watch
) -> None:
    gate = asyncio.Semaphore(concurrency)
    latest = next(iter(bodies))
    client = httpx.AsyncClient(
        base_url=server.url, headers=server.headers, trust_env=False, limits=httpx.Limits(max_connections=concurrency),
        timeout=httpx.Timeout(REPLY_SECONDS, connect=CONNECT_SECONDS),
    )  # fmt: skip

    async def ask(number: int, body: dict[str, Any]) -> None:
        nonlocal latest
        async with gate:
            latest = max(latest, number)
            heard(number, await _reply(client, body))

    async with client:
        pending = {asyncio.ensure_future(ask(number, body)) for number, body in bodies.items()}
        try:
            while pending:
                watch(latest)
                server.check()
                done, pending = await asyncio.wait(pending, timeout=WATCH_SECONDS)
                if errors := [error for task in done if (error := task.exception())]:
                    raise errors[0]
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)


async def _reply(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    try:
        response = await client.post(PATH, json=body)
    except httpx.HTTPError:
        raise ServerEnded from None
    if response.is_server_error:  # its engine is dead, though its process may still be there
        raise ServerEnded
    if response.is_error:
        words = response.text.strip()[:SHOWN_CHARACTERS]
        raise UserError(f"vLLM refused a request: {words}", "Choose another engine for this model.", "engine")
    reply: dict[str, Any] = response.json()
    return reply
