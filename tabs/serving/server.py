"""The web server: Gradio's page as an ASGI app behind our own layers, on a socket of our own."""

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import fastapi
import gradio as gr
import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp

from tabs.serving.asking import asker
from tabs.serving.function_calls import function_routes
from tabs.serving.gradio_files import asset_route
from tabs.serving.page_states import PageStates
from tabs.serving.permissions import page_name, restrict_functions
from tabs.shell.scripts import script_route
from tabs.shell.styles import theme_routes
from tabs.shell.theme import HEAD, role_tag, theme
from workbench.core.collector import keep_for_good
from workbench.core.errors import UserError
from workbench.people.roles import Role

SHUTDOWN_SECONDS = 1
"""How long a stopped server waits for open streams; a page keeps one open for as long as it is shown."""

MOST_WAITING_CALLS = 2048
SWITCH_SECONDS = 0.001
"""After how long a thread that computes lets another have its turn, a fifth of what Python says: the one that reads
requests and sends answers comes back to it after every wait."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at this address, so that a taken port is known before anything is started; raises `UserError`.

    It listens only once the pages are there: whoever comes earlier is refused at once and comes again, as open pages
    do, instead of waiting through the start.
    """
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    with _port_said(port):
        if os.name == "posix":  # where it means no more than that a port is free again as soon as its server has ended
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family is socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
    # asyncio does this for the sockets it opens; on ours a reply's body would wait 40 ms for its head's receipt
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


@contextlib.contextmanager
def _port_said(port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"Port {port} cannot be used: {reason}.", "Set WORKBENCH_PORT to a free one.") from None


def mounted(demo: gr.Blocks, role: Role = Role.OWNER, accounts: bool = True) -> fastapi.FastAPI:
    """A role's page with its routes, not yet behind its middleware; `accounts`: whether it was made with accounts."""
    restrict_functions(demo)
    # A parent that has its own CORS rules keeps Gradio from echoing any Origin with credentials; it allows none.
    parent = fastapi.FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    parent.add_middleware(CORSMiddleware)
    parent.router.routes += [script_route(), asset_route(), *theme_routes(demo)]
    gr.mount_gradio_app(
        parent, demo, "/", auth_dependency=lambda request: asker(request).login, theme=theme(),
        head=HEAD + str(role_tag(page_name(role, accounts))),
        footer_links=[], run_history=False, ssr_mode=False,
        enable_monitoring=False, show_error=True, max_file_size="4gb", mcp_server=False, pwa=False,
    )  # fmt: skip
    gradio_app = next(route.app for route in parent.routes if isinstance(route, Mount))
    states = PageStates(demo)
    gradio_app.state_holder = states  # type: ignore[attr-defined]
    parent.router.routes[:0] = function_routes(demo, states)
    # Gradio checks where files named in a call lie only in what it calls launched, which a mounted page never becomes.
    demo.has_launched = True
    return parent


class _Server(uvicorn.Server):
    """Does not complain of the streams it cuts when it stops: every open page has one that ends in no other way."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


def run_server(app: ASGIApp, bound: socket.socket, started: Callable[[], None]) -> None:
    """Serves until interrupted; `started` is called when requests are answered. Raises `UserError` when another server
    has taken the port meanwhile."""
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=SHUTDOWN_SECONDS)
    server = _Server(config)
    keep_for_good()
    with _port_said(bound.getsockname()[1]):
        bound.listen(MOST_WAITING_CALLS)
    sys.setswitchinterval(SWITCH_SECONDS)
    started()
    with contextlib.suppress(KeyboardInterrupt):  # raised again once the server has stopped as it should
        server.run(sockets=[bound])
