"""Models of the shelf as writers and judges: toys that answer, score, are stopped and go on."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chatting import load
from tests.running import context, run
from tests.toy_gguf import toy_gguf
from tests.toys import conversations, toy_adapter, toy_home
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.tasks import Task
from workbench.data.store.datasets import all_rows, dataset_manifest, delete_dataset, write_rows
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.synthesis import judging
from workbench.synthesis.jobs.make_data import MakeData
from workbench.synthesis.replies import Reply, Request
from workbench.synthesis.writer import NO_ROOM, NO_SCORE, ShelfWriter

pytestmark = pytest.mark.usefixtures("exact")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A toy that ends its answers, an adapter over it, and its GGUF."""
    made = toy_home(tmp_path_factory.mktemp("making"), lessons=60)
    toy_adapter(made, "changed", spread=0.05)
    toy_gguf(made)
    return made


def job(**settings: Any) -> MakeData:
    common = {"maker": "answers", "dataset": "talks", "model": "toy", "output": "made", "limit": 10, "batch_size": 4}
    loose = {"checks": {"keep_cut_off": True, "least_words": 0, "least_score": 1}, "decoding": {"max_new_tokens": 24}}
    return MakeData.parse({**common, **loose, **settings})


@pytest.fixture(autouse=True)
def empty_shelf(home: Home) -> Any:
    yield
    for name in ("made",):
        if (home.datasets / name).exists():
            delete_dataset(home, name)


@pytest.mark.parametrize("model", ["toy", "changed", "toy-f32"])
def test_a_model_answers_and_is_a_parent(home: Home, model: str) -> None:
    result = run(home, job(model=model))
    rows = all_rows(home, "made")
    assert len(rows) == result["kept"] > 5 and {row["metadata"]["model"] for row in rows} == {model}
    sampling = [row["metadata"]["sampling"] for row in rows]
    assert all(one["max_new_tokens"] == 24 and one["temperature"] == 0.7 for one in sampling)
    parent = dataset_manifest(home, "made").parent("writer")
    assert parent and parent.digest == read_manifest(home.models / model).digest


def test_a_log_torn_anywhere_in_a_batch_gives_the_same_rows(home: Home) -> None:
    """A batch shares its random numbers: one row of it can only be made again with the others."""
    run(home, job(), "whole")
    rows = all_rows(home, "made")
    delete_dataset(home, "made")
    content = (home.jobs / "whole" / "generated.jsonl").read_bytes()
    ends = [place for place, sign in enumerate(content) if sign == 10]
    for number, cut in enumerate((ends[2], ends[2] + 40, ends[6] + 5)):
        ctx = context(home, f"torn-{number}", resume=True)
        (ctx.folder / "generated.jsonl").write_bytes(content[: cut + 1])
        job().run(ctx)
        assert all_rows(home, "made") == rows
        replies = [line for line in _lines(ctx.folder) if line["type"] == "reply"]
        assert len(replies) == 10
        delete_dataset(home, "made")


def _lines(folder: Path) -> list[dict[str, Any]]:
    found = []
    for line in (folder / "generated.jsonl").read_text("utf-8", "replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def told(writer: ShelfWriter, requests: list[Request]) -> list[Reply]:
    found: list[Reply] = []
    writer.write(requests, lambda heard: found.extend(reply for _, reply in heard), Task())
    return found


def test_what_has_no_room_fails_alone(home: Home) -> None:
    writer = ShelfWriter(load(Engine(home), "toy"), "toy")
    texts = ["Tell me of the red apple.", "word " * 2000, "Tell me of the old oak."]
    decoding = Decoding(max_new_tokens=8, greedy=True)
    replies = told(
        writer, [Request(f"a/{n}", [{"role": "user", "content": text}], decoding) for n, text in enumerate(texts)]
    )
    assert [reply.failure for reply in replies] == ["", NO_ROOM, ""]
    assert replies[0].text and replies[2].text and not replies[1].trouble


def test_a_judges_score_is_the_mean_by_its_own_probabilities(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    engine = load(Engine(home), "toy")
    writer = ShelfWriter(engine, "toy")
    messages = [{"role": "user", "content": "Rate the red apple from 1 to 5."}]
    request = Request("judge/1", messages, Decoding(greedy=True, max_new_tokens=8), scored=True)
    (unsure,) = told(writer, [request])
    assert unsure.failure == NO_SCORE and unsure.score is None  # a toy writes no numbers: no score is made up
    monkeypatch.setattr(judging, "LEAST_MASS_SHARE", 0.0)
    (reply,) = told(writer, [request])
    tokenizer = engine.model("toy")
    with torch.inference_mode():
        logits = (
            engine.model("toy")
            .torch_model()(torch.tensor([engine.model("toy").prompt_ids(messages)]))
            .logits[0, -1]
            .float()
        )
    chances, written = logits.softmax(-1).tolist(), [tokenizer.decode([token]).strip() for token in range(400)]
    mass = {n: sum(chances[token] for token in range(400) if written[token] == str(n)) for n in range(1, 6)}
    expected = sum(n * chance for n, chance in mass.items()) / sum(mass.values())
    assert reply.score == pytest.approx(expected, abs=1e-4) and not reply.failure
    (other,) = told(ShelfWriter(load(Engine(home), "toy-f32"), "toy-f32"), [request])
    assert other.score == pytest.approx(expected, abs=0.01)  # the same weights in llama.cpp


def test_a_second_model_judges(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LEAST_MASS_SHARE", 0.0)
    run(home, job(judge="changed", limit=3))
    rows = all_rows(home, "made")
    assert {row["metadata"]["judge"] for row in rows} == {"changed"}
    assert all(1 <= row["metadata"]["score"] <= 5 for row in rows)
    assert {parent.role for parent in dataset_manifest(home, "made").parents} == {"dataset", "writer", "judge"}


def test_rows_with_tools_and_cut_off_answers_are_left_out(home: Home) -> None:
    tools = [
        {
            "type": "function",
            "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}},
        }
    ]
    rows = [{**row, "tools": tools} if n == 0 else row for n, row in enumerate(conversations(3))]
    write_rows(home, "tools", "conversation", rows, replace=True)
    result = run(home, job(dataset="tools", checks={"keep_cut_off": True}))
    assert result["asked"] == 2
    delete_dataset(home, "made")
    tight = {"decoding": {"max_new_tokens": 2}, "checks": {"keep_cut_off": False}}
    with pytest.raises(Exception, match="cut off at the limit"):
        run(home, job(**tight))
