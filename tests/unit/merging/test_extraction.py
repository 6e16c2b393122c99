"""Extracting an adapter: what was put in comes out, and what is left out is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.running import context, run, wrong_with
from tests.toys import EXACT, toy_model, toy_tokenizer
from workbench.core.errors import UserError
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, read_manifest, write_manifest
from workbench.jobs.job import STOP_FILE, JobStopped
from workbench.merging import extraction
from workbench.merging.extraction import low_rank
from workbench.merging.jobs.extract_lora import ExtractLora
from workbench.models.loading import load_base

IDS = torch.arange(3, 40)[None]
LINEAR = 14


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """'toy'; 'folded', which has a LoRA of rank 4 folded in; 'moved', whose every tensor was changed a little."""
    made = Home.at(tmp_path_factory.mktemp("extraction"))
    toy_model(made, "toy")
    changed(made, "folded", with_lora)
    changed(made, "moved", everywhere)
    return made


def changed(home: Home, name: str, change: Callable[[Any], Any], base: str = "toy") -> Path:
    """A model on the shelf: the base after `change`."""
    torch.manual_seed(7)
    with torch.no_grad():
        model = change(load_base(home.models / base, EXACT))
    with atomic_dir(home.models / name) as folder:
        model.save_pretrained(folder)
        toy_tokenizer(folder)
        write_manifest(folder, Manifest(kind="model", name=name))
    return home.models / name


def with_lora(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    return model.merge_and_unload()


def everywhere(model: Any) -> Any:
    for weight in model.parameters():
        weight.add_(torch.randn_like(weight), alpha=0.01)
    return model


def extract(home: Home, output: str, **settings: Any) -> dict[str, Any]:
    job = ExtractLora.parse({"base": "toy", "output": output, **settings})
    result = run(home, job, output)
    assert result["model"] == output and read_manifest(home.models / output).info == result
    return result


def found_wrong(home: Home, **settings: Any) -> str:
    return wrong_with(home, ExtractLora.parse({"base": "toy", "output": "new", **settings}))


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return model.eval()(input_ids=IDS).logits


def with_adapter(home: Home, name: str, base: str = "toy") -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(load_base(home.models / base, EXACT), str(home.models / name))


def adapter_deltas(home: Home, name: str) -> dict[str, torch.Tensor]:
    return {
        key.removeprefix("base_model.model.") + ".weight": module.get_delta_weight("default").detach()
        for key, module in with_adapter(home, name).named_modules()
        if "default" in getattr(module, "lora_A", {})
    }


def true_deltas(home: Home, name: str) -> dict[str, torch.Tensor]:
    base, tuned = (load_file(home.models / each / "model.safetensors") for each in ("toy", name))
    return {key: tuned[key] - base[key] for key in base}


def test_a_folded_adapter_comes_out_again(home: Home) -> None:
    result = extract(home, "found", model="folded", energy=1.0)
    made, true = adapter_deltas(home, "found"), true_deltas(home, "folded")
    assert len(made) == LINEAR and result["rank_highest"] == 4 and result["layers"] == LINEAR
    for key, delta in made.items():
        assert (delta - true[key]).abs().max() < 1e-4 * true[key].abs().max()
    assert result["held"] == 1.0 and result["held_of"]["attention"] == result["held_of"]["mlp"] == 1.0
    assert torch.allclose(
        logits(with_adapter(home, "found")), logits(load_base(home.models / "folded", EXACT)), atol=1e-4
    )
    assert not torch.allclose(
        logits(load_base(home.models / "toy", EXACT)), logits(with_adapter(home, "found")), atol=0.1
    )


@pytest.mark.parametrize("energy", [0.5, 0.9])
def test_each_layer_has_the_least_rank_that_keeps_the_energy(energy: float, home: Home) -> None:
    name = f"energy-{energy}"
    result = extract(home, name, model="moved", energy=energy)
    made, true = adapter_deltas(home, name), true_deltas(home, "moved")
    ranks = {key.split(".lora_A")[0]: len(weight) for key, weight in factors(home, name).items() if "lora_A" in key}
    assert len(set(ranks.values())) > 1  # so that rank_pattern is needed
    change = held = 0.0
    for key, delta in made.items():
        s = torch.linalg.svdvals(true[key]).square()
        rank = ranks["base_model.model." + key.removesuffix(".weight")]
        assert s[:rank].sum() >= energy * s.sum() > s[: rank - 1].sum()
        left = (true[key] - delta).square().sum()
        assert left.item() == pytest.approx(s[rank:].sum().item(), rel=1e-2)
        held += (s.sum() - left).item()
    change = sum(delta.square().sum().item() for delta in true.values())
    assert result["held"] == pytest.approx(held / change, abs=1e-4)
    assert result["held_of"]["embeddings"] == 0 and result["held_of"]["norms"] == 0
    assert result["change_in"]["embeddings"] == pytest.approx(
        true["model.embed_tokens.weight"].square().sum().item() / change, abs=1e-4
    )


def factors(home: Home, name: str) -> dict[str, torch.Tensor]:
    return load_file(home.models / name / "adapter_model.safetensors")


def test_max_rank_and_a_fixed_rank_are_kept(home: Home) -> None:
    assert extract(home, "capped", model="moved", energy=0.99, max_rank=3)["rank_highest"] == 3
    result = extract(home, "fixed", model="moved", rank=5)
    assert result["rank_lowest"] == result["rank_highest"] == 5
    assert {len(weight) for key, weight in factors(home, "fixed").items() if "lora_A" in key} == {5}


def test_with_embeddings_and_full_rank_the_adapter_is_the_model(home: Home) -> None:
    """The toy ties its head to its embedding: both must move, also when it is folded in."""
    extract(home, "whole", model="moved", energy=1.0, include_embeddings=True)
    assert torch.allclose(
        logits(with_adapter(home, "whole")), logits(load_base(home.models / "moved", EXACT)), atol=1e-4
    )
    folded = with_adapter(home, "whole").merge_and_unload()
    assert torch.allclose(logits(folded), logits(load_base(home.models / "moved", EXACT)), atol=1e-4)
    assert read_manifest(home.models / "whole").info["held"] == 1.0


def test_an_adapter_can_be_the_model_and_gets_another_rank(home: Home) -> None:
    extract(home, "first", model="folded", energy=1.0)
    result = extract(home, "second", model="first", rank=2)
    assert result["rank_highest"] == 2 and 0.3 < result["held"] < 1


def test_a_large_layers_energy_is_measured_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    delta = torch.randn(300, 40) @ torch.randn(40, 400) + 0.5 * torch.randn(300, 400)
    job = ExtractLora(model="m", base="b", rank=32)
    exact = low_rank(delta, job)
    monkeypatch.setattr(extraction, "EXACT_UP_TO_ROWS", 100)
    down, up, held = low_rank(delta, job)
    total = delta.square().sum().item()
    assert not torch.equal(down, exact[0])
    assert (total - (delta - up @ down).square().sum().item()) / total == pytest.approx(held / total, abs=1e-5)
    assert exact[2] * 0.999 < held <= exact[2] * (1 + 1e-6)


def test_its_lineage_and_its_template(home: Home) -> None:
    extract(home, "traced", model="folded", rank=1)
    manifest = read_manifest(home.models / "traced")
    assert manifest.kind == "adapter" and manifest.made_by["method"] == "extract-lora"
    assert [(parent.role, parent.name) for parent in manifest.parents] == [("base", "toy"), ("extracted", "folded")]
    assert (home.models / "traced" / "chat_template.jinja").read_text()


def test_what_is_wrong_is_said_before_it_starts(home: Home) -> None:
    toy_model(home, "wide", hidden=32)
    toy_model(home, "deep", layers=3)
    assert "is the base itself" in found_wrong(home, model="toy")
    assert "another architecture" in found_wrong(home, model="wide")
    assert "another architecture" in found_wrong(home, model="deep")
    extract(home, "as-base", model="folded", rank=1)
    assert "'as-base' is an adapter" in found_wrong(home, model="folded", base="as-base")
    assert "'folded' is on the shelf already" in found_wrong(home, model="folded", output="folded")
    assert "no model 'nothing'" in found_wrong(home, model="nothing")
    changed(home, "resized", lambda model: model.resize_token_embeddings(410) and model)
    assert "model.embed_tokens.weight is 410 × 64, in the base 400 × 64" in found_wrong(home, model="resized")
    changed(home, "same", lambda model: model)
    with pytest.raises(UserError, match="nothing to extract"):
        extract(home, "none", model="same")
    assert not (home.models / "none").exists()


def untie(model: Any) -> Any:
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight + 0.01)
    return everywhere(model)


def test_an_untied_head_over_a_tied_base_is_told_and_left_out(home: Home) -> None:
    changed(home, "untied", untie)
    assert "ties its output head" in found_wrong(home, model="untied", include_embeddings=True)
    result = extract(home, "from-untied", model="untied", energy=1.0)
    head = load_file(home.models / "untied" / "model.safetensors")
    base = load_file(home.models / "toy" / "model.safetensors")["model.embed_tokens.weight"]
    lost = sum((head[name] - base).square().sum().item() for name in ("lm_head.weight", "model.embed_tokens.weight"))
    total = sum(delta.square().sum().item() for delta in true_deltas(home, "untied").values())
    total += (head["lm_head.weight"] - base).square().sum().item()
    assert result["change_in"]["embeddings"] == pytest.approx(lost / total, abs=1e-4)


def test_a_stop_leaves_nothing_on_the_shelf(home: Home) -> None:
    ctx = context(home, "stopped")
    (ctx.folder / STOP_FILE).write_text("keep")
    with pytest.raises(JobStopped):
        ExtractLora(model="folded", base="toy", output="stopped").run(ctx)
    assert not [path for path in home.models.iterdir() if "stopped" in path.name]
