"""Making rows from end to end: what is kept and why not, where it came from, and what a stop or a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint_server import KEY, Bad, Server, completion, last, serving
from tests.running import carry, context, run, wrong_with
from tests.toys import conversations
from tests.waiting import until
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store.datasets import all_rows, dataset_kind, dataset_manifest, delete_dataset, write_rows
from workbench.jobs.job import STOP_FILE, JobStopped
from workbench.jobs.queue import Queue
from workbench.synthesis import retrying
from workbench.synthesis.jobs.make_data import MakeData
from workbench.synthesis.prompts import get_prompt

Say = Callable[[dict[str, Any], int], Any]


@pytest.fixture
def home(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """With the dataset 'talks': 12 different prompts with answers."""
    monkeypatch.setattr(retrying, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Home.at(own_home)
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"{word.capitalize()} {topic}?"},
                {"role": "assistant", "content": "Yes."},
            ]
        }
        for word, topic in zip(ASKS, TOPICS, strict=True)
    ]
    write_rows(made, "talks", "conversation", rows, conversations(1))
    return made


ASKS = ["why", "how", "when", "where", "who", "what", "whose", "which", "is", "does", "can", "may"]
TOPICS = [
    "do zebras have stripes", "banks earn money", "glaciers shape valleys", "bread rises", "wrote old maps",
    "makes steam hot", "idea was chess", "rivers run north", "salt a mineral", "ice float in water",
    "owls see colours", "I patch torn window screens",
]  # fmt: skip


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    """Makes a server the operator's endpoint."""

    def configure(server: Server) -> None:
        for name, value in (("URL", server.url), ("MODEL", "big"), ("KEY", KEY)):
            monkeypatch.setenv(f"WORKBENCH_ENDPOINT_{name}", value)

    return configure


def job(maker: Any = "answers", **settings: Any) -> MakeData:
    common = {"dataset": "talks", "output": "made", "limit": 12, "batch_size": 4}
    return MakeData.parse({"maker": maker, **common, "endpoint": {"tries": 2, "timeout": 5}, **settings})


def lines(home: Home, name: str = "job") -> list[dict[str, Any]]:
    found = []
    for line in (home.jobs / name / "generated.jsonl").read_text("utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def adds_up(counts: dict[str, Any]) -> bool:
    ended = counts["kept"] + sum(counts["failed"].values()) + sum(counts["dropped"].values())
    return bool(counts["asked"] == ended + counts["unfinished"])


def holding(folder: Path, text: str) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_answers_with_failures_counted_by_reason(home: Home, at: Any) -> None:
    replies = {
        TOPICS[0]: Bad(500), TOPICS[1]: completion(None), TOPICS[2]: "I'm sorry, I can't.", TOPICS[3]: "?!",
        TOPICS[4]: completion("It was", "length"), TOPICS[5]: "Ok.",
    }  # fmt: skip

    def say(body: dict[str, Any], n: int) -> Any:
        return next((reply for topic, reply in replies.items() if topic in last(body)), f"Of {last(body)}: it is so.")

    with serving(say) as server:
        at(server)
        result = run(home, job(checks={"least_words": 2}), "job")
    assert result == {
        "dataset": "made",
        "asked": 12,
        "kept": 6,
        "failed": {"answer: HTTP 500": 1, "answer: empty reply": 1},
        "dropped": {
            "answer: a refusal": 1,
            "answer: cut off at the limit of tokens": 1,
            "answer: only punctuation": 1,
            "answer: too short": 1,
        },
        "unfinished": 0,
    }
    assert adds_up(result) and dataset_kind(home, "made") == "conversation"
    verdicts = [line for line in lines(home) if line["type"] == "verdict"]
    assert len(verdicts) == 12 and {line["verdict"] for line in verdicts} == {"kept", "failed", "dropped"}


def test_every_row_tells_where_it_came_from(home: Home, at: Any) -> None:
    with serving(lambda body, n: f"Of {last(body)}: it is so.") as server:
        at(server)
        run(home, job(judge="", skip=2, limit=4, seed=5), "job")
    rows = all_rows(home, "made")
    sources = all_rows(home, "talks")
    answer = get_prompt("answer")
    for place, row in enumerate(rows):
        metadata = row["metadata"]
        assert metadata["seed"] == {"dataset": "talks", "split": "train", "rows": [place + 2]}
        assert row["messages"][0] == sources[place + 2]["messages"][0]
        assert metadata["made_by"] == "answers" and metadata["model"] == "endpoint:big"
        assert metadata["prompt"] == {"template": "answer", "digest": answer.digest}
        assert metadata["sampling"]["temperature"] == 0.7 and metadata["operation"] == "answer"
    assert len({row["metadata"]["sampling"]["seed"] for row in rows}) == 4
    manifest = dataset_manifest(home, "made")
    parent = manifest.parent("dataset")
    assert parent and (parent.name, parent.digest) == ("talks", dataset_manifest(home, "talks").digest)
    assert manifest.made_by["job"] == "job" and manifest.made_by["maker"]["method"] == "answers"
    assert manifest.info["making"]["kept"] == 4 and manifest.info["writers"] == ["endpoint:big"]
    assert manifest.info["templates"]["answer"]["digest"] == answer.digest


def test_the_key_and_the_address_are_in_no_file(home: Home, at: Any) -> None:
    def say(body: dict[str, Any], n: int) -> Any:
        if "zebras" in last(body):
            return Bad(400, body=json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}))
        return f"4: my key is {KEY}, and the rest of it is so." if n % 3 else Bad(503, body=KEY)

    with serving(say) as server:
        at(server)
        view = carry(home, job(judge="@endpoint", limit=6, endpoint={"tries": 5}))
        assert view.status == "done" and server.keys == {f"Bearer {KEY}"}
        address = server.url.removeprefix("http://")
    assert holding(home.root, "my key is [key]") and holding(home.root, "provided: [key]")
    assert not holding(home.root, KEY) and not holding(home.root, address)


def test_a_refused_key_ends_the_job_and_a_resume_goes_on(home: Home, at: Any) -> None:
    with serving(lambda body, n: "It is so." if n < 6 else Bad(401, body=KEY)) as server:
        at(server)
        with pytest.raises(UserError, match="refused the key") as found:
            job(endpoint={"concurrency": 1}).run(context(home))
    assert KEY not in str(found.value)
    with serving(lambda body, n: "It is so.") as server:
        at(server)
        result = job(endpoint={"concurrency": 1}).run(context(home, resume=True))
    assert result["kept"] == 12 and len(server.asked) == 12 - 5


def test_samples_styles_and_examples(home: Home, at: Any) -> None:
    with serving(lambda body, n: f"First this.\n**Answer:** it is {n}") as server:
        at(server)
        maker = {"method": "answers", "samples": 3, "style": "chain_of_thought", "keep_reasoning": False}
        run(home, job(maker, output="thought", limit=7), "thought")
        maker = {"method": "answers", "style": "few_shot", "examples": 2}
        run(home, job(maker, output="shown", limit=2), "shown")
    rows = all_rows(home, "thought")
    assert [row["metadata"]["sample"] for row in rows] == [0, 1, 2, 0, 1, 2, 0]
    assert all(row["messages"][1]["content"].startswith("it is ") for row in rows)
    assert "step by step" in last(server.asked[0]) and "step by step" not in rows[0]["messages"][0]["content"]
    few = [last(body) for body in server.asked[-2:]]
    assert all(text.count("Question: ") == 3 and text.count("Answer: Yes.") == 2 for text in few)
    for row in all_rows(home, "shown"):
        assert len(row["metadata"]["examples"]) == 2
        assert not {*row["metadata"]["examples"]} & {*row["metadata"]["seed"]["rows"]}


def tasks(body: dict[str, Any], n: int) -> str:
    """As a good model: three tasks a request, one of them like an old one, one short; answers to everything else."""
    text = last(body)
    if "more tasks" not in text:
        return f"An answer about {text}"
    number = body["seed"] % 100_000
    old = text.split("Task 1: ")[1].split("\n")[0]
    new = f"Describe {number} birds, {number + 1} trees, {number + 2} rivers and {number + 3} lakes."
    return f"Here are some:\n9. {old}\n10. Too short\n11. {new}\n12. Write more tasks in the same way."


def test_self_instruct_keeps_what_is_new(home: Home, at: Any) -> None:
    with serving(tasks) as server:
        at(server)
        result = run(home, job("self_instruct", limit=5), "job")
    rows = all_rows(home, "made")
    texts = [row["messages"][0]["content"] for row in rows]
    assert result["kept"] == 5 and all(text.startswith("Describe") for text in texts) and len({*texts}) == 5
    assert all(
        row["messages"][1]["content"] == f"An answer about {text}" for row, text in zip(rows, texts, strict=True)
    )
    assert adds_up(result) and result["dropped"].keys() == {
        "prompt: not new",
        "prompt: too short",
        "prompt: needs more than text",
        "prompt: copied words of the instructions",
        "over the limit",
    }
    metadata = rows[0]["metadata"]
    assert metadata["prompt"]["template"] == "self_instruct" and len(metadata["seed"]["rows"]) == 8
    assert metadata["round"] == 0 and metadata["sampling"] and metadata["answer_sampling"]
    assert result["asked"] == 4 * len([line for line in lines(home) if line.get("purpose") == "tasks"])


def test_self_instruct_shows_made_tasks_and_ends_when_nothing_comes(home: Home, at: Any) -> None:
    with serving(tasks) as server:
        at(server)
        run(home, job("self_instruct", limit=8, answers=False, attempts=1), "job")
        rounds = [last(body) for body in server.asked]
    assert not any("Describe" in text for text in rounds[:4]) and all("Describe" in text for text in rounds[4:])
    assert dataset_kind(home, "made") == "prompts"
    with serving(lambda body, n: "") as server:
        at(server)
        with pytest.raises(UserError, match="No row was kept of 8: 8 × tasks: empty reply"):
            run(home, job("self_instruct", limit=2, output="none"), "none")
    assert len(server.asked) == 8


def evolve(body: dict[str, Any], n: int) -> str:
    """Evolves a prompt by a word of its own, but for some that it gets wrong in each of the paper's ways."""
    text = last(body)
    if "Answer with 'Equal'" in text:
        return "Equal" if "float" in text else "Not Equal"
    if "Given Prompt#:" not in text:
        return (
            "Of that I know nothing, sorry."
            if "chess" in text
            else "And so is the it."
            if "mineral" in text
            else "All is well."
        )
    old = text.split("Given Prompt#:\n")[1].split("\n\n")[0]
    if "zebras" in old:
        return old.upper()
    if "banks" in old:
        return f"As #Given Prompt# says: {old}"
    if "glaciers" in old:
        return "And is the of it?"
    more = ", ".join(f"{zlib.crc32(old.encode()) * n:x}" for n in (3, 5, 7, 11))
    return f"#The Rewritten Prompt#: {old} And tell of {more} too."


def test_evol_instruct_eliminates_by_the_papers_rules(home: Home, at: Any) -> None:
    with serving(evolve) as server:
        at(server)
        result = run(home, job({"method": "evol_instruct", "rounds": 2}, limit=24), "job")
    assert result["dropped"] == {
        "evolve: no gain (the same words)": 2,
        "evolve: copied words of the instructions": 2,
        "evolve: only punctuation and stop words": 2,
        "evolve: no gain (the model finds them equal)": 2,
        "answer: a short apology": 2,
        "answer: only punctuation and stop words": 2,
    }
    assert adds_up(result) and result["asked"] == 24
    rows = all_rows(home, "made")
    first, second = ([row for row in rows if row["metadata"]["round"] == number] for number in (1, 2))
    assert len(first) == len(second) == result["kept"] / 2 == 6
    assert {row["metadata"]["operation"] for row in rows} > {"breadth", "deepen"}
    by_seed = {row["metadata"]["seed"]["rows"][0]: row["messages"][0]["content"] for row in first}
    for row in second:  # the second round goes on from the first one's prompts
        assert row["messages"][0]["content"].startswith(by_seed[row["metadata"]["seed"]["rows"][0]])
        assert row["metadata"]["prompt"]["template"] == f"evolve_{row['metadata']['operation']}"
        assert "Rewritten" not in row["messages"][0]["content"]


def test_a_judge_decides_and_its_score_stays_with_the_row(home: Home, at: Any) -> None:
    def say(body: dict[str, Any], n: int) -> str:
        if "You judge" not in last(body):
            return f"Well. {last(body)}"
        return "2" if "zebras" in last(body) else "none" if "banks" in last(body) else "Score: 4.5"

    with serving(say) as server:
        at(server)
        result = run(home, job(judge="@endpoint", checks={"least_score": 4}), "job")
    assert result["dropped"] == {"judge: score too low": 1}
    assert result["failed"] == {"judge: no score in the judge's reply": 1} and result["kept"] == 10
    assert {row["metadata"]["score"] for row in all_rows(home, "made")} == {4.5}
    assert {row["metadata"]["judge"] for row in all_rows(home, "made")} == {"endpoint:big"}


def test_a_text_of_ones_own_is_asked_with(home: Home, at: Any) -> None:
    with serving(lambda body, n: "Yes, it is.") as server:
        at(server)
        run(home, job({"method": "answers", "template": "In one word: {{ prompt }}"}, limit=1), "job")
    assert server.last().startswith("In one word: Why")
    (row,) = all_rows(home, "made")
    assert row["metadata"]["prompt"]["template"] == "own answer" and row["messages"][0]["content"].startswith("Why")


def made_rows(home: Home, at: Any, one: MakeData, say: Say) -> list[dict[str, Any]]:
    """The rows of an unbroken run, which is then taken away."""
    with serving(say) as server:
        at(server)
        run(home, one, "unbroken")
    rows = all_rows(home, "made")
    delete_dataset(home, "made")
    return rows


@pytest.mark.parametrize(("maker", "say"), [("answers", tasks), ("self_instruct", tasks), ("evol_instruct", evolve)])
def test_a_stop_keeps_what_is_made_and_a_resume_makes_the_same_rows(home: Home, at: Any, maker: str, say: Say) -> None:
    one = job(maker, limit=10, endpoint={"concurrency": 2})
    unbroken = made_rows(home, at, one, say)
    ctx = context(home, "broken")

    def stopping(body: dict[str, Any], n: int) -> Any:
        if n == 18:
            (ctx.folder / STOP_FILE).write_text("keep")
        return say(body, n)

    with serving(stopping if maker != "answers" else lambda body, n: stopping(body, n + 11)) as server:
        at(server)
        with pytest.raises(JobStopped) as stopped:
            one.run(ctx)
        asked = len(server.asked)
    kept = stopped.value.result
    assert adds_up(kept) and all_rows(home, "made") == unbroken[: kept["kept"]] and 0 < kept["kept"] < len(unbroken)
    assert dataset_manifest(home, "made").info["making"]["unfinished"] == kept["unfinished"]
    with serving(say) as server:
        at(server)
        result = one.run(context(home, "broken", resume=True))
        whole = len([line for line in lines(home, "unbroken") if line["type"] == "reply"])
    assert all_rows(home, "made") == unbroken and adds_up(result) and result["unfinished"] == 0
    assert len(server.asked) <= whole - asked + 2  # what was under way when it was stopped


def test_stop_and_discard_leaves_nothing(home: Home, at: Any) -> None:
    ctx = context(home)
    (ctx.folder / STOP_FILE).write_text("discard")
    with serving(tasks) as server:
        at(server)
        with pytest.raises(JobStopped) as stopped:
            job().run(ctx)
    assert stopped.value.result == {} and not (home.datasets / "made").exists()


def test_a_killed_job_goes_on_and_makes_the_same_rows(home: Home, at: Any) -> None:
    one = job("self_instruct", limit=10, batch_size=4)
    unbroken = made_rows(home, at, one, tasks)
    queue = Queue(home)

    def slowly(body: dict[str, Any], n: int) -> Any:
        return tasks(body, n) if n < 12 else Bad(hang=30)

    with serving(slowly) as server:
        at(server)
        folder = queue.get(queue.submit(one)).folder
        worker = subprocess.Popen([sys.executable, "-m", "workbench.jobs.worker", str(folder)], env={**os.environ})
        log = folder / "generated.jsonl"
        until(lambda: log.is_file() and len(server.asked) >= 12 and log.read_bytes().count(b'"reply"') >= 10, 60)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
    with log.open("ab") as file:
        file.write(b'{"type": "reply", "key": "answer/0')  # what a kill in the middle of a write leaves
    assert not (home.datasets / "made").exists() and not holding(home.root, KEY)
    with serving(tasks) as server:
        at(server)
        one.run(context(home, folder.name, resume=True))
    assert all_rows(home, "made") == unbroken


def test_a_resume_refuses_another_beginning(home: Home, at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda body, n: Bad(401)) as server:
        at(server)
        with pytest.raises(UserError):
            job().run(context(home))
        monkeypatch.setenv("WORKBENCH_ENDPOINT_MODEL", "other")
        with pytest.raises(UserError, match="endpoint:big, endpoint:other"):
            job().run(context(home, resume=True))
        monkeypatch.setenv("WORKBENCH_ENDPOINT_MODEL", "big")
        write_rows(home, "talks", "conversation", conversations(9), replace=True)
        with pytest.raises(UserError, match="has changed: dataset talks"):
            job().run(context(home, resume=True))


def test_an_edited_template_changes_no_job_under_way(home: Home, at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda body, n: "It is so." if n < 3 else Bad(401)) as server:
        at(server)
        with pytest.raises(UserError):
            job(endpoint={"concurrency": 1}).run(context(home))
    monkeypatch.setattr("workbench.synthesis.prompts.FOLDER", home.root)
    (home.root / "answer.jinja").write_text("Shout: {{ prompt }}")
    with serving(lambda body, n: "It is so.") as server:
        at(server)
        job().run(context(home, resume=True))
    assert len(server.asked) == 10 and not any("Shout" in last(body) for body in server.asked)


def test_everything_wrong_is_told_before_it_starts(home: Home) -> None:
    write_rows(home, "made", "conversation", conversations(2))
    found = wrong_with(home, job({"method": "answers", "template": "{{ promt }}"}, judge="nobody", answers=False))
    for piece in (
        "No endpoint is configured",
        "no model 'nobody'",
        "'made' is on the shelf",
        "Did you mean prompt",
        "answers:",
    ):
        assert piece in found
    found = wrong_with(
        home, job(dataset="nothing", rubric="Rate it.", decoding={"top_k": 5, "repetition_penalty": 1.1})
    )
    for piece in ("no dataset 'nothing'", "does not use 'prompt'", "decoding.top_k", "decoding.repetition_penalty"):
        assert piece in found
    write_rows(home, "text", "text", [{"text": "Once."}])
    assert "holds text rows" in wrong_with(home, job(dataset="text"))
    few = {"method": "answers", "style": "few_shot", "examples": 12}
    assert "only 12 rows" in wrong_with(home, job(few))
    off = dict.fromkeys(["deepen", "widen", "concretise", "add_constraints", "breadth"], False)
    assert "no operation" in wrong_with(home, job({"method": "evol_instruct", **off}))
    assert "only 12 prompts" in wrong_with(home, job({"method": "self_instruct", "examples": 16}))
