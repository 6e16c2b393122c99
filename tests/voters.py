"""Many annotators at once, as their browsers: each with an account, an invitation, cookies, and the calls of its page.

The server is a process of its own, killed with -9 and started again while they vote. What was acknowledged, how long
every answer took, and what the database holds afterwards are counted.
"""

import asyncio
import itertools
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import sqlalchemy as sa

from tests.durability import SESSION, Server
from tests.voting import make_session
from workbench.core.home import Home
from workbench.people.accounts import switch_accounts_on
from workbench.people.invitations import accept_invitation, invite, invite_first_owner
from workbench.preferences import store, tables

PASSWORD = "correct horse battery"
LONGEST_PAUSE = 8.0
PULSE_SECONDS = 2.0
"""What a page waits between two looks at what changed."""
GONE = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException)
"""What a request raises when its server is not there, or was killed over it."""


@dataclass(frozen=True)
class Plan:
    """annotators vote for so many seconds, each thinking `think` seconds on the average over a pair, while the server
    is killed `kills` times; every one of the `pairs` wants `votes_per_pair` votes. After that time they hurry, so that
    the session is complete."""

    annotators: int
    seconds: float
    kills: int
    pairs: int
    votes_per_pair: int = 3
    think: float = 1.5


@dataclass
class Polled:
    """What came of it. seconds: of every answer of a running server, by the function that was called. outages: of each
    kill, from the signal to the first answer. kept: (key, pair, annotator) of every vote in the database."""

    acknowledged: set[str] = field(default_factory=set)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    outages: list[float] = field(default_factory=list)
    kept: list[tuple[str, int, str]] = field(default_factory=list)
    pairs: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Votes that were acknowledged and are not there exactly once."""
        counts = Counter(key for key, _, _ in self.kept)
        return sum(counts[key] != 1 for key in self.acknowledged)

    def wrong_overlap(self, votes_per_pair: int) -> int:
        """Pairs that have not exactly the votes they want, from so many people."""
        people: dict[int, list[str]] = {}
        for _, pair, annotator in self.kept:
            people.setdefault(pair, []).append(annotator)
        right = sum(len(them) == len(set(them)) == votes_per_pair for them in people.values())
        return self.pairs - right

    def quantile(self, share: float, functions: tuple[str, ...] = ()) -> float:
        """Milliseconds within which that share of the answers came, of these functions or of all."""
        values = sorted(itertools.chain(*(self.seconds[name] for name in functions or self.seconds)))
        return 1000 * values[min(len(values) - 1, int(share * len(values)))]


class AnnotatorPage:
    """One annotator's browser: joins by a link, loads the page, starts voting, and votes."""

    def __init__(self, url: str, name: str, found: Polled, measuring: asyncio.Event) -> None:
        self.url, self.name, self.found, self.measuring = url, name, found, measuring
        self.hash = uuid.uuid4().hex[:11]
        self.random = random.Random(name)
        self.client = httpx.AsyncClient(
            base_url=url, headers={"Origin": url}, timeout=60, follow_redirects=True, trust_env=False
        )

    async def join(self, token: str) -> None:
        form = {"name": self.name, "password": PASSWORD}
        reply = await self.client.post(f"/invite?token={token}", data=form)
        assert reply.status_code == 200 and reply.url.path == "/", (reply.status_code, reply.text)

    async def open(self) -> None:
        config = (await self.client.get("/config")).json()
        parts = config["components"]
        self.pad = next(part["id"] for part in parts if part["props"].get("elem_id") == "vote-pad")
        self.pulse = next(part["id"] for part in parts if "changes" in (part["props"].get("server_fns") or ()))
        begin = next(part["id"] for part in parts if part["props"].get("elem_id") == "vote-start")
        opened = next(one for one in config["dependencies"] if [begin, "click"] in map(list, one["targets"]))
        await self.start_voting(opened["id"])

    async def start_voting(self, event: int) -> None:
        """The click on 'Start voting', which goes through Gradio's queue."""
        join = {"data": [SESSION, ""], "fn_index": event, "session_hash": self.hash, "trigger_id": None}
        reply = await self.client.post("/gradio_api/queue/join", json=join)
        assert reply.status_code == 200, reply.text
        query = {"session_hash": self.hash}
        async with self.client.stream("GET", "/gradio_api/queue/data", params=query) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:") and (message := json.loads(line[5:]))["msg"] == "process_completed":
                    assert message["success"], message
                    return
        raise AssertionError("the queue ended without an answer")

    async def call(self, component: int, function: str, **query: Any) -> dict[str, Any]:
        """A server function's answer, asked for until a server answers, with the pauses that the page makes."""
        body = {"data": query, "component_id": component, "fn_name": function, "session_hash": self.hash}
        for tries in itertools.count():
            began = time.perf_counter()
            try:
                reply = await self.client.post("/gradio_api/component_server/", json=body)
            except GONE:  # as `retryPause` of assets/js/lib/polling.js
                await asyncio.sleep(min(LONGEST_PAUSE, 1.5 * 2 ** min(tries, 9)) * self.random.uniform(0.2, 1))
                continue
            assert reply.status_code == 200, f"{function}: {reply.status_code} {reply.text[:200]}"
            if self.measuring.is_set():
                self.found.seconds.setdefault(function, []).append(time.perf_counter() - began)
            answer: dict[str, Any] = reply.json()
            return answer
        raise AssertionError("it is asked without end")

    async def ask(self, function: str, **query: Any) -> dict[str, Any]:
        return await self.call(self.pad, function, session=SESSION, annotator=self.name, **query)

    async def look(self) -> None:
        """What the page does beside the pad for as long as it is open."""
        mark = ""
        await asyncio.sleep(self.random.uniform(0, PULSE_SECONDS))  # the pages were opened one after another
        while True:
            mark = (await self.call(self.pulse, "changes", mark=mark))["mark"]
            await asyncio.sleep(PULSE_SECONDS)

    async def vote_all(self, plan: Plan) -> None:
        """Votes until no pair is left for this person."""
        await asyncio.sleep(self.random.uniform(0, plan.think))  # people do not begin in the same moment
        reply, is_known = await self.ask("next_pair"), False
        while True:
            item = reply.get("item")
            if item is None:
                if reply.get("error"):
                    self.found.refused.append(reply["error"])
                elif not reply.get("next_error") and not reply["title"].startswith("Others are judging"):
                    return
                await asyncio.sleep(0.3)
                reply = await self.ask("next_pair")
                continue
            if not is_known:  # later the pad asks only for a pair that lies open for longer
                is_known = (await self.ask("hold_pair", token=item["token"]))["held"]
            if self.measuring.is_set():
                await asyncio.sleep(self.random.uniform(0.4, 1.6) * plan.think)
            key = uuid.uuid4().hex
            choice = self.random.choice(["left", "right", "tie"])
            reply = await self.ask("cast_vote", token=item["token"], choice=choice, key=key, seconds=plan.think)
            if reply.get("saved"):
                self.found.acknowledged.add(key)


def poll(home: Home, plan: Plan) -> Polled:
    """Carries the plan out in that home, which may have jobs that the server then runs."""
    make_session(home, SESSION, plan.pairs, votes_per_pair=plan.votes_per_pair)
    accept_invitation(home, invite_first_owner(home), "Olga", PASSWORD)
    switch_accounts_on(home)
    tokens = [invite(home, "annotator", "Olga") for _ in range(plan.annotators)]
    found = Polled(pairs=plan.pairs)
    server = Server(home)
    server.start()
    try:
        # a browser that another test of this process drives has a loop in this thread for as long as it lives
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _everybody(server, plan, tokens, found)).result()
    finally:
        server.kill()
    events = tables.vote_events
    with store.reading(home) as db:
        rows = db.execute(sa.select(events.c.key, events.c.pair_id, events.c.annotator)).all()
    found.kept = [(row.key, row.pair_id, row.annotator) for row in rows]
    return found


async def _everybody(server: Server, plan: Plan, tokens: list[str], found: Polled) -> None:
    measuring = asyncio.Event()
    pages = [AnnotatorPage(server.url, f"Annotator {n}", found, measuring) for n in range(plan.annotators)]
    try:
        for page, token in zip(pages, tokens, strict=True):
            await page.join(token)
            await page.open()
        measuring.set()
        async with _beside(*(page.look() for page in pages), _trouble(server, plan, found, measuring)):
            await asyncio.gather(*(page.vote_all(plan) for page in pages))
    finally:
        for page in pages:
            await page.client.aclose()


@asynccontextmanager
async def _beside(*work: Any) -> Any:
    """Runs these for as long as the block; what one of them raises is raised here."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result


async def _trouble(server: Server, plan: Plan, found: Polled, measuring: asyncio.Event) -> None:
    """Kills the server at even distances, starts it again, and ends the measuring when the time is up."""
    end = time.monotonic() + plan.seconds
    for moment in _moments(plan):
        await asyncio.sleep(max(0.0, moment - (time.monotonic() - (end - plan.seconds))))
        began = time.monotonic()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        found.outages.append(time.monotonic() - began)
    await asyncio.sleep(max(0.0, end - time.monotonic()))
    measuring.clear()


def _moments(plan: Plan) -> Iterator[float]:
    return (plan.seconds * n / (plan.kills + 1) for n in range(1, plan.kills + 1))
