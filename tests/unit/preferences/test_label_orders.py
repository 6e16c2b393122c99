"""Whatever people do in whatever order: no pair gets too many blind votes, and nothing after looking counts."""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.voting import make_session
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import store, tables
from workbench.preferences.blinding import Voter, close_session, unblind
from workbench.preferences.standing import standing
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import BlindPair, give_back, hold, next_item, undo_latest, vote

PEOPLE = [Voter("ann", "desk"), Voter("ann", "phone"), Voter("bob", "desk"), Voter("cyd", "tablet")]
ACTIONS = ["next", "vote", "vote", "vote", "skip", "undo", "hold", "give back", "wait", "look", "close"]
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv(store.URL_VARIABLE, raising=False)
        yield Home.at(Path(folder))


class Round:
    """One session, what each person has on the screen, and who has looked."""

    def __init__(self, home: Home, quota: int):
        self.home, self.quota, self.name = home, quota, f"round-{next(NUMBERS)}"
        self.now = 1_000_000.0
        self.items: dict[Voter, BlindPair | None] = dict.fromkeys(PEOPLE)
        self.looked: set[str] = set()
        self.saved: dict[str, bool] = {}
        make_session(home, self.name, 3, votes_per_pair=quota)

    def act(self, who: Voter, action: str, seconds: float) -> None:
        item, key = self.items[who], f"{self.name}-{next(NUMBERS)}"
        if action == "next":
            self.items[who] = next_item(self.home, self.name, who)
        elif action in ("vote", "skip") and item:
            choice = "skip" if action == "skip" else "left"
            vote(self.home, self.name, who, item.token, choice, key, 1.0)
            self.saved[key] = bool({who.name, who.browser} & self.looked)
        elif action == "undo":
            self.items[who] = undo_latest(self.home, self.name, who, key)
            self.saved[key] = bool({who.name, who.browser} & self.looked)
        elif action == "hold" and item:
            hold(self.home, self.name, who.browser, item.token)
        elif action == "give back" and item:
            give_back(self.home, self.name, who.browser, item.token)
        elif action == "wait":
            self.now += seconds
        elif action == "look":
            unblind(self.home, self.name, who)
            self.looked |= {who.name, who.browser}
        elif action == "close":
            close_session(self.home, self.name, who)

    def check(self) -> None:
        events = tables.vote_events
        with store.reading(self.home) as db:
            session = sa.select(tables.sessions.c.id).where(tables.sessions.c.name == self.name).scalar_subquery()
            rows = db.execute(sa.select(events).where(events.c.session_id == session)).all()
        assert {row.key: row.unblinded for row in rows} == self.saved
        votes = effective_votes(self.home, self.name)
        assert all(count <= self.quota for count in Counter(vote.pair for vote in votes).values())
        assert len({(vote.pair, vote.annotator) for vote in votes}) == len(votes)
        for who in PEOPLE:
            if standing(self.home, self.name, who).reason == "complete":
                assert len(votes) == 3 * self.quota


steps = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from(ACTIONS), st.sampled_from([3.0, 30.0, 100.0, 700.0])),
    min_size=10,
    max_size=40,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(quota=st.integers(1, 2), actions=steps)
def test_any_order_of_events_keeps_the_promises(
    home: Home, quota: int, actions: list[tuple[Voter, str, float]]
) -> None:
    played = Round(home, quota)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "clock", lambda: played.now)
        for who, action, seconds in actions:
            try:
                if action in ("vote", "skip") and played.items[who] is None:
                    played.act(who, "next", seconds)
                played.act(who, action, seconds)
            except UserError:
                played.items[who] = None  # a refusal: the page asks for the next pair
        played.check()
