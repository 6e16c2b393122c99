"""Assembling a mixture of experts: it loads, and computes what its parts did."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from tests.running import context, run, wrong_with
from tests.toys import EXACT, toy_model, toy_tokenizer
from workbench.core.errors import SpecError
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, parent_of, read_manifest, write_manifest
from workbench.jobs.job import STOP_FILE, JobStopped
from workbench.merging.jobs.assemble_moe import AssembleMoe
from workbench.merging.moe import published
from workbench.models.loading import load_base, load_tokenizer

IDS = torch.arange(3, 40)[None]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Iterator[Home]:
    """Llamas toy, b and c, wide; Qwens of both kinds, each with a brother; and an adapter of the toy. No network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        made = Home.at(tmp_path_factory.mktemp("moe"))
        for seed, name in enumerate(("toy", "b", "c")):
            toy_model(made, name, seed=seed)
        toy_model(made, "toy-again", seed=0)
        toy_model(made, "wide", hidden=32)
        for seed in (0, 1):
            qwen(made, f"qwen2-{seed}", Qwen2Config, Qwen2ForCausalLM, seed)
            qwen(made, f"qwen3-{seed}", Qwen3Config, Qwen3ForCausalLM, seed)
        with atomic_dir(made.models / "adapter") as folder:
            (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
            parents = [parent_of(made.models / "toy", "base")]
            write_manifest(folder, Manifest(kind="adapter", name="adapter", parents=parents))
        yield made


def refuse(*_: Any) -> None:
    raise AssertionError("it asked the network")


def qwen(home: Home, name: str, config: Any, model: Any, seed: int) -> None:
    torch.manual_seed(seed)
    sizes = {"vocab_size": 400, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    with atomic_dir(home.models / name) as folder:
        model(config(**sizes, **heads, **tokens)).save_pretrained(folder)
        toy_tokenizer(folder)
        write_manifest(folder, Manifest(kind="model", name=name))


def recipe(base: str, *experts: str, **settings: Any) -> dict[str, Any]:
    told = [{"source_model": name, "positive_prompts": [f"Expert {n}", name]} for n, name in enumerate(experts)]
    return {"base_model": base, "experts": told, **settings}


def assemble(home: Home, output: str, given: Any, **settings: Any) -> Path:
    job = AssembleMoe.parse({"recipe": given, "output": output, **settings})
    assert run(home, job, output)["model"] == output
    return home.models / output


def found_wrong(home: Home, given: Any, output: str = "new") -> str:
    try:
        return wrong_with(home, AssembleMoe.parse({"recipe": given, "output": output}))
    except SpecError as error:
        return str(error)


@torch.no_grad()
def logits(folder: Path) -> torch.Tensor:
    return load_base(folder, EXACT).eval()(input_ids=IDS).logits


def loads_whole(folder: Path) -> Any:
    """The model, loaded without a tensor missing, unknown or of another shape, after a few tokens of its own."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    model, told = loaded
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"))
    tokenizer = load_tokenizer(folder)
    made = model.generate(**tokenizer("Tell me", return_tensors="pt"), max_new_tokens=4, do_sample=False)
    assert made.shape[1] > 4
    return model


@pytest.mark.parametrize("mode", ["hidden", "hidden_avg", "cheap_embed", "random", "uniform_random"])
def test_every_way_of_making_the_router_gives_a_model_that_speaks(mode: str, home: Home) -> None:
    folder = assemble(home, f"mode-{mode}", recipe("toy", "b", "c", gate_mode=mode))
    model = loads_whole(folder)
    assert model.config.model_type == "mixtral" and model.config.num_local_experts == 2
    assert logits(folder).isfinite().all()


def test_experts_that_are_all_the_base_compute_what_the_base_does(home: Home) -> None:
    folder = assemble(home, "alike", recipe("toy", "toy", "toy-again", experts_per_token=2))
    assert torch.allclose(logits(folder), logits(home.models / "toy"), atol=1e-4)
    other = assemble(home, "different", recipe("toy", "b", "c"))
    assert not torch.allclose(logits(other), logits(home.models / "toy"), atol=1e-2)


def test_a_single_expert_gives_its_mlps_to_the_base(home: Home) -> None:
    folder = assemble(home, "single", recipe("toy", "b", experts_per_token=1, gate_mode="random"))
    base, expert = (load_base(home.models / name, EXACT) for name in ("toy", "b"))
    for own, other in zip(base.model.layers, expert.model.layers, strict=True):
        own.mlp = other.mlp
    with torch.no_grad():
        assert torch.allclose(logits(folder), base.eval()(input_ids=IDS).logits, atol=1e-4)


def test_qwen3_becomes_a_qwen3_mixture(home: Home) -> None:
    folder = assemble(home, "qwen3", recipe("qwen3-0", "qwen3-0", "qwen3-1", gate_mode="random"))
    assert loads_whole(folder).config.model_type == "qwen3_moe"
    alone = assemble(home, "qwen3-one", recipe("qwen3-0", "qwen3-0", experts_per_token=1, gate_mode="random"))
    assert torch.allclose(logits(alone), logits(home.models / "qwen3-0"), atol=1e-4)


def test_qwen2_becomes_a_mixture_with_a_shared_expert(home: Home) -> None:
    shared = {"shared_experts": [{"source_model": "qwen2-0", "positive_prompts": ["all"]}]}
    folder = assemble(home, "qwen2", recipe("qwen2-0", "qwen2-0", "qwen2-1", **shared))
    assert loads_whole(folder).config.model_type == "qwen2_moe"


def test_the_file_has_the_names_that_transformers_itself_writes(home: Home, tmp_path: Path) -> None:
    for name, given in (
        ("named-mixtral", recipe("toy", "b", "c")),
        ("named-qwen3", recipe("qwen3-0", "qwen3-0", "qwen3-1", gate_mode="random")),
    ):
        folder = assemble(home, name, given)
        AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path / name)
        ours, theirs = (load_file(each / "model.safetensors") for each in (folder, tmp_path / name))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_fused_experts_are_split_in_the_order_gate_up() -> None:
    fused = torch.arange(2 * 4 * 3).reshape(2, 4, 3)
    found = dict(published("mixtral", "model.layers.5.mlp.experts.gate_up_proj", fused))
    assert list(found) == [
        f"model.layers.5.block_sparse_moe.experts.{e}.{w}.weight" for e in (0, 1) for w in ("w1", "w3")
    ]
    assert torch.equal(found["model.layers.5.block_sparse_moe.experts.1.w3.weight"], fused[1, 2:])
    assert list(dict(published("mixtral", "model.norm.weight", fused[0]))) == ["model.norm.weight"]


def test_dtype_seed_and_text_are_heeded(home: Home) -> None:
    text = "base_model: toy\ngate_mode: random\ndtype: bfloat16\nexperts:\n- source_model: b\n- source_model: c\n"
    first, again, other = (
        load_file(assemble(home, f"seed-{n}", text, seed=seed) / "model.safetensors")
        for n, seed in enumerate((1, 1, 2))
    )
    gate = "model.layers.0.block_sparse_moe.gate.weight"
    assert {weight.dtype for weight in first.values()} == {torch.bfloat16}
    assert all(torch.equal(first[key], again[key]) for key in first) and not torch.equal(first[gate], other[gate])


def test_its_lineage_and_its_template(home: Home) -> None:
    folder = assemble(home, "traced", recipe("toy", "b", "toy"))
    manifest = read_manifest(folder)
    assert manifest.kind == "model" and manifest.info["experts"] == 2
    assert [(parent.role, parent.name) for parent in manifest.parents] == [("merge-base", "toy"), ("merged", "b")]
    assert (folder / "chat_template.jinja").read_text() == (home.models / "toy" / "chat_template.jinja").read_text()
    assert not list(home.models.glob(".partial-*"))


def test_what_is_wrong_is_said_before_it_starts(home: Home) -> None:
    assert "'adapter' is an adapter. Choose a whole model." in found_wrong(home, recipe("toy", "b", "adapter"))
    assert "'toy+adapter' is an adapter" in found_wrong(home, recipe("toy+adapter", "b", "c"))
    assert "'wide' has hidden_size 32, the base 64" in found_wrong(home, recipe("toy", "b", "wide"))
    assert "no model 'nothing'" in found_wrong(home, recipe("toy", "b", "nothing"))
    assert "experts_per_token is more" in found_wrong(home, recipe("toy", "b"))
    assert "same model" in found_wrong(home, recipe("toy", "b", "b"))
    assert "a qwen mixture has one shared expert" in found_wrong(home, recipe("qwen2-0", "qwen2-0", "qwen2-1"))
    assert "cannot be made of llama" in found_wrong(home, recipe("toy", "b", "c", architecture="qwen3"))
    assert "recipe.gate_mod: there is no such setting. Did you mean gate_mode" in found_wrong(
        home, recipe("toy", "b", "c", gate_mod="hidden")
    )
    assert "'b' is on the shelf already" in found_wrong(home, recipe("toy", "b", "c"), output="b")
    silent = {"base_model": "toy", "experts": [{"source_model": name} for name in ("b", "c")]}
    assert "needs positive_prompts" in found_wrong(home, silent)
    same = {"base_model": "toy", "experts": [{"source_model": name, "positive_prompts": ["x"]} for name in ("b", "c")]}
    assert "same prompts" in found_wrong(home, same)
    with pytest.raises(SpecError, match="not valid YAML"):
        AssembleMoe.parse({"recipe": "experts: [", "output": "new"})


def test_a_stop_leaves_nothing_on_the_shelf(home: Home) -> None:
    ctx = context(home, "stopped")
    (ctx.folder / STOP_FILE).write_text("keep")
    with pytest.raises(JobStopped):
        AssembleMoe(recipe=recipe("toy", "b", "c"), output="stopped").run(ctx)
    assert not [path for path in home.models.iterdir() if "stopped" in path.name]
