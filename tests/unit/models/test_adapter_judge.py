"""One judgement on an adapter, at import and at every use: it keeps its promise over its base, and does something."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.running import run, wrong_with
from tests.toy_adapters import ADAPTERS, save_adapter, toy_base
from tests.toy_training import job, train
from tests.toys import toy_dataset, toy_home, toy_tokenizer
from workbench.compression.jobs.prune import Prune
from workbench.compression.jobs.quantize import Quantize
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.inference.jobs.measure import Measure
from workbench.jobs.job import Job
from workbench.merging.checks import check_recipe
from workbench.merging.jobs.combine_adapters import CombineAdapters
from workbench.merging.recipe import MergeRecipe
from workbench.models import adapter_judge, inspection
from workbench.models.adapter_judge import judge_adapter
from workbench.models.jobs.fold_adapter import Fold
from workbench.models.model_import import import_folder
from workbench.models.model_references import ANSWERS
from workbench.preferences.jobs.generate import Generate

UNKNOWN = ("fast pissa", "adalora")
PROMPTED = ("prompt tuning", "prefix tuning", "p-tuning")
ALWAYS_ON = (
    *PROMPTED,
    "repeated layers",
    "two more tokens",
    "two more tokens, saved",
    "prompt tuning",
    "prefix tuning",
    "p-tuning",
)
IDLE = "does nothing: every weight of 'untied' stays as it is"


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    home = Home.at(tmp_path_factory.mktemp("bases"))
    for name in ("untied", "mixtral", "gpt2"):
        toy_base(home, name)
    toy_dataset(home)
    return home


@pytest.fixture
def home(bases: Home) -> Iterator[Home]:
    before = set(bases.models.iterdir())
    yield bases
    for path in set(bases.models.iterdir()) - before:
        path.rename(path.with_name(f".{path.name}-{path.stat().st_ino}"))


def untrained(base: Path, kind: str, folder: Path) -> Path:
    """An adapter as PEFT makes it, before its first step."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if kind.startswith("two more tokens"):
        model.resize_token_embeddings(402, mean_resizing=False)
    adapted: Any = get_peft_model(model, ADAPTERS[kind](base.name))
    adapted.save_pretrained(folder)
    toy_tokenizer(folder)
    return folder


@pytest.mark.parametrize("kind", [kind for kind in ADAPTERS if kind not in (*UNKNOWN, "experts")])
def test_an_adapter_that_does_nothing_is_told_from_one_that_does(home: Home, tmp_path: Path, kind: str) -> None:
    base = home.models / "untied"
    found = inspection.inspect_here(untrained(base, kind, tmp_path / "fresh"), base)
    assert [IDLE in one.message for one in found] == ([] if kind in ALWAYS_ON else [True])
    save_adapter(base, kind, tmp_path / "trained")
    assert inspection.inspect_here(tmp_path / "trained", base) == []


@pytest.mark.parametrize(("name", "kind"), [("mixtral", "experts"), ("gpt2", "lora"), ("gpt2", "lora bias")])
def test_experts_and_transposed_layers_are_looked_at_too(home: Home, tmp_path: Path, name: str, kind: str) -> None:
    base = home.models / name
    (idle,) = inspection.inspect_here(untrained(base, kind, tmp_path / "fresh"), base)
    assert "does nothing" in idle.message and "before it was trained" in idle.remedy
    save_adapter(base, kind, tmp_path / "trained")
    assert inspection.inspect_here(tmp_path / "trained", base) == []


def test_a_lora_bias_alone_is_something(home: Home, tmp_path: Path) -> None:
    base = home.models / "untied"
    folder = untrained(base, "lora bias", tmp_path / "bias")
    rewrite(folder, lambda name, one: one + 0.1 if name.endswith("lora_B.bias") else one)
    assert inspection.inspect_here(folder, base) == []


def test_an_adapter_that_does_nothing_is_not_imported(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=IDLE):
        import_folder(home, untrained(home.models / "untied", "lora", tmp_path / "fresh"), "fresh", "untied")
    assert not (home.models / "fresh").exists()


def rewrite(folder: Path, change: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    path = folder / "adapter_model.safetensors"
    tensors = {name: change(name, tensor.clone()) for name, tensor in load_file(path).items()}
    path.unlink()
    save_file(tensors, path, metadata={"format": "pt"})


def imported(home: Home, tmp_path: Path, name: str) -> Path:
    save_adapter(home.models / "untied", "lora", tmp_path / name)
    import_folder(home, tmp_path / name, name, "untied")
    return home.models / name


def uses(name: str) -> dict[str, Job]:
    gguf = [{"method": "gguf", "type": "F16"}]
    return {
        "fold": Fold(adapter=name),
        "quantize": Quantize.parse({"model": name, "quantizers": gguf}),
        "combine": CombineAdapters(adapters=[name, "other"], output="both"),
        "measure": Measure(models=[name], dataset="talks"),
        "generate": Generate(session="votes", models=[name], prompts="talks"),
        "prune": Prune.parse({"model": name}),
    }


def test_a_damaged_adapter_of_an_old_shelf_is_refused_wherever_it_is_used(home: Home, tmp_path: Path) -> None:
    imported(home, tmp_path, "other")
    old = imported(home, tmp_path, "old")
    path = old / "adapter_model.safetensors"
    tensors = {name: one.clone() for name, one in load_file(path).items()}
    path.unlink()
    save_file(dict(list(tensors.items())[1:]), path, metadata={"format": "pt"})
    says = "'old' lacks model.layers.0.mlp.down_proj.lora_A.weight, which its configuration promises"
    for use, one in uses("old").items():
        assert says in wrong_with(home, one), use
    assert says in wrong_with(home, job(model="old", output="on"))
    with pytest.raises(UserError, match="lacks"):
        ANSWERS.resolve(home, "old")
    for written in ("old", "untied+old"):
        recipe = {"merge_method": "linear", "models": [{"model": written, "parameters": {"weight": 1}}] * 2}
        assert any(says in one.message for one in check_recipe(home, MergeRecipe.parse(recipe)).problems), written


def test_what_does_nothing_is_never_on_but_may_be_trained(home: Home, tmp_path: Path) -> None:
    imported(home, tmp_path, "other")
    flat = train(home, "flat", model="untied", objective={"method": "sft", "learning_rate": 1e-30}).refresh()
    assert any("'flat' does nothing" in note for note in flat.state.notes)
    for use, one in uses("flat").items():
        assert "'flat' does nothing" in wrong_with(home, one), use
    with pytest.raises(UserError, match="does nothing"):
        ANSWERS.resolve(home, "flat")
    assert "does nothing" not in wrong_with(home, job(model="flat", output="on"))
    assert run(home, job(model="flat", output="on", max_steps=1))["steps"] == 1
    assert ANSWERS.resolve(home, "on").adapter


def test_it_is_judged_once_for_its_files(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []

    def counted(adapter: Path, base: Path) -> Any:
        looks.append(adapter)
        return inspection.inspect_here(adapter, base)

    monkeypatch.setattr(adapter_judge, "inspect", counted)
    folder = imported(home, tmp_path, "once")
    assert wrong_with(home, Fold(adapter="once")) == "" and looks == []  # it was looked at when it was imported
    (folder / "README.md").write_text("A card says nothing of weights.")
    ANSWERS.resolve(home, "once")
    assert looks == []
    rewrite(folder, lambda name, one: one * (0 if "lora_B" in name else 1))
    for _ in range(3):
        assert "does nothing" in wrong_with(home, Fold(adapter="once"))
    assert looks == [folder]
    (next(iter((home.cache / "adapters").glob("*.json")))).write_text("[")
    assert judge_adapter(home, folder, home.models / "untied").idle


def test_over_a_quantized_base_ones_stand_in(home: Home, tmp_path: Path) -> None:
    base = Path(shutil.copytree(home.models / "untied", tmp_path / "untied"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "bitsandbytes"}}))
    fresh = untrained(home.models / "untied", "lora", tmp_path / "fresh")
    assert [IDLE in str(one) for one in inspection.inspect_here(fresh, base)] == [True]
    save_adapter(home.models / "untied", "ia3", tmp_path / "trained")
    assert inspection.inspect_here(tmp_path / "trained", base) == []


def test_an_adapter_that_cannot_be_judged_for_want_of_memory_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = toy_home(tmp_path)
    raised: list[Exception] = [MemoryError(), RuntimeError("shapes do not match")]

    def inspect(*_: Any) -> None:
        raise raised.pop(0)

    monkeypatch.setattr(adapter_judge, "inspect", inspect)
    view = train(home, "made")
    assert view.status == "done" and adapter_judge.NOT_JUDGED in view.state.notes
    with pytest.raises(RuntimeError, match="shapes"):
        adapter_judge.judge_made(home, home.models / "made", home.models / "toy")
