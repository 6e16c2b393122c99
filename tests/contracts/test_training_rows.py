"""What reaches a model in training is what the token view shows; what does not is counted, with the reason."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.running import carried
from tests.toy_training import job, setup_for, train
from tests.toys import conversations, preferences, toy_home, toy_model
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.data.encoding.token_view import token_view
from workbench.data.store import datasets
from workbench.jobs.view import JobRecord
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.training import run
from workbench.training.objective import OBJECTIVES

LONG = " ".join(["word"] * 400)
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Bonn"}}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """A home with toys, computed in float32, and data with tools, several turns, weights and rows to be cut off."""
    made = toy_home(tmp_path_factory.mktemp("rows"))
    toy_model(made, "teacher", seed=1)
    datasets.write_rows(made, "varied", "conversation", _varied(), _varied()[3:])
    datasets.write_rows(made, "varied-pairs", "preference", _varied_pairs(), _varied_pairs()[1:])
    datasets.write_rows(made, "texts", "text", [{"text": "The wren sings."}, {"text": LONG}], [{"text": "An owl."}])
    return made


def _turns(*contents: Any) -> list[dict[str, Any]]:
    roles = ("user", "assistant") * len(contents)
    return [
        {"role": role, "content": content} if isinstance(content, str) else {"role": role, **content}
        for role, content in zip(roles, contents, strict=False)
    ]


def _varied() -> list[dict[str, Any]]:
    called = {"content": "", "tool_calls": [CALL]}
    weightless, thrice = ({"content": "Hello.", "weight": weight} for weight in (0.0, 3.0))
    answered = [{"role": "tool", "name": "weather", "content": "rain"}, {"role": "assistant", "content": "It rains."}]
    return [
        {"messages": [*_turns("Bonn?", called), *answered], "tools": TOOLS},
        {"messages": _turns("Hi", "Hello.", "Again", weightless, "And again", thrice), "metadata": {"weight": 2}},
        {"messages": [{"role": "system", "content": "Be brief."}, *_turns("Hi", "a")], "metadata": {"weight": 0.5}},
        {"messages": _turns("Tell me more.", LONG)},
        {"messages": _turns("Hi", "Hello, hello.")},
    ]


def pair(prompt: Any, chosen: Any, rejected: Any) -> dict[str, Any]:
    turns = prompt if isinstance(prompt, list) else _turns(prompt)
    return {"prompt": turns, "chosen": _turns("", chosen)[1:], "rejected": _turns("", rejected)[1:]}


def _varied_pairs() -> list[dict[str, Any]]:
    called = {"content": "", "tool_calls": [CALL]}
    return [
        {**pair("Bonn?", called, "No."), "tools": TOOLS},
        pair(_turns("Hi", "Hello.", "More"), LONG, "No."),
        *preferences(3),
    ]


# ---- ids for ids -------------------------------------------------------------------------------------------

Sequence = tuple[tuple[int, ...], tuple[bool, ...]]


def shown(home: Home, dataset: str, split: str, settings: dict[str, Any]) -> list[Sequence]:
    """Ids and mask of every row that can be learned from (of a pair, of both sides) as the token view has them."""
    folder = home.models / "toy"
    tokenizer, template = Tokenizer.load(folder), get_template(settings["template"], folder)
    found = []
    for row in datasets.all_rows(home, dataset, split):
        view = token_view(row, tokenizer, template, settings["max_length"], settings["train_on"])
        sides = [[token for token in side["tokens"] if not token["cut"]] for side in view["sides"] or [view]]
        if all(any(token["trained"] for token in tokens) for tokens in sides):
            found += [
                (tuple(token["id"] for token in tokens), tuple(token["trained"] for token in tokens))
                for tokens in sides
            ]
    return found


def handed_over(batches: Iterator[dict[str, torch.Tensor]]) -> list[Sequence]:
    """Ids and mask of everything that a trainer's batches hold, without the padding."""
    found = []
    for batch in batches:
        learned = batch["labels"] != -100 if "labels" in batch else batch["completion_mask"].bool()
        for ids, mask, width in zip(batch["input_ids"], learned, batch["attention_mask"].sum(1), strict=True):
            assert not mask[width:].any()
            found.append((tuple(ids[:width].tolist()), tuple(mask[:width].tolist())))
    return found


CASES = [
    ("sft", "varied", {}),
    ("sft", "varied", {"train_on": "all"}),
    ("sft", "texts", {"train_on": "all"}),
    ("distill", "varied", {"teacher": "teacher"}),
    ("dpo", "varied-pairs", {}),
]


@pytest.mark.parametrize("template", ["qwen", "model"])
@pytest.mark.parametrize(("objective", "dataset", "settings"), CASES)
def test_batches_hold_the_ids_and_the_mask_of_the_token_view(
    objective: str, dataset: str, settings: dict[str, Any], template: str, home: Home, tmp_path: Path
) -> None:
    given = {"objective": {"method": objective, **settings}, "template": template, "max_length": 700, "model": "toy"}
    setup = setup_for(home, tmp_path, 2, dataset, **given)
    trainer = OBJECTIVES.parse(given["objective"]).trainer(setup)
    view = {"template": template, "max_length": 700, "train_on": settings.get("train_on", "assistant")}
    for split, batches in (("train", trainer.get_train_dataloader()), ("eval", trainer.get_eval_dataloader())):
        expected = shown(home, dataset, split, view)
        assert Counter(handed_over(batches)) == Counter(expected), split
        assert len(expected) >= setup.encoded[split].tally.rows - (template == "model")  # ChatML writes no tool calls
        assert {True, False} == {learned for _, mask in expected for learned in mask} or "all" in settings.values()
    assert any(len(ids) == 700 for ids, _ in shown(home, dataset, "train", view))  # one was cut off


def test_every_objective_is_compared_with_the_token_view() -> None:
    assert {objective for objective, _, _ in CASES} == set(OBJECTIVES.all())


def test_tokens_carry_the_weight_of_their_turn_and_row(home: Home, tmp_path: Path) -> None:
    trainer = OBJECTIVES.parse("sft").trainer(setup_for(home, tmp_path, 5, "varied", model="toy"))
    (batch,) = trainer.get_train_dataloader()
    weights, learned = batch["weights"], batch["labels"] != -100
    assert float(weights[learned].mean()) == pytest.approx(1) and not weights[~learned].any()
    least = float(weights[learned].min())
    rows = [{round(float(one) / least / 2, 4) for one in row[mask]} for row, mask in zip(weights, learned, strict=True)]
    assert sorted(map(sorted, rows)) == [
        [0.5],
        [1],
        [1],
        [1],
        [2, 6],
    ]  # the row that counts twice has a turn that counts thrice


# ---- rows that are left out --------------------------------------------------------------------------------


def run_with(home: Home, kind: str, rows: list[Any], held_out: list[Any] = [], **settings: Any) -> JobRecord:  # noqa: B006
    """A job on a dataset of these rows, however it ends."""
    name = f"data-{len(list(home.datasets.iterdir()))}"
    datasets.write_rows(home, name, kind, rows, held_out)
    objective = {"method": "dpo" if kind == "preference" else "sft", "learning_rate": 0.01}
    given = {"objective": objective, "max_steps": 1, "output": f"from-{name}", **settings}
    return carried(home, job(dataset=name, **given))


SYSTEM = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Bonn?"}]
BEGINNING = "It is good. " * 40


@pytest.mark.parametrize(
    ("bad", "settings", "reason"),
    [
        (pair(LONG, "yes", "no"), {"max_length": 64}, "The prompt alone fills the 64 tokens"),
        (pair("Hi", f"{BEGINNING} yes", f"{BEGINNING} no"), {"max_length": 64}, "what tells them apart is cut off"),
        (pair(SYSTEM, "yes", "no"), {"template": "gemma", "max_length": 256}, "System role not supported"),
    ],
)
def test_pairs_that_cannot_be_learned_are_counted_and_the_others_trained_on(
    bad: Any, settings: dict[str, Any], reason: str, home: Home
) -> None:
    view = run_with(home, "preference", [bad, *preferences(4), bad], **settings)
    assert view.state.status == "done", view.state.error
    assert any("left out 2 (rows 1, 6)" in note and reason in note for note in view.state.notes)
    (found,) = view.state.result["rows"].values()
    assert (found["rows"], found["learned"]) == (6, 4) and list(found["left_out"].values()) == [2]
    assert read_manifest(home.models / view.state.result["model"]).info["rows"] == view.state.result["rows"]


@pytest.mark.parametrize(
    ("kind", "bad", "settings", "reason"),
    [
        ("preference", pair(LONG, "yes", "no"), {"max_length": 64}, "The prompt alone fills the 64 tokens"),
        ("preference", pair(SYSTEM, "yes", "no"), {"template": "gemma"}, "System role not supported"),
        ("conversation", {"messages": _turns(LONG, "yes")}, {"max_length": 64}, "The prompt alone fills"),
    ],
)
def test_where_none_is_left_one_sentence_says_so_before_the_model_is_loaded(
    kind: str, bad: Any, settings: dict[str, Any], reason: str, home: Home
) -> None:
    view = run_with(home, kind, [bad, bad], **settings, model="toy")
    assert view.state.status == "failed" and "None of the 2 rows can be learned from." in view.state.error
    assert reason in view.state.error and view.state.remedy and "\n" not in view.state.error
    assert "Loading toy" not in (view.folder / "events.jsonl").read_text()


def test_arguments_of_any_names_and_types_train(home: Home) -> None:
    """Arrow would give every call the arguments of all, and has no type for 'a text or a list'."""
    rows = []
    for value in ("Bonn", [1, 2], {"a": None}, 3):
        call = {"type": "function", "function": {"name": "f", "arguments": {f"x{len(rows)}": value}}}
        rows.append({**pair("Go.", "x", "Dunno"), "tools": TOOLS})
        rows[-1]["chosen"] = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    view = run_with(home, "preference", rows, template="qwen", max_length=900)
    assert view.state.status == "done", view.state.error
    assert view.state.result["rows"]["train"]["learned"] == 4


@pytest.mark.parametrize(
    ("kind", "row", "others"),
    [
        ("conversation", {"messages": _turns(LONG, "yes")}, conversations(4)),
        ("preference", pair(LONG, "a", "b"), preferences(4)),
    ],
)
def test_an_eval_split_that_yields_no_rows_is_said_and_the_run_goes_on(
    kind: str, row: Any, others: list[Any], home: Home
) -> None:
    view = run_with(home, kind, others, [row], max_length=64)
    assert view.state.status == "done", view.state.error
    notes = view.state.notes
    assert run.NO_EVALUATION in notes and any("eval: left out 1 (row 1)" in note for note in notes)
    assert not any("eval_loss" in point for point in view.state.points)


def test_a_second_run_encodes_nothing_and_says_the_same(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(home, "encoding")
    monkeypatch.setattr("workbench.data.encoding.cache.encode_shards", None)
    second = train(home, "encoded")
    assert second.state.notes == first.state.notes and second.state.points[-1]["step"] == 2
