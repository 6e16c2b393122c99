"""How alike models are, held against values worked out by hand, and the job that measures it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tabs.figures import layers as pictures
from tests.toys import toy_model
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.jobs.job import JobContext, JobStopped
from workbench.jobs.queue import Queue
from workbench.merging import similarity
from workbench.merging.jobs.likeness import Likeness

torch = pytest.importorskip("torch")

NAME = "model.layers.0.mlp.up_proj.weight"


class Reader(dict[str, Any]):
    """Tensors by name, with the interface of `workbench.models.weights.Weights`."""

    def names(self) -> list[str]:
        return list(self)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self[name].shape)

    def get(self, name: str) -> Any:  # type: ignore[override]
        return self[name]


def reader(*rows: list[float]) -> Reader:
    return Reader({NAME: torch.tensor(rows)})


def over(data: dict[str, Any], pair: str = "a · b") -> dict[str, Any]:
    """One measure's overall number by name."""
    return {name: table["all"] for name, table in data["pairs"][pair].items()}


def random(seed: int, dtype: Any = torch.float32, layers: int = 3) -> Reader:
    made = torch.Generator().manual_seed(seed)
    names = ["model.embed_tokens.weight", "model.norm.weight"]
    names += [f"model.layers.{n}.{part}.weight" for n in range(layers) for part in ("self_attn.q_proj", "mlp.up_proj")]
    return Reader({name: torch.randn(40, 8, generator=made).to(dtype) for name in names})


def moved(base: Reader, seed: int, scale: float) -> Reader:
    return Reader({name: base[name] + scale * tensor for name, tensor in random(seed).items()})


def test_a_model_is_like_itself() -> None:
    one = random(1)
    data = similarity.compare({"a": one, "b": one}, random(2), "base")
    assert over(data) == {"weights": 1.0, "tasks": 1.0, "signs": 1.0, "strong_signs": 1.0}
    assert set(data["pairs"]["a · b"]["tasks"]["layers"]) == {1.0}


def test_opposite_task_vectors() -> None:
    base = random(1)
    data = similarity.compare({"a": moved(base, 2, 0.1), "b": moved(base, 2, -0.1)}, base, "base")
    found = over(data)
    assert found["tasks"] == pytest.approx(-1.0, abs=1e-5)
    assert found["signs"] == found["strong_signs"] == 0.0
    assert any("pull against each other" in text for text in similarity.sentences(data))


def test_unrelated_task_vectors_are_orthogonal() -> None:
    base = random(1)
    data = similarity.compare({"a": moved(base, 2, 0.1), "b": moved(base, 3, 0.1)}, base, "base")
    assert abs(over(data)["tasks"]) < 0.1 and over(data)["signs"] == pytest.approx(0.5, abs=0.1)
    said = " ".join(similarity.sentences(data))
    assert "nearly orthogonal" in said and "signs conflict in" in said and "rules of thumb" in said


def test_numbers_worked_out_by_hand() -> None:
    base = reader([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    a = reader([2.0, 0.0, 1.0], [5.0, 1.5, 1.0])  # task vector  1 -1 0 / 4  0.5 0
    b = reader([3.0, 2.0, 2.0], [-1.0, 1.5, 1.0])  # task vector  2  1 1 / -2 0.5 0
    data = similarity.compare({"a": a, "b": b}, base, "base")
    dot, one, other = 2 - 1 - 8 + 0.25, 1 + 1 + 16 + 0.25, 4 + 1 + 1 + 4 + 0.25
    found = over(data)
    assert found["tasks"] == pytest.approx(dot / (one * other) ** 0.5, abs=1e-5)
    sizes = (4 + 1 + 25 + 2.25 + 1) * (9 + 4 + 4 + 1 + 2.25 + 1)
    assert found["weights"] == pytest.approx((6 + 0 + 2 - 5 + 2.25 + 1) / sizes**0.5, abs=1e-5)
    assert found["signs"] == pytest.approx(2 / 4)  # four changed in both; 1·2 and 0.5·0.5 agree
    assert found["strong_signs"] == 0.0  # a fifth of six is one: 4 in a; 2 and -2 in b tie for it, the latter meets it
    change = data["changes"]
    assert change["a"]["changed"]["all"] == pytest.approx(4 / 6, abs=1e-6)
    assert change["a"]["norm"]["all"] == pytest.approx((one / 6) ** 0.5, abs=1e-5)


def test_a_model_that_changed_nothing() -> None:
    base = random(1)
    data = similarity.compare({"a": base, "b": moved(base, 2, 0.1)}, base, "base")
    assert over(data)["tasks"] is None and over(data)["signs"] is None
    assert data["changes"]["a"]["norm"]["all"] == 0.0
    assert any("nothing to compare" in text for text in similarity.sentences(data))


def test_without_a_base_only_weights_are_compared() -> None:
    data = similarity.compare({"a": random(1), "b": random(2), "c": random(3)})
    assert list(data["pairs"]) == ["a · b", "a · c", "b · c"] and list(data["pairs"]["a · b"]) == ["weights"]
    assert data["changes"] == {} and data["base"] == ""
    assert all("far apart" in text for text in similarity.sentences(data))


def test_large_tensors_go_through_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    base = random(1, torch.bfloat16)
    models = {"a": moved(base, 2, 0.1), "b": moved(base, 3, 0.1)}
    whole = similarity.compare(models, base, "base")
    monkeypatch.setattr(similarity, "CHUNK_ELEMENTS", 7)
    pieces = similarity.compare(models, base, "base")
    assert over(pieces) == pytest.approx(over(whole), abs=1e-5)
    monkeypatch.setattr(similarity, "SAMPLE_ELEMENTS", 100)
    assert over(similarity.compare(models, base, "base"))["strong_signs"] == pytest.approx(
        over(whole)["strong_signs"], abs=0.2
    )


def test_tables_tell_layers_and_groups_apart() -> None:
    base = random(1)
    other = Reader({name: tensor + (0.5 if ".1.mlp" in name else 0) for name, tensor in base.items()})
    data = similarity.compare({"a": other, "b": other}, base, "base")
    assert data["layers"] == ["outside the layers", "layer 0", "layer 1", "layer 2"]
    assert data["groups"] == ["embeddings", "attention", "mlp", "norms"]
    changed = data["changes"]["a"]["changed"]
    assert changed["cells"]["mlp"] == [None, 0.0, 1.0, 0.0] and changed["layers"] == [0.0, 0.0, 0.5, 0.0]
    assert changed["groups"]["attention"] == 0.0


def test_tensors_that_not_all_have_are_left_out() -> None:
    one, other = random(1), random(2)
    one["lm_head.weight"] = torch.ones(2)
    other["model.norm.weight"] = torch.ones(3)
    data = similarity.compare({"a": one, "b": other})
    assert data["left_out"] == ["lm_head.weight", "model.norm.weight"]
    assert any("2 tensors" in text for text in similarity.sentences(data))
    with pytest.raises(UserError, match="no tensor in common"):
        similarity.compare({"a": one, "b": Reader({"x": torch.ones(1)})})


def test_figures_are_plain_and_transparent() -> None:
    base = random(1)
    figures = pictures.figures(similarity.compare({"a": moved(base, 2, 0.1), "b": moved(base, 3, 0.1)}, base, "base"))
    assert json.loads(json.dumps(figures)) == figures and len(figures) == 6
    for figure in figures:
        (trace,) = figure["data"]
        assert len(trace["z"]) == len(trace["y"]) == 4 and len(trace["z"][0]) == len(trace["x"])
        assert "font" not in figure["layout"]


# ---- the job


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home.at(own_home)
    for seed, name in enumerate(("base", "a", "b")):
        toy_model(home, name, seed=seed)
    return home


def test_the_job_writes_what_it_compared(home: Home) -> None:
    folder = home.jobs / "one"
    folder.mkdir()
    job = Likeness(models=["a", "b"], base="base")
    result = job.run(JobContext(home, folder))
    data = similarity.read_similarity(folder)
    assert data["models"] == ["a", "b"] and data["layers"] == ["outside the layers", "layer 0", "layer 1"]
    assert result["says"] == similarity.sentences(data) and data["left_out"] == []
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    told = [event["text"] for event in events if event.get("done")]
    assert len(told) == 3 and "Compared layer 0, cosine" in told[1]


def test_the_job_stops_between_layers(home: Home) -> None:
    folder = home.jobs / "one"
    folder.mkdir()
    (folder / "stop").write_text("discard")
    with pytest.raises(JobStopped):
        Likeness(models=["a", "b"]).run(JobContext(home, folder))
    with pytest.raises(UserError, match="not compared yet"):
        similarity.read_similarity(folder)
    (folder / similarity.FILE).write_text("{")
    with pytest.raises(UserError, match="damaged"):
        similarity.read_similarity(folder)


def test_the_job_finds_everything_wrong_beforehand(home: Home) -> None:
    toy_model(home, "wide", hidden=128)
    toy_model(home, "deep", layers=3)
    with pytest.raises(SpecError) as caught:
        Queue(home).submit(Likeness(models=["a", "a", "wide", "deep", "gone"], base="a"))
    said = str(caught.value)
    for part in ("chosen twice", "is among the models", "hidden_size 128", "'deep' has 3 layers", "no model 'gone'"):
        assert part in said
    with pytest.raises(SpecError, match="nothing to compare"):
        Queue(home).submit(Likeness(models=["a"]))
