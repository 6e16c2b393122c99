"""Every step of a recipe keeps its family's promise, on rows of each kind it works on."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.recipes.step import PARTS, STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.step_cache import Stage, stage_of
from workbench.data.store.datasets import write_rows
from workbench.data.text import embedding
from workbench.jobs.job import JobStopped
from workbench.rows.canonical import KINDS, check_row
from workbench.rows.split_rows import Rows
from workbench.rows.table import table_of

LONG = "The old oak by the quiet lake has stood there for three hundred years and every spring its leaves come again"
ANSWERS = [
    f"{LONG}.",
    f"{LONG}.",
    f"{LONG}, says the warden.",
    "As an AI language model, I cannot assist with that.",
    "Write to ann.lee@example.org or call +49 30 1234567, the host is 192.0.2.17.",
    "Le chêne se trouve au bord du lac depuis trois cents ans, et chaque printemps ses feuilles reviennent.",
    "The cafÃ© by the lake serves cake â€“ and tea.",
    "<p>The oak is <b>old</b> &amp; tall.</p>",
    " ".join(["it is very old indeed"] * 12),
    "...",
    "Fine.",
]
EXAMPLES: dict[str, dict[str, Any]] = {
    "custom_python": {"file": "upper.py"},
    "decontaminate": {"file": "exam.txt"},
    "edit_rows": {"deleted": [2]},
    "long_answers": {"share": 0.5},
    "mix": {"others": {"other-KIND": 1.0}},
    "pattern": {"patterns": ["lake"], "action": "drop"},
    "role_order": {"action": "repair"},
    "row_weights": {"other": 0.5},
    "sample": {"count": 4},
    "split": {"eval_fraction": 0.3},
    "token_length": {"most": 12},
    "turns": {"least": 3},
}
CASES = [pytest.param(step, kind, id=f"{step.method}-{kind}") for step in STEPS for kind in step.kinds]
every_case = pytest.mark.parametrize(("step", "kind"), CASES)


def rows_of_kind(kind: str) -> list[dict[str, Any]]:
    """A row for every answer; the last two are a conversation out of order and one with a repeated turn."""
    made = [_row(kind, number, answer) for number, answer in enumerate(ANSWERS)]
    if kind == "conversation":
        again = {"role": "user", "content": "Hello there."}
        said = {"role": "assistant", "content": "Hello."}
        made += [{"messages": [again, said, said]}, {"messages": [again, {**again, "content": "Anyone?"}, said]}]
    return made


def _row(kind: str, number: int, answer: str) -> dict[str, Any]:
    prompt = [{"role": "user", "content": "Tell me of the oak." if number < 2 else f"Question {number}: {answer}"}]
    said = [{"role": "assistant", "content": answer}]
    worse = [{"role": "assistant", "content": f"No number {number}."}]
    return {
        "conversation": {"messages": prompt + said},
        "preference": {"prompt": prompt, "chosen": said, "rejected": worse},
        "unpaired": {"prompt": prompt, "completion": said, "label": number % 5 != 4},
        "text": {"text": answer},
        "prompts": {"prompt": prompt},
    }[kind]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with other datasets, a benchmark, a Python step, and a sentence model made of letters."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    for kind in KINDS:
        write_rows(home, f"other-{kind}", kind, rows_of_kind(kind)[4:8])
    _write(home.root / "benchmarks" / "exam.txt", f"How long has {LONG.lower()}?\nFine\n")
    _write(home.root / "steps" / "upper.py", "def step(row):\n    return 'too old' if 'warden' in str(row) else row\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_ALLOW_PYTHON", "1")
        patch.setattr(embedding, "embedding_unavailable", lambda: "")
        patch.setattr(embedding, "load_embedding", lambda: _letters)
        yield home


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def _letters(texts: list[str]) -> embedding.Vectors:
    counts = np.array([[text.lower().count(letter) + 0.01 for letter in "abcdefghij"] for text in texts], np.float32)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def example(step: type[Step], kind: str) -> Step:
    settings = copy.deepcopy(EXAMPLES.get(step.method, {}))
    if "others" in settings:
        settings["others"] = {name.replace("KIND", kind): weight for name, weight in settings["others"].items()}
    if kind == "text" and "compare" in step.model_fields:
        settings["compare"] = "all"
    return step.parse(settings)


def given(kind: str) -> Rows:
    rows = rows_of_kind(kind)
    return Rows.of(kind, table_of(kind, rows), ["eval" if place == 1 else "train" for place in range(len(rows))])


def applied(step: type[Step], kind: str, home: Home) -> tuple[Rows, Outcome]:
    if step.unavailable():
        pytest.skip(step.unavailable())
    rows = given(kind)
    return rows, example(step, kind).apply(rows, StepWork(home))


def plain(outcome: Outcome) -> Any:
    added = outcome.added.to_pylist() if isinstance(outcome.added, pa.Table) else outcome.added
    return {**vars(outcome), "added": added}


def test_there_are_steps() -> None:
    assert {"exact_duplicates", "near_duplicates", "pattern", "pii", "split", "mix"} <= set(STEPS.all())


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.method)
def test_it_says_what_it_works_on(step: type[Step]) -> None:
    assert set(step.kinds) <= set(KINDS) and step.kinds and step.version >= 1


@every_case
def test_its_settings_are_found_right(step: type[Step], kind: str, home: Home) -> None:
    problems = Problems()
    example(step, kind).check(home, kind, problems)
    assert problems.found == []
    assert all(isinstance(digest, str) for digest in example(step, kind).inputs(home))


@every_case
def test_it_is_deterministic(step: type[Step], kind: str, home: Home) -> None:
    _, once = applied(step, kind, home)
    threads = pa.cpu_count()
    pa.set_cpu_count(1)
    try:
        _, again = applied(step, kind, home)
    finally:
        pa.set_cpu_count(threads)
    assert plain(once) == plain(again)


@every_case
def test_it_speaks_of_rows_it_was_given(step: type[Step], kind: str, home: Home) -> None:
    rows, outcome = applied(step, kind, home)
    assert rows.rows() == rows_of_kind(kind)
    places = set(range(len(rows)))
    for touched in (outcome.removed, outcome.changed, outcome.flagged, outcome.splits):
        assert set(touched) <= places and list(touched) == sorted(touched)
    assert not set(outcome.removed) & (set(outcome.changed) | set(outcome.flagged))
    assert outcome.order is None or step.reorders


@every_case
def test_its_rows_are_canonical(step: type[Step], kind: str, home: Home) -> None:
    rows, outcome = applied(step, kind, home)
    before = rows.rows()
    for place, (row, _) in outcome.changed.items():
        assert check_row(kind, row) == row and row != before[place]


@every_case
def test_every_reason_is_a_sentence_and_what_is_found_stands_in_the_row(
    step: type[Step], kind: str, home: Home
) -> None:
    rows, outcome = applied(step, kind, home)
    before = rows.rows()
    changed = {place: verdict for place, (_, verdict) in outcome.changed.items()}
    for place, verdict in [*outcome.removed.items(), *outcome.flagged.items(), *changed.items()]:
        assert isinstance(verdict, Verdict) and verdict.reason.strip()
        assert verdict.reason.endswith(".") or step.method == "custom_python"
        said = [
            before[place].get("text", ""),
            *(turn["content"] for name in PARTS & before[place].keys() for turn in before[place][name]),
        ]
        assert all(any(piece in text for text in said) for piece in verdict.excerpts), verdict


@every_case
def test_its_counts_add_up_in_the_engine(step: type[Step], kind: str, home: Home) -> None:
    if step.unavailable():
        pytest.skip(step.unavailable())
    rows = given(kind)
    stage = stage_of(Stage(kind, lambda: f"given-{kind}", lambda: rows), example(step, kind), StepWork(home))
    counts = stage.counts
    assert counts.given + counts.added - counts.removed == counts.left == len(stage.rows)
    kept = [int(one) for one in stage.rows.ids if one >= 0]
    assert step.reorders or kept == sorted(kept)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.method)
def test_its_example_does_something(step: type[Step], home: Home) -> None:
    _, outcome = applied(step, step.kinds[0], home)
    did = (outcome.removed, outcome.changed, outcome.flagged, outcome.splits, outcome.order)
    assert any(did) or len(outcome.added)


@every_case
def test_no_rows_are_no_trouble(step: type[Step], kind: str, home: Home) -> None:
    if step.unavailable():
        pytest.skip(step.unavailable())
    outcome = example(step, kind).apply(Rows.of(kind, table_of(kind, [])), StepWork(home))
    assert not (outcome.removed or outcome.changed or outcome.flagged or outcome.splits or outcome.order)


@pytest.mark.parametrize("step", [step for step in STEPS if step.method in ("pattern", "turns", "pii", "language")])
def test_it_stops_when_asked(step: type[Step], home: Home) -> None:
    def stop() -> None:
        raise JobStopped

    with pytest.raises(JobStopped):
        example(step, "conversation").apply(given("conversation"), StepWork(home, Task(check_stop=stop)))
