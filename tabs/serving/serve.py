"""Serving the page: where, for whom, and with which runner and chats behind it."""

import contextlib
import logging
import os
from collections.abc import Callable, Mapping

import fastapi
import gradio as gr

from tabs.serving.config import USER, Serving
from tabs.serving.permissions import join_lifespans
from tabs.serving.routes import INVITE
from tabs.serving.server import bound_socket, mounted, run_server
from tabs.serving.stack import stack
from tabs.serving.uploads import UploadQuota
from tabs.shell.context import Context
from tabs.shell.kit import static_paths
from workbench.chat.service import ChatService
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.logs import configure_logging
from workbench.core.paths import PathGate
from workbench.core.settings import Settings, unknown_variables
from workbench.core.space import storage_warning
from workbench.core.uploads import upload_folder
from workbench.jobs.job import Job
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.people.accounts import accounts_are_on, has_owner, switch_accounts_on
from workbench.people.invitations import invite_first_owner
from workbench.people.roles import Role
from workbench.preferences.store import check_storage

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.02
"""Seconds between looks of Gradio's queue when it is empty. It looks a thousand times a second by default (20 times on
Windows), which takes 7 % of a core for as long as the page is served."""
PROGRESS_SECONDS = 0.2
"""Seconds between its looks for the progress of calls, which are a hundred a second by default: 1 % of a core."""

EVENT_STATISTICS_OFF = {"GRADIO_ANALYTICS_MAX_EVENTS": "1", "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(10**12)}
"""Gradio keeps a record of 10 000 events and makes a table of them after every one, which takes 50 ms; only its monitor
reads that, and it is not served."""


HOW_TO_HUB_LOGIN = (
    "Nobody can log in with Hugging Face here. To let them, add the line `hf_oauth: true` to the front matter of the "
    "Space's README.md, between the two lines of ---; the Space then starts again."
)


class PageQueue(Queue):
    """The queue as the page fills it: jobs that name paths of this machine are held to the gate."""

    def __init__(self, home: Home, gate: PathGate):
        super().__init__(home)
        self.gate = gate

    def submit(self, job: Job, here: bool = False) -> str:
        """As `Queue.submit`; raises `SpecError` for a path that may not be named."""
        self.gate.check(job)
        return super().submit(job, here)


def serve(pages: Mapping[Role, Callable[[Context], gr.Blocks]]) -> None:
    """Serves every role its page until interrupted; the runner and a warm worker start beside it.

    Raises `UserError` when the port is taken. Jobs under way outlive this process.
    """
    configure_logging()
    home = Home.default()
    serving = Serving.configured(accounts_are_on(home))
    if serving.accounts:
        switch_accounts_on(home)
    listening = bound_socket(serving.host, serving.port)
    uploads = upload_folder(home)
    with contextlib.suppress(OSError):  # a home that can only be read is shown all the same, and the page says so
        uploads.mkdir(exist_ok=True)
    os.environ.update(EVENT_STATISTICS_OFF, GRADIO_TEMP_DIR=str(uploads))  # read when the page is composed
    gate = serving.gate((uploads,))
    queue = PageQueue(home, gate)
    ctx = Context(
        home, queue, Runner(home, queue), ChatService(home), gate, serving.asks_login, accounts=serving.accounts
    )  # fmt: skip
    if unsafe := check_storage(home):
        log.error("%s", unsafe)
        ctx.shelves.storage = unsafe.message, unsafe.remedy
    gr.set_static_paths(static_paths())
    others = _pages_of_others(pages, ctx)
    app = mounted(_queued(pages[Role.OWNER](ctx)))
    app.add_middleware(UploadQuota, home=home)
    join_lifespans(app, others)

    def started() -> None:
        ctx.runner.start()
        announce(serving, home)

    run_server(stack(app, serving, home.root, others), listening, started)


def _queued(demo: gr.Blocks) -> gr.Blocks:
    demo.queue(default_concurrency_limit=8)
    demo._queue.sleep_when_free, demo._queue.progress_update_sleep_when_free = IDLE_SECONDS, PROGRESS_SECONDS
    return demo


def _pages_of_others(
    pages: Mapping[Role, Callable[[Context], gr.Blocks]], ctx: Context
) -> dict[Role, fastapi.FastAPI]:  # fmt: skip
    """The pages of all roles but the owner's, which look at the same shelves.

    They are composed first and in one order: Gradio numbers their parts as it meets them, and a page that is open while
    the server is started again goes on with the numbers it has.
    """
    others: dict[Role, fastapi.FastAPI] = {}
    for role in (role for role in Role if role in pages and role is not Role.OWNER):
        theirs = Context(ctx.home, ctx.queue, ctx.runner, ctx.chats, PathGate(), ctx.asks_login, ctx.accounts)
        theirs.shelves = ctx.shelves
        others[role] = mounted(_queued(pages[role](theirs)), role)
    return others


def announce(serving: Serving, home: Home) -> None:
    """Says where the page is, how to log in and under which names it can be reached."""
    for sentence in unknown_variables():
        log.warning("%s", sentence)
    if warning := storage_warning(home.root, Settings.current()):
        print(warning, flush=True)
    if serving.accounts:
        announce_accounts(serving, home)
    if not serving.is_private and not serving.hosts:
        print("It answers under this machine's name and its IP addresses; WORKBENCH_HOSTS adds others.", flush=True)
    print(f"LLM Workbench is at {serving.url}  (home: {home.root})", flush=True)


def announce_accounts(serving: Serving, home: Home) -> None:
    """Prints the link for the first owner where nobody could log in, and says what became of the one password."""
    try:
        owned = has_owner(home)
        address = f"https://{serving.hosts[0]}" if serving.space and serving.hosts else serving.url
        link = "" if owned else f"{address}{INVITE}?token={invite_first_owner(home)}"
    except UserError as error:
        log.error("accounts cannot be read: %s", error)
        return
    if serving.space and not serving.hub:
        print(HOW_TO_HUB_LOGIN, flush=True)
    if link and serving.hub:
        print(f"No owner yet: {serving.hub.author} logs in with Hugging Face at {address}, and is one.", flush=True)
    if link:
        print(f"No owner can log in yet. This link makes one, once: {link}", flush=True)
    if serving.password:
        use = "is not asked for any more" if owned else f"of the user {USER} leads to the same"
        print(f"People log in with accounts; WORKBENCH_PASSWORD {use}.", flush=True)
