"""What is served: the pages of all roles behind their layers, made anew when accounts are switched on.

That happens while the server runs: jobs, chats and the port stay as they are, and whoever has a page open from before
is asked to log in. Nothing is switched before there is an owner who can.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import fastapi
import gradio as gr
from gradio.context import Context as GradioContext
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabs.serving.backup_files import backup_route
from tabs.serving.config import Serving
from tabs.serving.permissions import join_lifespans
from tabs.serving.server import mounted
from tabs.serving.stack import stack
from tabs.serving.uploads import UploadQuota
from tabs.shell.context import Context
from workbench.chat.service import ChatService
from workbench.core.change_log import acting_as
from workbench.core.collector import keep_for_good
from workbench.core.home import Home
from workbench.core.paths import PathGate
from workbench.jobs.job import Job
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.people.accounts import switch_accounts_on
from workbench.people.roles import Role

log = logging.getLogger(__name__)

Pages = Mapping[Role, Callable[[Context], gr.Blocks]]
IDLE_SECONDS = 0.02
"""Seconds between looks of Gradio's queue when it is empty. It looks a thousand times a second by default (20 times on
Windows), which takes 7 % of a core for as long as the page is served."""
PROGRESS_SECONDS = 0.2
"""Seconds between its looks for the progress of calls, which are a hundred a second by default: 1 % of a core."""


class PageQueue(Queue):
    """The queue as the page fills it: jobs that name paths of this machine are held to the gate."""

    def __init__(self, home: Home, gate: PathGate):
        super().__init__(home)
        self.gate = gate

    def submit(self, job: Job, here: bool = False) -> str:
        """As `Queue.submit`; raises `SpecError` for a path that may not be named."""
        self.gate.check(job)
        return super().submit(job, here)


@dataclass(frozen=True)
class _Composed:
    """The pages of one way of serving. app: behind all layers. pages: what begins and ends with the server. contexts:
    what each is made of."""

    serving: Serving
    app: ASGIApp
    pages: fastapi.FastAPI
    gate: PathGate
    contexts: list[Context]


class Site:
    """ASGI app: the pages as they are served now.

    storage: what is wrong with where the home lies and what to do about it, "" where nothing is.
    """

    def __init__(
        self, pages: Pages, serving: Serving, home: Home, uploads: Path, storage: tuple[str, str] = ("", "")
    ) -> None:
        self.pages, self.home, self.uploads, self.storage = pages, home, uploads, storage
        self.queue = PageQueue(home, serving.gate((uploads,)))
        self.runner, self.chats = Runner(home, self.queue), ChatService(home)
        self._first_number = GradioContext.id
        self._now = self._compose(serving)
        self._prepared: _Composed | None = None
        self._switching, self._ending = asyncio.Lock(), asyncio.Event()
        self._lifespans: set[asyncio.Task[None]] = set()

    @property
    def serving(self) -> Serving:
        """How it is served now."""
        return self._now.serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._now.app(scope, self._until_shutdown(receive), send)
        else:
            await self._now.app(scope, receive, send)

    def draw(self) -> None:
        """Makes the state of every page once, which open pages all ask for as soon as the server answers."""
        for ctx in self._now.contexts:
            ctx.draw()

    async def prepare(self) -> None:
        """Composes the pages there are with accounts, once, so that what is wrong with them is known before anything
        is switched."""
        async with self._switching:
            if not self._prepared:
                serving = replace(self.serving, accounts=True)
                prepared = await anyio.to_thread.run_sync(self._compose, serving)
                await self._begin(prepared.pages)
                self._prepared = prepared
                keep_for_good()

    async def switch(self, person: str) -> None:
        """From the next request on everybody logs in, after `prepare`; `person` is who switched accounts on."""
        prepared = self._prepared
        if prepared is None:
            raise RuntimeError("prepare comes first")
        with acting_as(person):
            switch_accounts_on(self.home)
        self.queue.gate = prepared.gate
        self._now = prepared
        log.info("%s has switched accounts on", person)

    def _compose(self, serving: Serving) -> _Composed:
        """The pages of all roles, which look at the same shelves.

        Those of others come first and in one order: Gradio numbers their parts as it meets them, and a page that is
        open while the server is started again goes on with the numbers it has.
        """
        GradioContext.id = self._first_number
        gate = serving.gate((self.uploads,))
        ctx = self._context(serving, gate)
        others: dict[Role, fastapi.FastAPI] = {}
        contexts = [ctx]
        for role in (role for role in Role if role in self.pages and role is not Role.OWNER):
            theirs = self._context(serving, PathGate())
            theirs.shelves = ctx.shelves
            contexts.append(theirs)
            others[role] = mounted(_queued(self.pages[role](theirs)), role, serving.accounts)
        app = mounted(_queued(self.pages[Role.OWNER](ctx)), Role.OWNER, serving.accounts)
        app.router.routes.insert(0, backup_route(self.home))
        app.add_middleware(UploadQuota, home=self.home)
        join_lifespans(app, others)
        switch = None if serving.accounts else self
        return _Composed(serving, stack(app, serving, self.home.root, others, switch), app, gate, contexts)

    def _context(self, serving: Serving, gate: PathGate) -> Context:
        ctx = Context(
            self.home, self.queue, self.runner, self.chats, gate, serving.asks_login, accounts=serving.accounts
        )
        ctx.shelves.storage = self.storage
        return ctx

    async def _begin(self, pages: fastapi.FastAPI) -> None:
        """Starts pages that were composed later, in a task of their own that ends with the server."""
        begun = asyncio.Event()

        async def live() -> None:
            async with pages.router.lifespan_context(pages):
                begun.set()
                await self._ending.wait()

        task = asyncio.create_task(live())
        self._lifespans.add(task)
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not begun.is_set():
            waiting.cancel()
            await task  # raises what kept it from beginning

    def _until_shutdown(self, receive: Receive) -> Receive:
        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._ending.set()
                with contextlib.suppress(Exception):
                    await asyncio.gather(*self._lifespans)
            return message

        return receiving


def _queued(demo: gr.Blocks) -> gr.Blocks:
    demo.queue(default_concurrency_limit=8)
    demo._queue.sleep_when_free, demo._queue.progress_update_sleep_when_free = IDLE_SECONDS, PROGRESS_SECONDS
    return demo
