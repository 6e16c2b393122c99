"""Serving the page: where, for whom, and with which runner and chats behind it."""

import os
import secrets
from collections.abc import Callable

import gradio as gr

from tabs._context import Context
from tabs._kit import static_paths
from tabs.serving.server import bound_socket, mounted, run
from workbench.chat.service import ChatService
from workbench.errors import UserError
from workbench.home import Home
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

IDLE = 0.02
"""Seconds between looks of Gradio's queue when it is empty. It looks a thousand times a second by default (20 times on
Windows), which takes 7 % of a core for as long as the page is served."""


def address() -> tuple[str, int]:
    """Host and port from WORKBENCH_HOST and WORKBENCH_PORT; a Space listens to everybody."""
    host = os.environ.get("WORKBENCH_HOST") or ("0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1")
    port = os.environ.get("WORKBENCH_PORT", "7860")
    if not port.isdigit():
        raise UserError(f"{port!r} is no port.", "Give a number such as 7860.", "WORKBENCH_PORT")
    return host, int(port)


def account(host: str) -> tuple[str, str] | None:
    """The login asked for when the page can be reached from elsewhere; None on this machine alone."""
    password = os.environ.get("WORKBENCH_PASSWORD")
    if host in ("127.0.0.1", "localhost", "::1") and not password:
        return None
    if not password:
        password = secrets.token_urlsafe(12)
        print(f"Login: workbench / {password}   (WORKBENCH_PASSWORD sets another)", flush=True)
    return "workbench", password


def serve(compose: Callable[[Context], gr.Blocks]) -> None:
    """Serves until interrupted; the runner and a warm worker start beside it.

    Raises `UserError` when the port is taken. Jobs under way outlive this process.
    """
    home, (host, port) = Home.default(), address()
    listening = bound_socket(host, port)
    queue = Queue(home)
    ctx = Context(home, queue, Runner(home, queue), ChatService(home))
    gr.set_static_paths(static_paths())
    demo = compose(ctx).queue(default_concurrency_limit=8)
    demo._queue.sleep_when_free = IDLE

    def started() -> None:
        ctx.runner.start()
        shown_host = f"[{host}]" if ":" in host else host
        print(f"LLM Workbench is at http://{shown_host}:{port}  (home: {home.root})", flush=True)

    run(mounted(demo, account(host)), listening, started)
