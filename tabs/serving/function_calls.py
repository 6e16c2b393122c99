"""The calls of the page's server functions, answered by us in the place of Gradio's route of the same address.

Fifty people who vote make a hundred calls a second. Gradio's own way to a function, through its second application with
five layers of its own and three changes of thread, takes half as long again.
"""

import json
from collections.abc import Mapping
from typing import Any

import anyio
import gradio as gr
import orjson
from fastapi.encoders import jsonable_encoder
from gradio.state_holder import StateHolder
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

FUNCTION_CALLS = "/gradio_api/component_server"
PACKED_FROM_BYTES = 2000
"""Bytes of a reply from which it is sent compressed."""
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def function_routes(demo: gr.Blocks, states: StateHolder) -> list[Route]:
    """Routes to the server functions of this page's components; `states` remembers the pages that asked last."""
    calls = GZipMiddleware(_FunctionCalls(demo, states), minimum_size=PACKED_FROM_BYTES, compresslevel=4)
    return [Route(path, calls, methods=["POST"]) for path in (FUNCTION_CALLS, f"{FUNCTION_CALLS}/")]


class _FunctionCalls:
    """ASGI app: calls what {"component_id", "fn_name"} names with `data` and the request."""

    def __init__(self, demo: gr.Blocks, states: StateHolder) -> None:
        self.demo, self.states = demo, states

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            call = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return _refusal(400, "This is no JSON.")
        except ClientDisconnect:  # or cut off by `CallLimit`
            return _refusal(400, "The call ended before it was whole.")
        call = call if isinstance(call, dict) else {}
        component, name, page = (call.get(field) for field in ("component_id", "fn_name", "session_hash"))
        if not (isinstance(component, int) and isinstance(name, str) and isinstance(page, str)):
            return _refusal(422, "A call has component_id, a number, fn_name and session_hash, which are texts.")
        function = getattr(self.demo.blocks.get(component), name, None)
        if function is None or not getattr(function, "_is_server_fn", False):
            return _refusal(404, "There is no such function. Reload the page.")
        self.states[page]  # it is remembered as one that asked now
        return await anyio.to_thread.run_sync(lambda: _reply(function(call.get("data"), request)))


def _reply(value: Any) -> Response:
    return value if isinstance(value, Response) else Response(_json(value), media_type="application/json")


def _json(value: Any) -> bytes:
    """As JSON; a text with odd bytes, such as the name of a file, which orjson refuses, keeps them as escapes."""
    try:
        return orjson.dumps(value, jsonable_encoder, _OPTIONS)
    except TypeError:
        return json.dumps(jsonable_encoder(value)).encode("ascii")


def _refusal(status: int, sentence: str) -> Response:
    detail: Mapping[str, str] = {"detail": sentence}
    return Response(orjson.dumps(detail), status, media_type="application/json")
