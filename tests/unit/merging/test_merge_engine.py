"""The engine gives what mergekit gives, in little memory, resumable, the same bits for a seed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.toys import toy_model
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.merging.engine import MergePlan, merge_to
from workbench.merging.recipe import MergeRecipe, for_mergekit
from workbench.models.model_references import resolve

MODELS = ("toy", "one", "two")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A base and two models near it."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    for seed, name in enumerate(MODELS):
        toy_model(home, name, seed=seed)
    return home


def recipe(method: str, **parameters: Any) -> dict[str, Any]:
    own = {"weight": 0.5, "density": 0.6} if method != "slerp" else {}
    return {
        "merge_method": method,
        **({} if method == "linear" else {"base_model": "toy"}),
        "models": [
            {"model": name, "parameters": own} for name in (MODELS[1:] if method != "slerp" else ("toy", "one"))
        ],
        "parameters": parameters,
        "dtype": "float32",
    }


def merged(home: Home, given: dict[str, Any], folder: Path, **options: Any) -> dict[str, torch.Tensor]:
    plan = MergePlan(home, MergeRecipe.parse(given), **options)
    merge_to(plan, folder).finish()
    plan.save_rest(folder)
    return load_file(folder / "model.safetensors")


SLICES = [
    {"sources": [{"model": "one", "layer_range": [0, 2]}]},
    {"sources": [{"model": "two", "layer_range": [1, 2]}]},
]
RECIPES = {
    "linear": recipe("linear"),
    "slerp with gradient and filters": recipe("slerp", t=[{"filter": "self_attn", "value": [0, 1]}, {"value": 0.3}]),
    "task_arithmetic": recipe("task_arithmetic", **{"lambda": 0.7}),
    "sce": {**recipe("sce"), "models": [{"model": "one"}, {"model": "two"}], "parameters": {"select_topk": 0.5}},
    "frankenmerge": {"merge_method": "passthrough", "slices": SLICES, "dtype": "float32"},
    "out_dtype": {**recipe("linear"), "out_dtype": "bfloat16"},
}


@pytest.mark.parametrize("given", list(RECIPES.values()), ids=list(RECIPES))
def test_it_gives_what_mergekit_gives(home: Home, tmp_path: Path, given: dict[str, Any]) -> None:
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    from workbench.core.spec import load_yaml

    ours = merged(home, given, tmp_path / "ours", kernels="stock")
    theirs = MergeConfiguration.model_validate(load_yaml(for_mergekit(home, MergeRecipe.parse(given))))
    run_merge(theirs, str(tmp_path / "theirs"), MergeOptions(quiet=True))
    expected = load_file(tmp_path / "theirs" / "model.safetensors")
    assert set(ours) == set(expected)
    assert all(torch.equal(ours[name], expected[name]) for name in expected)


@pytest.mark.parametrize("method", ["linear", "task_arithmetic"])
def test_large_tensors_go_block_by_block_to_the_same_values(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    whole = merged(home, recipe(method), tmp_path / "whole")
    monkeypatch.setattr("workbench.merging.engine.BLOCK_ELEMENTS", 1000)
    blocks = merged(home, recipe(method), tmp_path / "blocks")
    assert all(torch.equal(whole[name], blocks[name]) for name in whole)


def test_the_result_loads_and_speaks(home: Home, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged(home, RECIPES["frankenmerge"], tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, use_safetensors=True)
    assert model.config.num_hidden_layers == 3
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}], return_tensors="pt", return_dict=True)
    assert torch.isfinite(model(**ids).logits).all()


@pytest.mark.parametrize("method", ["dare_ties", "della"])
@pytest.mark.parametrize("kernels", ["fast", "stock"])
def test_the_same_seed_gives_the_same_bits_even_after_a_stop(
    home: Home, tmp_path: Path, method: str, kernels: Any
) -> None:
    given = MergeRecipe.parse(recipe(method))
    whole = merged(home, recipe(method), tmp_path / "whole", seed=3, kernels=kernels)
    other = merged(home, recipe(method), tmp_path / "other", seed=4, kernels=kernels)
    assert any(not torch.equal(whole[name], other[name]) for name in whole)

    class Stop(Exception):
        pass

    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise Stop

    with pytest.raises(Stop):
        merge_to(MergePlan(home, given, 3, kernels), tmp_path / "parts", 20_000, Task(check_stop=stop))
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.safetensors")}
    assert kept
    said: list[int] = []
    plan = MergePlan(home, given, 3, kernels)
    writer = merge_to(plan, tmp_path / "parts", 20_000, Task(lambda done, total, name: said.append(done)))
    assert said[0] > 1  # it went on, not again
    assert all((tmp_path / "parts" / name).stat().st_mtime_ns == mtime for name, mtime in kept.items())
    writer.finish()
    parts = {name: one for path in (tmp_path / "parts").glob("*.safetensors") for name, one in load_file(path).items()}
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_nan_is_found_and_blamed_on_the_model_that_has_it(home: Home, tmp_path: Path) -> None:
    toy_model(home, "sick", seed=9)
    path = home.models / "sick" / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.1.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(tensors, path, metadata={"format": "pt"})
    given = {**recipe("linear"), "models": [{"model": name, "parameters": {"weight": 1}} for name in ("one", "sick")]}
    with pytest.raises(UserError, match=r"layers\.1\.mlp\.up_proj\.weight of 'sick' holds NaN"):
        merged(home, given, tmp_path)


def test_an_overflow_is_not_blamed_on_a_model(home: Home, tmp_path: Path) -> None:
    given = {**recipe("linear"), "dtype": "float16", "parameters": {"normalize": False}}
    given["models"] = [{"model": "one", "parameters": {"weight": 1e30}}]
    with pytest.raises(UserError, match="set dtype: float32"):
        merged(home, given, tmp_path)


def test_values_beyond_the_type_of_the_file_are_refused_with_tensor_and_remedy(home: Home, tmp_path: Path) -> None:
    toy_model(home, "large", seed=9)
    path = home.models / "large" / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.1.mlp.up_proj.weight"][0, 0] = -70_000.0
    save_file(tensors, path, metadata={"format": "pt"})
    models = [{"model": "large", "parameters": {"weight": 1}}]
    given = {**recipe("linear"), "models": models, "out_dtype": "float16"}
    with pytest.raises(
        UserError, match=r"layers\.1\.mlp\.up_proj\.weight reaches 70000; float16 ends at 65504"
    ) as told:
        merged(home, given, tmp_path / "half")
    assert "Set out_dtype: bfloat16" in told.value.remedy and told.value.field == "out_dtype"
    made = merged(home, {**given, "out_dtype": "bfloat16"}, tmp_path / "brain")
    assert all(tensor.isfinite().all() for tensor in made.values())


def test_union_of_tokenizers_is_the_same_every_time(home: Home, tmp_path: Path) -> None:
    import json

    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    toy_model(home, "more", seed=5)
    path = home.models / "more" / "tokenizer.json"
    data = json.loads(path.read_text())
    data["added_tokens"].append({**data["added_tokens"][0], "id": 400, "content": "<|extra|>"})
    path.write_text(json.dumps(data))
    own_id = Tokenizer.from_file(str(path)).token_to_id("<|extra|>")
    weights = load_file(home.models / "more" / "model.safetensors")
    weights["model.embed_tokens.weight"][own_id] = 0.25
    save_file(weights, home.models / "more" / "model.safetensors", metadata={"format": "pt"})
    given = {
        "merge_method": "linear",
        "models": [{"model": name, "parameters": {"weight": 0.5}} for name in ("one", "more")],
        "dtype": "float32",
        "tokenizer": {"source": "union", "pad_to_multiple_of": 16},
    }
    first = merged(home, given, tmp_path / "first")
    second = merged(home, given, tmp_path / "second")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "first")
    extra = tokenizer.convert_tokens_to_ids("<|extra|>")
    rows = first["model.embed_tokens.weight"]
    assert tokenizer.decode([extra]) == "<|extra|>" and torch.allclose(rows[extra], torch.full((64,), 0.25))
    assert rows.shape[0] == json.loads((tmp_path / "first" / "config.json").read_text())["vocab_size"]
    assert rows.shape[0] % 16 == 0 and rows.shape[0] >= len(tokenizer)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("merge_method: linear\nmodels: []\n", "exactly one of models"),
        ("merge_method: linear\nmodel: [{model: one}]\n", "Did you mean model"),
        ("merge_method: linear\nmodels:\n- model: one\n  parameters: {weight: {a: 1}}\n", "parameters"),
        ("merge_method: passthrough\nslices:\n- sources: [{model: one, layer_range: [2, 1]}]\n", "must rise"),
        ("[1, 2]", "holds no settings"),
        ("merge_method: linear\nmodels: [{model: 'a+b+c'}]\n", "BASE[+]ADAPTER"),
    ],
)
def test_a_wrong_recipe_is_refused_by_field(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        MergeRecipe.parse(text)


def test_aliases_are_read_but_not_bombs() -> None:
    plain = "merge_method: slerp\nbase_model: &a one\nmodels: [{model: *a}, {model: two}]\nparameters: {t: 0.5}\n"
    assert MergeRecipe.parse(plain).references() == ["one", "two"]
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    with pytest.raises(SpecError, match="unfold"):
        MergeRecipe.parse(bomb)


def test_names_are_found_by_shelf_hub_id_and_folder(home: Home) -> None:
    from workbench.core.lineage import read_manifest, write_manifest

    folder = toy_model(home, "hubbed", seed=7)
    made_by = {"method": "hub-model", "repo": "owner/name", "revision": "main", "commit": "abc"}
    write_manifest(folder, read_manifest(folder).model_copy(update={"made_by": made_by}))
    for written in ("hubbed", "owner/name", "owner/name@main", "owner/name@abc", str(folder)):
        assert resolve(home, written).base == folder
    for written in ("owner/other", "owner/name@def", "/etc", "../hubbed", "nothing"):
        with pytest.raises(UserError):
            resolve(home, written)
    given = MergeRecipe.parse({"merge_method": "linear", "models": [{"model": "hubbed"}, {"model": "one"}]})
    assert "owner/name@abc" in for_mergekit(home, given) and str(home.models / "one") in for_mergekit(home, given)
