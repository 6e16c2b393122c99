"""Combining LoRA adapters: what comes out is what the paper's sums say, layer by layer."""

from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file

from tests.running import context, run, wrong_with
from tests.toys import EXACT, toy_adapter, toy_model
from workbench.core.errors import SpecError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.jobs.job import STOP_FILE, JobStopped
from workbench.merging.combining import cut
from workbench.merging.jobs.combine_adapters import ANY_RANK, SVD, Combination, CombineAdapters
from workbench.models.loading import load_base

ATTENTION = ["q_proj", "v_proj"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """'toy' and 'other' with adapters a and b (rank 4), wide (rank 8, rsLoRA), narrow (q_proj and v_proj) and far."""
    made = Home.at(tmp_path_factory.mktemp("combining"))
    toy_model(made, "toy")
    toy_model(made, "other", seed=1)
    toy_adapter(made, "a", seed=1, spread=0.1)
    toy_adapter(made, "b", seed=2, lora_alpha=4, spread=0.1)
    toy_adapter(made, "wide", seed=3, r=8, use_rslora=True, spread=0.1)
    toy_adapter(made, "narrow", seed=4, target_modules=ATTENTION, spread=0.1)
    toy_adapter(made, "far", seed=5, base="other", spread=0.1)
    return made


def combine(home: Home, output: str, adapters: list[str], weights: list[float], **settings: Any) -> CombineAdapters:
    job = CombineAdapters(adapters=adapters, weights=weights, output=output, **settings)
    assert run(home, job, output)["model"] == output
    return job


def found_wrong(home: Home, adapters: list[str], **settings: Any) -> str:
    return wrong_with(home, CombineAdapters.parse({"adapters": adapters, "output": "new", **settings}))


def loaded(home: Home, name: str) -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(load_base(home.models / "toy", EXACT), str(home.models / name))


def deltas(home: Home, name: str) -> dict[str, torch.Tensor]:
    """What an adapter adds to each layer's weight, as PEFT computes it."""
    return {
        key: module.get_delta_weight("default").detach()
        for key, module in loaded(home, name).named_modules()
        if "default" in getattr(module, "lora_A", {})
    }


def assert_sum(home: Home, name: str, terms: dict[str, float], tolerance: float = 1e-5) -> None:
    parts = {part: deltas(home, part) for part in terms}
    made = deltas(home, name)
    assert made and set(made) == {key for part in parts.values() for key in part}
    for key, delta in made.items():
        expected = torch.stack([share * parts[part][key] for part, share in terms.items() if key in parts[part]]).sum(0)
        assert torch.allclose(delta, expected, atol=tolerance), key


@pytest.mark.parametrize("combination", ["cat", "svd"])
def test_the_sum_of_two_adapters_is_the_weighted_sum_of_their_changes(home: Home, combination: str) -> None:
    name = f"sum-{combination}"
    combine(home, name, ["a", "b"], [0.7, -0.4], combination=combination, rank=8)
    assert_sum(home, name, {"a": 0.7, "b": -0.4})


def test_a_sum_of_adapters_with_other_ranks_scalings_and_layers(home: Home) -> None:
    combine(home, "mixed", ["wide", "narrow", "a"], [0.5, 1.0, 0.25])
    assert_sum(home, "mixed", {"wide": 0.5, "narrow": 1.0, "a": 0.25})
    assert read_manifest(home.models / "mixed").info["rank"] == 16


def test_linear_sums_the_factors(home: Home) -> None:
    combine(home, "linear", ["a", "b"], [0.5, 0.25], combination="linear")
    a, b, made = (load_file(home.models / name / "adapter_model.safetensors") for name in ("a", "b", "linear"))
    for key, weight in made.items():
        # √(weight · alpha / r) on either side
        assert torch.allclose(weight, (0.5 * 8 / 4) ** 0.5 * a[key] + (0.25 * 4 / 4) ** 0.5 * b[key], atol=1e-6)


@pytest.mark.parametrize("combination", ["cat", "svd", "linear"])
def test_weights_of_one_and_nothing_give_the_first_adapter(home: Home, combination: str) -> None:
    name = f"one-{combination}"
    combine(home, name, ["a", "b"], [1, 0], combination=combination)
    assert_sum(home, name, {"a": 1.0, "b": 0.0})


@pytest.mark.parametrize("combination", get_args(Combination))
def test_every_combination_makes_an_adapter_that_loads_and_changes_the_model(home: Home, combination: str) -> None:
    name = f"every-{combination}"
    adapters = ["a", "wide"] if combination in ANY_RANK else ["a", "b"]
    combine(home, name, adapters, [0.6, 0.4], combination=combination, density=0.6)
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        logits = loaded(home, name).eval()(input_ids=ids).logits
        base = load_base(home.models / "toy", EXACT).eval()(input_ids=ids).logits
    assert logits.isfinite().all() and (logits - base).abs().max() > 1e-3


@pytest.mark.parametrize("combination", SVD)
def test_a_rank_above_a_layers_own_size_still_loads(home: Home, combination: str) -> None:
    """k_proj of the toy has 32 rows, the rank asked for is 40: PEFT itself would write what it cannot read."""
    name = f"high-{combination}"
    combine(home, name, ["a", "b"], [1, 1], combination=combination, rank=40, density=1)
    if combination in ("svd", "dare_linear_svd", "magnitude_prune_svd"):  # with density 1 all three are the sum
        assert_sum(home, name, {"a": 1.0, "b": 1.0}, 1e-4)
    assert deltas(home, name)


def test_dare_drops_what_the_seed_says(home: Home) -> None:
    for name, seed in (("dare-0", 0), ("dare-0-again", 0), ("dare-1", 1)):
        combine(home, name, ["a", "b"], [1, 1], combination="dare_linear", seed=seed)
    first, again, other = (deltas(home, name) for name in ("dare-0", "dare-0-again", "dare-1"))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first)


def test_the_cut_is_the_best_of_its_rank() -> None:
    torch.manual_seed(0)
    down, up = torch.randn(6, 20), torch.randn(12, 6)
    u, s, v = torch.linalg.svd(up @ down)
    for rank in (1, 3, 6, 9):
        new_down, new_up = cut(down, up, rank)
        kept = min(rank, 6)
        assert new_down.shape == (rank, 20) and new_up.shape == (12, rank)
        assert torch.allclose(new_up @ new_down, u[:, :kept] * s[:kept] @ v[:kept], atol=1e-4)


def test_it_says_what_it_was_made_from_and_talks_as_the_first(home: Home) -> None:
    combine(home, "lineage", ["a", "b"], [])
    manifest = read_manifest(home.models / "lineage")
    parts = [read_manifest(home.models / name) for name in ("toy", "a", "b")]
    assert manifest.kind == "adapter" and manifest.made_by["method"] == "combine-adapters"
    assert [(p.role, p.name, p.digest) for p in manifest.parents] == [
        (role, part.name, part.digest) for role, part in zip(("base", "combined", "combined"), parts, strict=True)
    ]
    assert manifest.info["weights"] == [0.5, 0.5]
    for name in ("chat_template.jinja", "tokenizer.json", "tokenizer_config.json"):
        assert (home.models / "lineage" / name).read_bytes() == (home.models / "a" / name).read_bytes()
    assert_sum(home, "lineage", {"a": 0.5, "b": 0.5})


def test_what_is_wrong_is_said_before_it_starts(home: Home) -> None:
    toy_adapter(home, "dora", seed=6, use_dora=True, spread=0.1)
    assert "'toy' is a whole model" in found_wrong(home, ["toy", "a"])
    assert "uses DoRA" in found_wrong(home, ["a", "dora"])
    assert "different bases (a of toy, far of other)" in found_wrong(home, ["a", "far"])
    assert "1 weights for 2 adapters" in found_wrong(home, ["a", "b"], weights=[1])
    assert "chosen twice" in found_wrong(home, ["a", "a"])
    assert "'b' is on the shelf already" in found_wrong(home, ["a", "b"], output="b")
    ranks = found_wrong(home, ["a", "wide"], combination="ties")
    assert "a 4, wide 8" in ranks and all(name in ranks for name in ANY_RANK)
    assert found_wrong(home, ["a", "wide"], combination="ties_svd") == ""
    with pytest.raises(SpecError):
        CombineAdapters.parse({"adapters": ["a"], "output": "new"})


def test_a_stop_leaves_nothing_on_the_shelf(home: Home) -> None:
    ctx = context(home, "stopped")
    (ctx.folder / STOP_FILE).write_text("keep")
    with pytest.raises(JobStopped):
        CombineAdapters(adapters=["a", "b"], combination="ties", output="stopped").run(ctx)
    assert not [path for path in home.models.iterdir() if "stopped" in path.name]
