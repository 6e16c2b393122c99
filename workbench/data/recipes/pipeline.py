"""The workshop: a dataset made anew from its recipe, what every step did, rows restored and edited, steps undone."""

import contextlib
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, atomic_dir, safe_join, write_text
from workbench.core.lineage import Manifest, Parent, parent_of, read_manifest, write_manifest
from workbench.data.recipes.recipe import RECIPE, Recipe, brief
from workbench.data.recipes.step import Step, StepWork
from workbench.data.recipes.step_cache import COUNTS_FILE, Stage, StepStage, examples_of, key_of_texts, stage_of
from workbench.data.recipes.steps.edit_rows import EditRows
from workbench.data.recipes.steps.split import Split
from workbench.data.sources.source import SOURCES, Source, source_of_copies
from workbench.data.store.datasets import ROWS, bare, base_rows, checked_row, dataset_folder, row_counts, write_splits
from workbench.data.store.locks import link, locked, prune_cache
from workbench.rows.split_rows import ID, SPLIT, Rows
from workbench.rows.table import file_metadata, read_table_file, write_table

STEPS_FILE, HISTORY = "steps.json", "history.json"
SOURCE_FILES = ("source", "rejected.jsonl", ROWS)
MOST_UNDO_STEPS = 50
ROWS_KEY = "llm-workbench-key"  # in the metadata of the file of rows as read
LARGEST = 2**53  # from here on JavaScript rounds whole numbers, and no row has such a number
Base = tuple[Stage, dict[str, Any], list[Parent], Source | None]
"""The rows as read, what the manifest says of them, their parents, and the source to write into the recipe."""


def prepare(
    home: Home,
    recipe: Recipe,
    work: StepWork | None = None,
    *,
    past: list[Any] | None = None,
    after: list[Step] | None = None,
    read_anew: bool = False,
    job: str = "",
) -> Manifest:
    """Makes the dataset a recipe names, in the place of the one of that name, whole or not at all.

    Rows that were read from the same source before are taken from the dataset, unless they are to be `read_anew`; steps
    done before from the cache. The steps there were are added to its history, or that is `past` if given. With `after`,
    nothing is done unless the dataset has those steps. Raises `UserError`, `SpecError` or `JobStopped`.
    """
    work = work or StepWork(home)
    target = safe_join(home.datasets, recipe.name)
    with locked(home, recipe.name):
        _check_steps(target, recipe, after)
        begun = _number(target)
        with atomic_dir(target, replace=begun is not None) as folder:
            read = None if read_anew else _rows_of_before(target, recipe, folder)
            base, info, parents, origin = read or _gathered(home, recipe, folder, work)
            recipe = recipe.model_copy(update={"source": origin})
            problems = Problems()
            recipe.check(home, base.kind, problems)
            problems.check()
            stages = run_steps(base, recipe.steps, work)
            counts = _write_rows(folder, recipe, base, stages)
            write_text(folder / HISTORY, json.dumps(_past(target, recipe) if past is None else past))
            mixed = [name for step in recipe.steps for name in step.datasets()]
            parents += [parent_of(home.datasets / name, "mixed-in") for name in mixed]
            info |= {"rows": counts, "steps": len(stages)}
            made_by = {"action": "prepare", "recipe": recipe.to_dict(), **({"job": job} if job else {})}
            manifest = write_manifest(
                folder, Manifest(kind="dataset", name=target.name, parents=parents, made_by=made_by, info=info)
            )
            checked_row(folder)
            if _number(target) != begun:
                message = f"{target.name!r} was deleted or imported anew meanwhile."
                raise UserError(message, "Apply the recipe again.", "dataset")
    with contextlib.suppress(OSError):
        prune_cache(home.cache / "steps", {stage.folder.name for stage in stages})
    return manifest


def _write_rows(folder: Path, recipe: Recipe, base: Stage, stages: list[StepStage]) -> dict[str, int]:
    """Writes the rows after the last step, what each step did, and the rows as read if the result has not all of them.

    How many rows each split has.
    """
    tables = (stages[-1] if stages else base).rows.by_split()
    if not tables["train"].num_rows:
        raise UserError("No rows are left to train on.", "Take a step out, or make it milder.", "steps")
    write_splits(folder, tables)
    as_read = folder / ROWS
    whole = all(stage.keeps_rows for stage in stages) if recipe.source else not stages
    if not whole and not as_read.exists():
        # what was read is split by a step; what was made here has its split from there
        left_out = [ID, SPLIT] if recipe.source else [ID]
        write_table(base.rows.table.drop_columns(left_out).replace_schema_metadata({ROWS_KEY: base.key}), as_read)
    write_text(folder / RECIPE, recipe.to_yaml())
    write_text(folder / STEPS_FILE, json.dumps([_stage_record(stage) for stage in stages], indent=1))
    return row_counts(tables)


def _check_steps(target: Path, recipe: Recipe, after: list[Step] | None) -> None:
    """Raises `UserError` when the dataset has other steps than those the recipe was made from."""
    if after is None or not target.is_dir():
        return
    # those it would make are right too: it may have been killed after it had made them
    if [brief(step) for step in Recipe.at(target).steps] not in [
        list(map(brief, steps)) for steps in (after, recipe.steps)
    ]:
        raise UserError("The recipe was changed meanwhile.", "Look at it again, then apply.", "steps")


def _number(target: Path) -> int | None:
    """The number of the folder (inode): one made anew has another. None when there is none."""
    return target.stat().st_ino if target.exists() else None


def run_steps(base: Stage, steps: list[Step], work: StepWork) -> list[StepStage]:
    """The rows after each step; each is told with its number."""
    stages: list[StepStage] = []
    before = base
    for number, step in enumerate(steps):
        task = work.task.step(number, len(steps))
        task.check_stop()
        task.update(0, 1, step.title)
        try:
            before = stage_of(before, step, StepWork(work.home, task))
        except UserError as error:
            path = ("recipe", "steps", number, *error.path)
            raise UserError(f"Step {number + 1}, {step.title}: {error.message}", error.remedy, path) from None
        stages.append(before)
    return stages


def _rows_of_before(target: Path, recipe: Recipe, folder: Path) -> Base | None:
    """The rows of the dataset there is, if they are of the recipe's source; its files are put into the new folder."""
    if not target.is_dir() or Recipe.at(target).source_settings != recipe.source_settings:
        return None
    manifest = read_manifest(target)
    for name in SOURCE_FILES:
        link(target / name, folder / name)
    kind = str(manifest.info["kind"])
    parents = [parent for parent in manifest.parents if parent.role != "mixed-in"]
    return _base_of(folder, target, kind, bool(recipe.source)), dict(manifest.info), parents, recipe.source


def _gathered(home: Home, recipe: Recipe, folder: Path, work: StepWork) -> Base:
    """The rows of the recipe's source; what else it gives is put into the new folder."""
    if not recipe.source:
        raise UserError(f"There is no dataset {recipe.name!r}.", "Name a source to read its rows from.", "source")
    imported = recipe.source.gather(home, folder, work.task)
    info = {**imported.info, "kind": imported.kind, "rejected": imported.rejected}
    origin = source_of_copies(recipe.source.recipe(home.datasets / recipe.name), info)
    base = _stage_of_rows(Rows.of(imported.kind, bare(imported.table)))
    return base, info, list(imported.parents), SOURCES.parse(origin)


def _base_of(folder: Path, target: Path, kind: str, from_source: bool) -> Stage:
    """The rows a dataset was read as: those of their file, else of its result, which has all of them then.

    folder: the new one, where that file is linked; target: the dataset as it is.
    """
    path = folder / ROWS
    if path.is_file():
        return Stage(kind, lambda: _key_of_file(path), lambda: _unsplit(kind, read_table_file(path)))
    table = base_rows(target)
    return _stage_of_rows(_unsplit(kind, table.drop_columns([SPLIT]) if from_source else table))


def _unsplit(kind: str, table: pa.Table) -> Rows:
    """Rows from a table without ids; those it has a split for are in that."""
    table = table.replace_schema_metadata(None)
    if SPLIT not in table.column_names:
        return Rows.of(kind, table)
    return Rows.of(kind, table.drop_columns([SPLIT]), table.column(SPLIT).to_pylist())


def _stage_of_rows(rows: Rows) -> Stage:
    def key() -> str:
        return key_of_texts(hashlib.sha256(b"".join(rows.digests)).hexdigest(), *rows.splits)

    return Stage(rows.kind, key, lambda: rows)


def _key_of_file(path: Path) -> str:
    """The key that was written with the rows; files from before have none, and are known by their SHA-256."""
    if key := file_metadata(path).get(ROWS_KEY):
        return key
    with path.open("rb") as file:
        return key_of_texts(hashlib.file_digest(file, "sha256").hexdigest())


def _stage_record(stage: StepStage) -> dict[str, Any]:
    return {"step": brief(stage.step), "title": stage.step.title, "key": stage.folder.name, **asdict(stage.counts)}


# ---- what the steps did ------------------------------------------------------------------------------------


def step_summaries(home: Home, name: str) -> list[dict[str, Any]]:
    """For every step of a dataset: step, title, given, left, removed, changed, flagged, added, seconds, notes."""
    path = dataset_folder(home, name) / STEPS_FILE
    return list(json.loads(path.read_text("utf-8"))) if path.is_file() else []


def touched(
    home: Home, name: str, step: int, change: str, start: int = 0, count: int = 20, key: str = ""
) -> dict[str, Any]:
    """{'total', 'rows'} of what a step (counted from 1) did: what is 'removed', 'changed' or 'flagged'.

    Every row has id, reason, found, row, after (changed ones) and whether it was restored. Raises `UserError`, also
    when `key` is given and the report knows the step by another one.
    """
    records = step_summaries(home, name)
    _check_step(name, step, len(records))
    _check_key(records, step, key)
    if change not in ("removed", "changed", "flagged"):
        raise UserError(f"There is nothing called {change!r}.", "Choose removed, changed or flagged.", "change")
    table = _touched_table(home, records[step - 1]["key"], change)
    restored = set(records[step - 1]["step"].get("restored") or [])
    rows = examples_of(table, max(start, 0), min(max(count, 0), 200))
    return {"total": table.num_rows, "rows": [{**row, "restored": row["id"] in restored} for row in rows]}


def restorable_ids(home: Home, name: str, step: int) -> set[int]:
    """The ids of the rows that a step (counted from 1) took out or changed. Raises `UserError` as `touched` does."""
    records = step_summaries(home, name)
    _check_step(name, step, len(records))
    tables = (_touched_table(home, records[step - 1]["key"], change) for change in ("removed", "changed"))
    return {row_id for table in tables for row_id in table.column(ID).to_pylist()}


def _touched_table(home: Home, key: str, change: str) -> pa.Table:
    folder = home.cache / "steps" / key
    if not (folder / COUNTS_FILE).is_file():
        raise UserError("What this step did is not kept any more.", "Apply the recipe again.", "step")
    return read_table_file(folder / f"{change}.parquet")


def _check_step(name: str, step: int, steps: int) -> None:
    if not 1 <= step <= steps:
        raise UserError(f"{name!r} has {steps} steps; there is no step {step}.", "Choose one of them.", "step")


def _check_key(records: list[dict[str, Any]], step: int, key: str) -> None:
    if key and (step > len(records) or records[step - 1]["key"] != key):
        raise UserError("The recipe was changed meanwhile.", "Look at it again.", "step")


# ---- changing a recipe -------------------------------------------------------------------------------------


def with_steps(home: Home, name: str, steps: list[Any]) -> Recipe:
    """The recipe of a dataset with other steps; raises `SpecError`."""
    recipe = Recipe.at(dataset_folder(home, name))
    return Recipe.parse({"name": name, "source": recipe.source, "steps": steps})


def restore(home: Home, name: str, step: int, ids: list[int], back: bool = True, key: str = "") -> Manifest:
    """Keeps rows a step (counted from 1) took out or changed, or with `back` false lets it have them again.

    Raises `UserError`, also when `key` is given and the report knows the step by another one.
    """
    with locked(home, name):
        steps = _steps(home, name)
        _check_step(name, step, len(steps))
        _check_key(step_summaries(home, name), step, key)
        restored = set(steps[step - 1].get("restored") or [])
        meant = {row_id for row_id in ids if abs(row_id) < LARGEST}
        steps[step - 1]["restored"] = sorted(restored | meant if back else restored - meant)
        return prepare(home, with_steps(home, name, steps))


def edit_rows(
    home: Home,
    name: str,
    changed: dict[int, dict[str, Any]] | None = None,
    deleted: list[int] | None = None,
    added: list[dict[str, Any]] | None = None,
) -> Manifest:
    """Edits by hand, kept in the recipe's last step if that is one of edits, else in a new one at its end.

    The last edit of a row counts, whatever was restored or deleted before.
    """
    with locked(home, name):
        steps = _steps(home, name)
        if not (steps and steps[-1]["method"] == EditRows.method):
            steps.append({"method": EditRows.method})
        last = steps[-1]
        edited = {*(changed or {}), *(deleted or [])}
        last["restored"] = [row_id for row_id in last.get("restored") or [] if row_id not in edited]
        gone = ({*(last.get("deleted") or [])} - {*(changed or {})}) | {*(deleted or [])}
        news = {int(row_id): row for row_id, row in (last.get("changed") or {}).items()} | (changed or {})
        last["changed"] = {row_id: row for row_id, row in news.items() if row_id not in gone}
        last["deleted"] = sorted(gone)
        last["added"] = [*(last.get("added") or []), *(added or [])]
        return prepare(home, with_steps(home, name, steps))


def resplit(home: Home, name: str, eval_fraction: float, seed: int = 0) -> Manifest:
    """Divides the rows anew: its split step with these settings, or a new one at the end."""
    with locked(home, name):
        steps = _steps(home, name)
        split_step = next((step for step in reversed(steps) if step["method"] == Split.method), None)
        if split_step is None:
            steps.append(split_step := {"method": Split.method})
        split_step |= {"eval_fraction": eval_fraction, "seed": seed}
        return prepare(home, with_steps(home, name, steps))


def undo_change(home: Home, name: str, work: StepWork | None = None) -> Manifest:
    """Goes back to the steps there were before the last change."""
    with locked(home, name):
        past = history(home, name)
        if not past:
            raise UserError("There is nothing to undo.", "Changes of the steps can be undone.", "dataset")
        return prepare(home, with_steps(home, name, past[-1]), work, past=past[:-1])


def history(home: Home, name: str) -> list[list[dict[str, Any]]]:
    """The steps there were before, oldest first. Raises `UserError` when the file is damaged."""
    return _history(dataset_folder(home, name))


def _history(folder: Path) -> list[list[dict[str, Any]]]:
    path = folder / HISTORY
    if not path.is_file():
        return []
    try:
        history = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        history = None
    is_list = isinstance(history, list) and all(isinstance(steps, list) for steps in history)
    if not is_list or not all(isinstance(step, dict) and "method" in step for steps in history for step in steps):
        raise UserError(
            f"{HISTORY} of {folder.name} is damaged.", "Delete that file: nothing is lost but undoing.", "dataset"
        )
    return list(history)


def _steps(home: Home, name: str) -> list[dict[str, Any]]:
    return [brief(step) for step in Recipe.at(dataset_folder(home, name)).steps]


def _past(old: Path, recipe: Recipe) -> list[Any]:
    """The history with the steps there were, if they are others."""
    if not old.is_dir():
        return []
    past = _history(old)
    before = [brief(step) for step in Recipe.at(old).steps]
    if before != [brief(step) for step in recipe.steps]:
        past.append(before)
    return past[-MOST_UNDO_STEPS:]
