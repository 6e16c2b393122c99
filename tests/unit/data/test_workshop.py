"""The workshop: recipes replayed, steps cached, rows restored and edited, changes undone."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest
from pydantic import Field

from tests.toys import conversations
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home, list_artifacts
from workbench.core.lineage import verify
from workbench.core.tasks import Task
from workbench.data.recipes import pipeline
from workbench.data.recipes.importing import import_dataset
from workbench.data.recipes.recipe import Recipe
from workbench.data.recipes.step import STEPS, Filter, Outcome, Row, Step, StepWork, Verdict, each
from workbench.data.sources.source import SOURCES
from workbench.data.store.datasets import all_rows, dataset_folder, dataset_manifest, dataset_table, rows, write_rows
from workbench.data.store.locks import prune_cache
from workbench.rows.split_rows import Rows
from workbench.rows.table import read_table_file

RUNS: list[str] = []


class Short(Filter):
    """Drops answers shorter than a number of characters."""

    method: ClassVar[str] = "test_short"
    title: ClassVar[str] = "Short answers"
    least: int = Field(5, description="Fewest characters.")

    def judge(self, row: Row) -> Verdict | None:
        answer = row["messages"][-1]["content"]
        return Verdict(f"{len(answer)} characters", (answer,)) if len(answer) < self.least else None

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        RUNS.append(f"short {self.least}")
        return super().apply(rows, work)


class Loud(Step):
    """Writes questions in capitals."""

    method: ClassVar[str] = "test_loud"
    title: ClassVar[str] = "Capitals"

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        RUNS.append("loud")
        return Outcome(changed={index: self._loud(row) for index, row in each(rows, work, self.title)})

    def _loud(self, row: Row) -> tuple[Row, Verdict]:
        turns = [
            {**turn, "content": turn["content"].upper()} if turn["role"] == "user" else turn for turn in row["messages"]
        ]
        return {**row, "messages": turns}, Verdict("Written large.")


class Backwards(Step):
    """Turns the order round; the first row comes twice, and one row is new."""

    method: ClassVar[str] = "test_backwards"
    title: ClassVar[str] = "Backwards"
    reorders: ClassVar[bool] = True

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        RUNS.append("backwards")
        return Outcome(order=[*range(len(rows) - 1, -1, -1), 0], added=[talk("New?", "New indeed.")])


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**STEPS.all(), **{step.method: step for step in (Short, Loud, Backwards)}}
    monkeypatch.setattr(STEPS, "_methods", known)
    RUNS.clear()


def talk(question: str, answer: str) -> Row:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


LENGTHS = [2, 9, 3, 12, 7, 4, 30, 8]
TALKS = [talk(f"Question {number}?", chr(97 + number) * length) for number, length in enumerate(LENGTHS)]


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home.at(own_home)
    text = "\n".join(json.dumps(row) for row in TALKS)
    import_dataset(home, text, "talks", eval_fraction=0)
    return home


def apply(home: Home, *steps: dict[str, Any] | str) -> Any:
    return pipeline.prepare(home, pipeline.with_steps(home, "talks", list(steps)))


def questions(home: Home) -> list[str]:
    return [row["messages"][0]["content"] for row in all_rows(home, "talks")]


def numbers(home: Home) -> list[int]:
    return list(read_table_file(dataset_folder(home, "talks") / "train.parquet").column("_id").to_pylist())


def test_each_step_tells_what_it_did_and_the_rows_as_read_stay(home: Home) -> None:
    before = dataset_table(home, "talks", "rows")
    manifest = apply(home, "test_short", "test_loud")
    short, loud = pipeline.step_summaries(home, "talks")
    assert (short["given"], short["removed"], short["left"]) == (8, 3, 5)
    assert (loud["given"], loud["changed"], loud["left"]) == (5, 5, 5)
    assert manifest.info["rows"] == {"train": 5, "eval": 0} and manifest.info["steps"] == 2
    assert numbers(home) == [1, 3, 4, 6, 7] and questions(home)[0] == "QUESTION 1?"
    assert dataset_table(home, "talks", "rows").equals(before) and before.num_rows == 8
    found = pipeline.touched(home, "talks", 1, "removed", 1, 1)
    assert found["total"] == 3
    assert found["rows"] == [
        {"id": 2, "reason": "3 characters", "found": ["ccc"], "row": TALKS[2], "after": None, "restored": False}
    ]
    edited = pipeline.touched(home, "talks", 2, "changed")["rows"][0]
    assert edited["row"] == TALKS[1] and edited["after"]["messages"][0]["content"] == "QUESTION 1?"
    verify(dataset_folder(home, "talks"))


def test_only_what_follows_a_change_is_done_again(home: Home) -> None:
    apply(home, "test_short", "test_loud")
    apply(home, "test_short", "test_loud")
    assert RUNS == ["short 5", "loud"]
    apply(home, "test_short", "test_loud", "test_backwards")
    assert RUNS == ["short 5", "loud", "backwards"]
    apply(home, {"method": "test_short", "least": 8}, "test_loud")
    assert RUNS[3:] == ["short 8", "loud"]
    apply(home, "test_loud", "test_short")
    assert RUNS[5:] == ["loud", "short 5"]


def test_a_restored_row_comes_back_in_its_place_without_doing_the_step_again(home: Home) -> None:
    apply(home, "test_short", "test_loud")
    pipeline.restore(home, "talks", 1, [2, 5])
    assert numbers(home) == [1, 2, 3, 4, 5, 6, 7] and "short 5" not in RUNS[2:]
    assert questions(home)[1] == "QUESTION 2?"  # the later step was done on it too
    short = pipeline.step_summaries(home, "talks")[0]
    assert (short["removed"], short["left"]) == (1, 7)
    assert [row["restored"] for row in pipeline.touched(home, "talks", 1, "removed")["rows"]] == [False, True, True]
    pipeline.restore(home, "talks", 2, [3])
    assert questions(home)[2] == "Question 3?" and questions(home)[3] == "QUESTION 4?"
    assert pipeline.step_summaries(home, "talks")[1]["changed"] == 6
    pipeline.restore(home, "talks", 1, [2], back=False)
    assert numbers(home) == [1, 3, 4, 5, 6, 7]


def test_rows_that_come_twice_or_anew_have_numbers_of_their_own(home: Home) -> None:
    apply(home, "test_backwards")
    found = numbers(home)
    assert found[:8] == [7, 6, 5, 4, 3, 2, 1, 0] and len(set(found)) == 10 and all(one < 0 for one in found[8:])
    assert questions(home)[8:] == ["Question 0?", "New?"]
    done = pipeline.step_summaries(home, "talks")[0]
    assert (done["given"], done["added"], done["left"]) == (8, 2, 10)
    apply(home, "test_backwards", "test_short")
    assert set(numbers(home)) < set(found)


def test_the_same_step_twice_numbers_its_rows_anew(home: Home) -> None:
    apply(home, "test_backwards")
    once = numbers(home)[8:]
    apply(home, "test_backwards", "test_backwards")
    found = numbers(home)
    assert len(set(found)) == len(found) == 12 and set(once) < set(found)


def test_a_dataset_is_not_mixed_with_itself(home: Home) -> None:
    with pytest.raises(SpecError, match="reads the dataset it makes"):
        apply(home, {"method": "mix", "others": {"talks": 1}})


def test_a_change_can_be_undone(home: Home) -> None:
    with pytest.raises(UserError, match="nothing to undo"):
        pipeline.undo_change(home, "talks")
    apply(home, "test_short")
    apply(home, "test_short", "test_loud")
    assert len(pipeline.undo_change(home, "talks").info["rows"]) == 2 and questions(home)[0] == "Question 1?"
    pipeline.undo_change(home, "talks")
    assert len(questions(home)) == 8 and pipeline.history(home, "talks") == []
    verify(dataset_folder(home, "talks"))


def test_rows_are_edited_deleted_and_added_by_hand(home: Home) -> None:
    apply(home, "test_short")
    pipeline.edit_rows(home, "talks", changed={3: talk("Better?", "Much better.")}, deleted=[1])
    pipeline.edit_rows(home, "talks", changed={4: talk("Other?", "Another.")}, added=[talk("Mine?", "Mine.")])
    assert questions(home) == ["Better?", "Other?", "Question 6?", "Question 7?", "Mine?"]
    assert [step["title"] for step in pipeline.step_summaries(home, "talks")] == ["Short answers", "Edits by hand"]
    apply(home, {"method": "test_short", "least": 13}, *pipeline.with_steps(home, "talks", []).steps)
    with pytest.raises(SpecError, match="no assistant turn"):
        pipeline.edit_rows(home, "talks", changed={6: {"messages": [{"role": "user", "content": "Only?"}]}})
    assert questions(home) == ["Question 6?"]


def test_the_last_edit_of_a_row_counts(home: Home) -> None:
    pipeline.edit_rows(home, "talks", deleted=[1])
    pipeline.restore(home, "talks", 1, [1])
    pipeline.edit_rows(home, "talks", changed={1: talk("Once?", "Once.")})
    assert questions(home)[:3] == ["Question 0?", "Once?", "Question 2?"]
    pipeline.restore(home, "talks", 1, [1, 2**53])
    assert questions(home)[1] == "Question 1?" and pipeline.step_summaries(home, "talks")[0]["step"]["restored"] == [1]
    pipeline.edit_rows(home, "talks", changed={1: talk("Twice?", "Twice.")})
    assert questions(home)[1] == "Twice?"
    pipeline.edit_rows(home, "talks", deleted=[1])
    pipeline.edit_rows(home, "talks", deleted=[2])
    assert questions(home)[:2] == ["Question 0?", "Question 3?"]


def test_what_was_changed_meanwhile_is_not_written_over(home: Home) -> None:
    recipe = pipeline.with_steps(home, "talks", ["test_loud"])
    before = pipeline.with_steps(home, "talks", [{"method": "test_short", "least": 5}]).steps
    apply(home, "test_short")
    with pytest.raises(UserError, match="changed meanwhile"):
        pipeline.prepare(home, recipe, after=[])
    assert "QUESTION 1?" not in questions(home) and numbers(home) == [1, 3, 4, 6, 7]
    short = pipeline.step_summaries(home, "talks")[0]["key"]
    pipeline.prepare(home, recipe, after=before)
    assert questions(home)[1] == "QUESTION 1?" and len(questions(home)) == 8
    with pytest.raises(UserError, match="changed meanwhile"):
        pipeline.restore(home, "talks", 1, [1], key=short)
    with pytest.raises(UserError, match="changed meanwhile"):
        pipeline.touched(home, "talks", 1, "changed", key=short)
    assert (
        pipeline.touched(home, "talks", 1, "changed", key=pipeline.step_summaries(home, "talks")[0]["key"])["total"]
        == 8
    )


def test_a_dataset_imported_anew_meanwhile_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pipeline.run_steps

    def slow(*given: Any) -> Any:
        monkeypatch.setattr(pipeline, "run_steps", run)
        import_dataset(home, "\n".join(map(json.dumps, TALKS[:6])), "talks", eval_fraction=0, replace=True)
        return run(*given)

    monkeypatch.setattr(pipeline, "run_steps", slow)
    with pytest.raises(UserError, match="imported anew"):
        apply(home, "test_loud")
    assert len(questions(home)) == 6 and len(list_artifacts(home.datasets)) == 1


def test_an_edit_of_a_row_that_is_gone_is_told(home: Home) -> None:
    apply(home, "test_short", {"method": "edit_rows", "deleted": [0, 1]})
    notes = pipeline.step_summaries(home, "talks")[1]["notes"]
    assert notes == ["1 rows edited here are not there any more: an earlier step takes them out."]


def test_the_same_recipe_gives_the_same_bytes_anywhere(home: Home, tmp_path: Path) -> None:
    apply(home, "test_short", "test_backwards", {"method": "split", "eval_fraction": 0.4, "seed": 7})
    recipe = Recipe.at(dataset_folder(home, "talks"))
    other = Home.at(tmp_path / "other")
    file = tmp_path / "talks.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in TALKS))
    source = SOURCES.parse({"method": "files", "paths": [str(file)]})
    written = Recipe.parse(recipe.model_copy(update={"source": source}).to_yaml())
    pipeline.prepare(other, written)
    for name in ("train.parquet", "eval.parquet"):
        first, second = (dataset_folder(one, "talks") / name for one in (home, other))
        assert first.read_bytes() == second.read_bytes() and pq.read_metadata(first).num_rows


def test_everything_wrong_is_told_at_once_and_nothing_changes(home: Home) -> None:
    apply(home, "test_short")
    before = dataset_manifest(home, "talks").digest
    with pytest.raises(SpecError) as error:
        apply(home, {"method": "edit_rows", "added": [{"text": "x"}]}, {"method": "edit_rows", "changed": {0: {}}})
    assert [problem.field for problem in error.value.problems] == [
        "steps[0].added", "steps[1].changed",
    ]  # fmt: skip
    with pytest.raises(UserError, match="No rows are left"):
        apply(home, {"method": "test_short", "least": 100})
    with pytest.raises(SpecError, match="Did you mean"):
        apply(home, "test_shot")
    assert dataset_manifest(home, "talks").digest == before and len(list_artifacts(home.datasets)) == 1


def test_rows_made_here_keep_their_split(home: Home) -> None:
    made = [{"text": f"Text number {number}."} for number in range(6)]
    write_rows(home, "made", "text", made[:4], made[4:])
    pipeline.prepare(home, pipeline.with_steps(home, "made", []))
    assert rows(home, "made", "eval") == made[4:] and all_rows(home, "made") == made[:4]
    pipeline.resplit(home, "made", 0.5)
    assert dataset_manifest(home, "made").info["rows"] == {"train": 3, "eval": 3}
    pipeline.resplit(home, "made", 0.2)
    assert [step["step"]["method"] for step in pipeline.step_summaries(home, "made")] == ["split"]


def test_a_stopped_run_keeps_the_steps_it_finished(home: Home) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        if RUNS:
            raise Stopped

    recipe = pipeline.with_steps(home, "talks", ["test_short", "test_loud"])
    with pytest.raises(Stopped):
        pipeline.prepare(home, recipe, StepWork(home, Task(check_stop=stop)))
    assert len(questions(home)) == 8
    RUNS.clear()
    pipeline.prepare(home, recipe)
    assert RUNS == ["short 5", "loud"]  # it was stopped before the first was written


def test_results_used_long_ago_make_room(home: Home) -> None:
    apply(home, "test_short")
    apply(home, "test_loud")
    kept = pipeline.step_summaries(home, "talks")[0]["key"]
    prune_cache(home.cache / "steps", {kept}, limit=1)
    assert [path.name for path in list_artifacts(home.cache / "steps")] == [kept]
    apply(home, "test_short")
    assert RUNS == ["short 5", "loud", "short 5"]


def test_split_keeps_together_what_belongs_together(own_home: Path) -> None:
    home = Home.at(own_home)
    many = [{**row, "metadata": {"source": f"book {number // 5}"}} for number, row in enumerate(conversations(40))]
    write_rows(home, "books", "conversation", many)
    step = {"method": "split", "eval_fraction": 0.3, "together": "metadata", "key": "source"}
    pipeline.prepare(home, pipeline.with_steps(home, "books", [step]))
    sides = [{row["metadata"]["source"] for row in all_rows(home, "books", split)} for split in ("train", "eval")]
    assert sides[0] and sides[1] and not sides[0] & sides[1]
    with pytest.raises(UserError, match="metadata"):
        pipeline.prepare(home, pipeline.with_steps(home, "books", [{**step, "key": "author"}]))
