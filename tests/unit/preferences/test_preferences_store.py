"""The label store: settings, schema, durability through kill -9, and races of threads and processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.voting import by
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import store, tables
from workbench.preferences.sessions import Answer, add_answers, create_session, get_session, list_sessions
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, vote


@pytest.fixture
def home(tmp_path, labels_database):
    return Home.at(tmp_path)


@pytest.fixture
def sqlite_home(tmp_path, monkeypatch):
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    return Home.at(tmp_path)


def make_round(home, prompts, votes_per_pair=1):
    create_session(home, "round", ["base", "tuned"], "questions", {}, votes_per_pair)
    for i in range(prompts):
        answers = {"base": Answer(f"plain {i}", "eos", 2), "tuned": Answer(f"better {i}", "eos", 2)}
        add_answers(home, "round", i, [{"role": "user", "content": f"question {i}"}], answers)


def python(code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def event_count(home):
    with store.reading(home) as db:
        return db.scalar(sa.select(sa.func.count()).select_from(tables.vote_events))


def test_every_sqlite_connection_has_the_settings_that_keep_votes(sqlite_home):
    with store.engine(sqlite_home).connect() as one, store.engine(sqlite_home).connect() as two:
        for connection in (one, two):
            values = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert values == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "busy_timeout": 10000,
            }


def test_a_writer_holds_the_lock_from_its_start(sqlite_home):
    with store.writing(sqlite_home), store.engine(sqlite_home).connect() as other:
        other.exec_driver_sql("PRAGMA busy_timeout = 0")
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            other.exec_driver_sql("BEGIN IMMEDIATE")


def test_a_newer_schema_is_refused(sqlite_home):
    with store.writing(sqlite_home) as db:
        db.execute(tables.schema_version.update().values(version=tables.SCHEMA_VERSION + 1))
    store.forget(sqlite_home)
    with pytest.raises(UserError, match=f"schema version {tables.SCHEMA_VERSION + 1}"):
        list_sessions(sqlite_home)


@pytest.mark.parametrize("url", ["nonsense", "nosuchdb://x/y"])
def test_a_wrong_address_names_its_variable(home, monkeypatch, url):
    monkeypatch.setenv(store.URL_VARIABLE, url)
    with pytest.raises(UserError) as caught:
        list_sessions(home)
    assert caught.value.field == store.URL_VARIABLE


SAVE_THEN_WAIT = """
import sys, time
from tests.voting import by
from workbench.core.home import Home
from workbench.preferences.votes import next_item, vote
home = Home.at(sys.argv[1])
item = next_item(home, "round", by("ann"))
vote(home, "round", by("ann"), item.token, "left", "key-1", 1.5)
print("saved", flush=True)
time.sleep(60)
"""

READ = """
import sys
from workbench.core.home import Home
from workbench.preferences.standing_votes import effective_votes
print([(v.annotator, v.choice, v.seconds) for v in effective_votes(Home.at(sys.argv[1]), "round")])
"""


def test_a_saved_vote_survives_kill_9(home):
    make_round(home, 2)
    process = python(SAVE_THEN_WAIT, home.root)
    assert process.stdout.readline() == "saved\n", process.stderr.read()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    out, err = python(READ, home.root).communicate()
    assert out.strip() == "[('ann', 'left', 1.5)]", err


VOTE_ALL = """
import sys, time
from tests.voting import by
from workbench.core.home import Home
from workbench.preferences.votes import next_item, vote
home, who = Home.at(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
while item := next_item(home, "round", by(who)):
    time.sleep(0.005)
    saved = vote(home, "round", by(who), item.token, "left", f"{who}-{item.token}", 1.0)
    print(saved.event, flush=True)
"""


def check_round(home, saved, pairs, votes_per_pair):
    """Every pair has exactly its votes, by different people, and every acknowledged vote is there once."""
    votes = effective_votes(home, "round")
    assert Counter(vote.pair for vote in votes) == dict.fromkeys({v.pair for v in votes}, votes_per_pair)
    assert len({vote.pair for vote in votes}) == pairs
    assert len({(vote.pair, vote.annotator) for vote in votes}) == len(votes)
    assert len(saved) == len(set(saved)) == len(votes) == event_count(home)


@pytest.mark.parametrize("votes_per_pair", [1, 2])
def test_processes_racing_vote_each_pair_exactly_often_enough(home, votes_per_pair):
    make_round(home, 24, votes_per_pair)
    processes = [python(VOTE_ALL, home.root, f"p{i}", stdin=subprocess.PIPE) for i in range(3)]
    assert all(process.stdout.readline() == "ready\n" for process in processes)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=60) for process in processes]
    assert all(process.returncode == 0 for process in processes), results
    saved = [line for out, _ in results for line in out.split()]
    check_round(home, saved, 24, votes_per_pair)


@pytest.mark.parametrize("votes_per_pair", [1, 2])
def test_threads_racing_vote_each_pair_exactly_often_enough(home, votes_per_pair):
    make_round(home, 30, votes_per_pair)
    start = threading.Barrier(6)

    def work(who):
        saved = []
        start.wait()
        while item := next_item(home, "round", by(who)):
            time.sleep(0.005)  # reading time, in which the others come in between
            saved.append(vote(home, "round", by(who), item.token, "right", f"{who}-{item.token}", 1.0).event)
        return saved

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(work, [f"t{i}" for i in range(6)]))
    check_round(home, [event for result in results for event in result], 30, votes_per_pair)
    assert sum(bool(result) for result in results) > 1


def test_one_annotator_in_many_tabs_and_repeated_requests_votes_once_a_pair(home):
    make_round(home, 12)
    start = threading.Barrier(4)

    def work(_):
        start.wait()
        while item := next_item(home, "round", by("ann")):
            try:
                for _ in range(2):
                    vote(home, "round", by("ann"), item.token, "tie", f"key-{item.token}", 1.0)
            except UserError as error:
                assert error.field == "token"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert get_session(home, "round").votes == event_count(home) == 12


OPEN = "import sys; from workbench.core.home import Home; from workbench.preferences.sessions import list_sessions; "
OPEN += "sys.stdin.readline(); print(list_sessions(Home.at(sys.argv[1])))"


def test_processes_opening_a_new_home_together_all_succeed(home):
    processes = [python(OPEN, home.root, stdin=subprocess.PIPE) for _ in range(4)]
    results = [process.communicate("go\n", timeout=60) for process in processes]
    assert [out for out, _ in results] == ["[]\n"] * 4, results
    with store.reading(home) as db:
        assert db.scalars(sa.select(tables.schema_version.c.version)).all() == [tables.SCHEMA_VERSION]
