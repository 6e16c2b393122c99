"""What is said of a merge before it runs: every problem with its remedy, notes, the estimate, the stack."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from tests.toys import toy_model
from workbench.errors import SpecError, UserError
from workbench.home import Home
from workbench.lineage import Manifest, parent_of, write_manifest
from workbench.merging import checks
from workbench.merging.checks import Findings, check, sizes
from workbench.merging.recipe import Recipe
from workbench.merging.stack import Layer, group_of, layer_of, picture, stack_of, value_at

Edit = Callable[[dict[str, Any]], Any]
HALF = {"weight": 0.5}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.at(tmp_path_factory.mktemp("made"))
    toy_model(home, "a")
    return home.root


@pytest.fixture
def home(made: Path, own_home: Path) -> Home:
    """A home with three models of one base: a, b and c."""
    for name in "abc":
        shutil.copytree(made / "models" / "a", own_home / "models" / name)
    return Home.at(own_home)


def edit(path: Path, change: Edit) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def config(home: Home, name: str, **values: Any) -> None:
    edit(home.models / name / "config.json", lambda data: data.update(values))


def weights(home: Home, name: str, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    path = home.models / name / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    path.unlink()
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, path)


def add_token(home: Home, name: str, text: str, place: int = 400) -> None:
    def change(data: dict[str, Any]) -> None:
        data["added_tokens"].append({**data["added_tokens"][0], "id": place, "content": text})

    edit(home.models / name / "tokenizer.json", change)


def rows(home: Home, name: str, count: int) -> None:
    """Gives a model's embedding another number of rows."""
    weights(home, name, lambda t: t.update({EMBED: np.resize(t[EMBED], (count, t[EMBED].shape[1]))}))
    config(home, name, vocab_size=count)


EMBED = "model.embed_tokens.weight"


def linear(*names: str, **more: Any) -> dict[str, Any]:
    models = [{"model": name, "parameters": dict(HALF)} for name in names or ("a", "b")]
    return {"merge_method": "linear", "models": models, **more}


def ties(**more: Any) -> dict[str, Any]:
    models = [{"model": name, "parameters": {"weight": 0.5, "density": 0.5}} for name in "bc"]
    return {"merge_method": "ties", "base_model": "a", "models": models, **more}


def sliced(*ranges: tuple[str, int, int], method: str = "passthrough", **more: Any) -> dict[str, Any]:
    sources = [{"sources": [{"model": name, "layer_range": [first, last]}]} for name, first, last in ranges]
    return {"merge_method": method, "slices": sources, **more}


def found(home: Home, recipe: dict[str, Any], output: str = "") -> Findings:
    return check(home, Recipe.read(recipe), output)


def stops(home: Home, recipe: dict[str, Any], message: str, remedy: str, field: str = "", output: str = "") -> None:
    """Exactly one problem, and it says this."""
    problems = found(home, recipe, output).problems
    assert [str(problem) for problem in problems if message not in problem.message] == []
    assert len(problems) == 1 and remedy in problems[0].remedy and problems[0].remedy.endswith((".", "?"))
    assert field in problems[0].field


def notes(home: Home, recipe: dict[str, Any], message: str, remedy: str = "") -> None:
    """No problem, and one note that says this."""
    findings = found(home, recipe)
    assert findings.problems == []
    mine = [note for note in findings.notes if message in note.message]
    assert len(mine) == 1, findings.notes
    assert remedy in mine[0].remedy


@pytest.mark.parametrize(
    "recipe",
    [
        linear(),
        linear("a", "b", "c"),
        ties(),
        sliced(("a", 0, 2)),
        ties(tokenizer={"source": "union", "pad_to_multiple_of": 16}),
    ],
    ids=["two", "three", "ties", "passthrough", "union"],
)
def test_a_good_recipe_has_no_problem_and_no_note(home: Home, recipe: dict[str, Any]) -> None:
    findings = found(home, recipe)
    assert (findings.problems, findings.notes) == ([], [])


def test_the_facts_say_what_comes_out(home: Home) -> None:
    facts = dict(found(home, ties(out_dtype="bfloat16", dtype="float32")).facts)
    assert facts["Method"] == "TIES" and facts["Models"] == "a, b, c" and facts["Layers"] == "2"
    assert facts["Precision"] == "bfloat16, maths in float32"
    assert facts["Tokenizer"] == "that of a, 379 tokens"
    stacked = dict(found(home, sliced(("a", 0, 2), ("b", 0, 2))).facts)
    assert stacked["Layers"] == "4 from 2 slices"


def test_the_size_is_the_file_s(home: Home) -> None:
    count = sum(value.size for value in load_file(home.models / "a" / "model.safetensors").values())
    assert sizes(home, Recipe.read(linear())).parameters == count
    assert sizes(home, Recipe.read(linear())).bytes == 4 * count
    assert sizes(home, Recipe.read(linear(out_dtype="bfloat16"))).bytes == 2 * count
    assert sizes(home, Recipe.read(linear())).memory == 600_000_000 + 4 * 400 * 64 * 4
    layer = 64 * (64 + 32 + 32 + 64) + 3 * 64 * 128 + 2 * 64
    assert sizes(home, Recipe.read(sliced(("a", 0, 2), ("b", 1, 2)))).parameters == count + layer


def test_several_problems_come_at_once(home: Home) -> None:
    recipe = {
        "merge_method": "slerp",
        "models": [{"model": "a", "parameters": {"tt": 1}}, {"model": "gone"}, {"model": "b"}],
        "parameters": {"t": "half"},
    }
    findings = found(home, recipe, output="a")
    said = " ".join(map(str, findings.problems))
    for part in (
        "no model 'gone'",
        "needs a base",
        "exactly 2 models",
        "'half' is not a finite number",
        "on the shelf",
    ):
        assert part in said
    assert any("slerp ignores it" in note.message for note in findings.notes)


def test_models_may_be_unknown_and_all_wrong(home: Home) -> None:
    findings = found(home, linear("gone", "lost"))
    assert len(findings.problems) == 2 and dict(findings.facts)["Parameters"] == "0"


# ---- method and models


def test_an_unknown_method_is_named(home: Home) -> None:
    stops(
        home, {**linear(), "merge_method": "linera"}, "no merge method 'linera'", "Did you mean linear", "merge_method"
    )


def test_too_few_and_too_many_models(home: Home) -> None:
    stock = {"merge_method": "model_stock", "base_model": "a", "models": [{"model": "b"}]}
    stops(home, stock, "at least 3 models, the base counted; here are 2", "Add a model")
    three = {
        "merge_method": "slerp",
        "base_model": "a",
        "models": [{"model": "b"}, {"model": "c"}],
        "parameters": {"t": 0.5},
    }
    stops(home, three, "exactly 2 models, the base counted; here are 3", "Take models out")
    stops(home, {**linear("a"), "merge_method": "nuslerp"}, "2 models besides the base; here are 1", "Add a model")


def test_a_base_that_is_missing_or_not_among_the_slices(home: Home) -> None:
    stops(home, {**ties(), "base_model": None}, "ties needs a base", "Set base_model", "base_model")
    slices = sliced(("b", 0, 2), method="ties", base_model="a", parameters={"weight": 1, "density": 0.5})
    stops(home, slices, "base 'a' is not among the sources", "Add the base", "slices[0]")


def test_the_base_is_known_by_its_folder_not_its_spelling(home: Home) -> None:
    recipe = ties()
    recipe["models"].append({"model": str(home.models / "a")})
    assert found(home, recipe).problems == []


def test_a_model_twice(home: Home) -> None:
    stops(home, linear("a", "b", "b"), "'b' goes in 2 times", "Name each model once")
    stops(home, linear("a", "b", str(home.models / "b")), "goes in 2 times", "Name each model once")


def test_a_base_where_the_method_knows_none(home: Home) -> None:
    findings = found(home, linear("b", "c", base_model="a"))
    assert [str(p) for p in findings.problems] == [
        "parameters.weight: linear needs it for 'a'. Give it under that model's parameters as weight: 0.5 or so, "
        "or one for all under the recipe's parameters."
    ]
    assert any("'a' is merged in as one more model" in note.message for note in findings.notes)


# ---- parameters


def test_a_missing_parameter(home: Home) -> None:
    recipe = linear()
    recipe["models"][1]["parameters"] = {}
    stops(home, recipe, "linear needs it for 'b'", "under that model's parameters", "parameters.weight")
    assert found(home, {**recipe, "parameters": {"weight": 1.0}}).problems == []


def test_filters_that_leave_tensors_without_a_value(home: Home) -> None:
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = [{"filter": "mlp", "value": 1}]
    stops(home, recipe, "leave 14 of 20 tensors for 'a' without a value", "entry without a filter")
    assert found(home, {**recipe, "parameters": {"weight": 1.0}}).problems == []


def test_a_filter_that_fits_no_tensor(home: Home) -> None:
    weight = [{"filter": "self_atn", "value": 0.1}, {"value": 0.5}]
    notes(home, ties(parameters={"weight": weight}), "no tensor has 'self_atn'", "Did you mean self_attn")


@pytest.mark.parametrize("value", ["much", float("nan"), float("inf"), [0.1, "x"]])
def test_a_value_that_is_no_number(home: Home, value: Any) -> None:
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = value
    stops(home, recipe, "is not a finite number", "Give a finite number", "parameters.weight")


def test_numbers_as_text_are_read_as_mergekit_reads_them(home: Home) -> None:
    assert (
        found(
            home,
            {"merge_method": "nearswap", "base_model": "a", "models": [{"model": "b"}], "parameters": {"t": "1e-4"}},
        ).problems
        == []
    )


def test_a_density_beyond_one_and_a_value_that_is_only_unusual(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = ties()
    recipe["models"][0]["parameters"]["density"] = -0.5
    stops(home, recipe, "-0.5 is no share", "Choose 0 to 1", "parameters.density")
    recipe["models"][0]["parameters"]["density"] = 1.5
    notes(home, recipe, "1.5 is taken for 1", "Choose 0 to 1")
    known = checks.catalogue.method("linear")
    bounded = [checks.Parameter("weight", "float", "input", required=True, low=0, high=2)]
    narrow = type(known)(**{**vars(known), "parameters": tuple(bounded)})
    monkeypatch.setattr(checks.catalogue, "methods", lambda: {"linear": narrow})
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = -1
    notes(home, recipe, "-1 is unusual", "Most use 0 to 2")


def test_an_unknown_or_misplaced_parameter_is_ignored_and_said(home: Home) -> None:
    notes(home, linear(parameters={"densty": 1}), "linear ignores it", "Leave it out")
    recipe = {
        "merge_method": "slerp", "base_model": "a", "parameters": {"t": 0.5},
        "models": [{"model": "a"}, {"model": "b", "parameters": {"t": 0.3}}],
    }  # fmt: skip
    notes(home, recipe, "one value for all models: the one under 'b' is not read", "Put it under the recipe's")
    based = ties()
    based["models"].insert(0, {"model": "a", "parameters": {"weight": 1}})
    notes(home, based, "ties reads none for the base", "Leave it out there")


def test_della_s_density_and_epsilon(home: Home) -> None:
    recipe = ties(merge_method="della")
    recipe["models"][1]["parameters"] |= {"density": 0.9, "epsilon": 0.2}
    stops(home, recipe, "0.9 ± 0.2 for 'c'", "epsilon must be below 0.1", "parameters.epsilon")
    recipe["models"][1]["parameters"]["epsilon"] = 0.05
    assert found(home, recipe).problems == []


def test_weights_that_add_up_to_nothing(home: Home) -> None:
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = -0.5
    stops(home, recipe, "add up to 0", "normalize: false", "parameters.weight")
    assert found(home, {**recipe, "parameters": {"normalize": False}}).problems == []


def test_a_density_of_one_does_nothing(home: Home) -> None:
    recipe = ties(merge_method="dare_ties")
    for model in recipe["models"]:
        del model["parameters"]["density"]
    notes(home, recipe, "nothing is dropped", "0.1 to 0.5 (DARE)")


# ---- models that do not fit


def test_another_architecture(home: Home) -> None:
    config(home, "b", architectures=["MistralForCausalLM"])
    stops(home, linear(), "'b' is a MistralForCausalLM, 'a' a LlamaForCausalLM", "fine-tunes of one base")
    config(home, "b", architectures=None)
    stops(home, linear(), "names no one architecture", "Write its class")


def test_another_size(home: Home) -> None:
    toy_model(home, "wide", hidden=128)
    stops(home, linear("a", "wide"), "hidden_size 128 against 64", "one size")


def test_another_number_of_layers(home: Home) -> None:
    toy_model(home, "deep", layers=3)
    stops(home, linear("a", "deep"), "the sources differ in layers (a 2, deep 3)", "Choose layers with slices")
    part = [{"model": "a", "layer_range": [0, 2]}, {"model": "deep", "layer_range": [1, 3]}]
    assert found(home, {"merge_method": "linear", "slices": [{"sources": part}], "parameters": HALF}).problems == []


def test_tensors_of_other_shapes_missing_and_additional(home: Home) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    weights(home, "b", lambda t: t.update({name: t[name][:, :32]}))
    stops(
        home,
        linear(),
        f"1 tensors of 'b' have other shapes than in 'a': {name} (128, 32) against (128, 64)",
        "one size",
    )
    weights(home, "b", lambda t: t.pop(name))
    stops(home, linear(), f"'b' lacks 1 tensors that 'a' has: {name}", "Get that model again")
    weights(home, "c", lambda t: t.update({"model.extra.weight": np.zeros(2, np.float32)}))
    notes(home, linear("a", "c"), "'c' has 1 tensors that 'a' has not: model.extra.weight")
    assert any("no model.extra.weight: 1 kinds" in note.message for note in found(home, linear("c", "c")).notes)


def test_heads_that_are_tied_in_one_model_only(home: Home) -> None:
    def untie(tensors: dict[str, np.ndarray]) -> None:
        tensors["lm_head.weight"] = tensors[EMBED].copy()

    config(home, "b", tie_word_embeddings=False)
    stops(home, linear(), "'b' has no output head", "Get that model again")
    weights(home, "b", untie)
    notes(home, linear(), "'a' ties its head to the embedding, so the heads of b are lost", "the base")
    notes(home, linear("b", "a"), "only b have a head of their own")


def test_settings_that_change_what_weights_mean(home: Home) -> None:
    config(home, "b", rope_theta=5e5, rope_parameters={"rope_theta": 5e5, "rope_type": "default"})
    assert any("rope_parameters is" in note.message for note in found(home, linear()).notes)


def test_missing_damaged_and_pickled_weights(home: Home) -> None:
    index = {"weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}
    path = home.models / "b" / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    stops(home, linear(), "2 of 2 weight files are missing", "Copy the missing files")
    path.unlink()
    (home.models / "b" / "model.safetensors").write_bytes(b"\xff" * 100)
    stops(home, linear(), "'b': model.safetensors is damaged", "Copy the missing files")
    (home.models / "b" / "model.safetensors").rename(home.models / "b" / "pytorch_model.bin")
    stops(home, linear(), "'b' has only pickled weights", "safetensors")
    (home.models / "c" / "config.json").write_text("[1")
    stops(home, linear("a", "c"), "c/config.json cannot be read", "Get the model again")


def test_nan_is_not_seen_here(home: Home) -> None:
    weights(home, "b", lambda t: t[EMBED].fill(np.nan))
    assert found(home, linear()).problems == []


def test_quantised_models(home: Home) -> None:
    config(home, "b", quantization_config={"quant_method": "gptq", "bits": 4})
    stops(home, linear(), "'b' is quantised (gptq)", "Merge the unquantised model")
    name = "model.layers.0.mlp.up_proj.weight"
    weights(home, "c", lambda t: t.update({name: t[name].astype(np.int8)}))
    stops(home, linear("a", "c"), "'c' is quantised (I8)", "Merge the unquantised model")


def adapter(home: Home, name: str = "lora", width: int = 64, **settings: Any) -> None:
    folder = home.models / name
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4, **settings}))
    start = "base_model.model.model.layers.0.mlp.up_proj"
    save_file(
        {
            f"{start}.lora_A.weight": np.ones((2, width), np.float32),
            f"{start}.lora_B.weight": np.ones((128, 2), np.float32),
        },
        folder / "adapter_model.safetensors",
    )
    write_manifest(folder, Manifest(kind="adapter", name=name, parents=[parent_of(home.models / "a", "base")]))


def test_adapters(home: Home) -> None:
    adapter(home)
    assert found(home, linear("b", "lora")).problems == []
    assert found(home, linear("b", "a+lora")).problems == []
    adapter(home, "dora", use_dora=True)
    stops(home, linear("b", "dora"), "cannot be added tensor by tensor: it uses DoRA", "Fold it")
    adapter(home, "ia3", peft_type="IA3")
    stops(home, linear("b", "ia3"), "its type is IA3", "Fold it")
    adapter(home, "other", width=32)
    stops(home, linear("b", "other"), "the adapter needs 32", "base this adapter was trained on")


# ---- slices


def test_layers_beyond_the_model(home: Home) -> None:
    stops(home, sliced(("a", 0, 5)), "'a' has 2 layers; [0, 5] goes beyond", "End it at 2", "slices[0]")


def test_sources_of_unlike_length(home: Home) -> None:
    part = [{"model": "a", "layer_range": [0, 2]}, {"model": "b", "layer_range": [0, 1]}]
    recipe = {"merge_method": "linear", "slices": [{"sources": part}], "parameters": HALF}
    stops(home, recipe, "the sources differ in layers (a 2, b 1)", "as many layers")


def test_passthrough_takes_one_source_a_slice(home: Home) -> None:
    part = [{"model": name, "layer_range": [0, 2]} for name in "ab"]
    recipe = {"merge_method": "passthrough", "slices": [{"sources": part}]}
    stops(home, recipe, "passthrough takes exactly 1 models; here are 2", "Give each slice one source")


def test_layers_put_together_anew(home: Home) -> None:
    notes(home, sliced(("a", 0, 2), ("b", 0, 2)), "layers in a new order", "fine-tuning")
    toy_model(home, "deep", layers=3)
    config(home, "deep", layer_types=["full_attention"] * 3)
    notes(home, sliced(("deep", 0, 3), ("deep", 1, 3)), "layer_types in config.json has an entry a layer (3, not 5)")


# ---- tokenizers


def test_tokens_with_other_ids(home: Home) -> None:
    def swap(data: dict[str, Any]) -> None:
        words = data["model"]["vocab"]
        one, other = [word for word, place in words.items() if place in (300, 301)]
        words[one], words[other] = words[other], words[one]

    edit(home.models / "b" / "tokenizer.json", swap)
    stops(
        home, linear(), "2 tokens have other ids in 'b' than in 'a', and rows are merged by position", "source: union"
    )
    assert found(home, linear(tokenizer={"source": "base"})).problems == []
    assert (
        found(home, sliced(("a", 0, 1), ("b", 0, 1), ("a", 1, 2))).problems == []
    )  # b gives neither embedding nor head


def test_tokens_that_one_model_has_not(home: Home) -> None:
    add_token(home, "b", "<|extra|>")
    rows(home, "b", 401)
    stops(home, linear(), "has 401 rows, that of 'a' 400", "tokenizer: {source: base}")
    dropped = linear(tokenizer={"source": "base"})
    notes(home, dropped, "1 of its tokens are dropped", "union")
    union = linear(tokenizer={"source": "union", "pad_to_multiple_of": 16})
    assert found(home, union).problems == []
    assert dict(found(home, union).facts)["Tokenizer"] == "union of all, 380 tokens"
    assert sizes(home, Recipe.read(union)).parameters == sizes(home, Recipe.read(linear("a", "c"))).parameters - 16 * 64


def test_tokens_within_the_padding(home: Home) -> None:
    for name in "ab":
        rows(home, name, 416)
    add_token(home, "b", "<|extra|>")
    notes(home, linear(), "'b' has 1 tokens that 'a' has not and lacks 0", "source: union")
    notes(
        home,
        linear(tokenizer={"source": "union"}),
        "goes from 416 to 380 rows, no multiple of 32",
        "pad_to_multiple_of: 32",
    )


def test_tokens_without_a_row(home: Home) -> None:
    for name in "ab":
        rows(home, name, 379)
        add_token(home, name, "<|late|>")
    notes(home, linear(), "1 tokens of 'a', such as '<|late|>', have no row")
    rows(home, "a", 400)
    union = linear(tokenizer={"source": "union"})
    stops(home, union, "1 tokens of 'b', such as '<|late|>', have no row in its embedding", "resize its embedding")


def test_ids_with_gaps(home: Home) -> None:
    def skip(data: dict[str, Any]) -> None:
        last = max(data["model"]["vocab"], key=data["model"]["vocab"].get)
        data["model"]["vocab"][last] += 9

    edit(home.models / "a" / "tokenizer.json", skip)
    stops(home, linear("a", tokenizer={"source": "base"}), "ids have gaps: 1 tokens", "388 rows or more")


def test_added_tokens_get_the_next_id_whatever_the_file_says(home: Home) -> None:
    from tokenizers import Tokenizer

    add_token(home, "b", "<|far|>", 395)
    path = home.models / "b"
    seen = checks.vocabulary(path)
    assert seen and seen.ids == Tokenizer.from_file(str(path / "tokenizer.json")).get_vocab()
    assert seen.ids["<|far|>"] == 379


def test_a_model_without_tokenizer(home: Home) -> None:
    (home.models / "b" / "tokenizer.json").unlink()
    stops(home, linear(), "'b' has no tokenizer.json", "Save its tokenizer")


def test_rows_of_single_tokens(home: Home) -> None:
    def tokens(source: Any) -> dict[str, Any]:
        return linear(tokenizer={"source": "base", "tokens": {"<|new|>": {"source": source}}, "pad_to_multiple_of": 16})

    assert found(home, tokens({"kind": "model_token", "model": "b", "token": "<|im_end|>"})).problems == []
    assert found(home, tokens({"kind": "zero"})).problems == []
    stops(
        home,
        tokens({"kind": "model_token", "model": "b", "token": "<|nix|>"}),
        "'b' has no token '<|nix|>'",
        "Choose another",
    )
    stops(home, tokens("b"), "'b' has no token '<|new|>'", "Choose another")
    stops(home, tokens(None), "cannot be read", "Give a model")
    stops(home, tokens("c"), "'c' is not among the models merged", "Take one")
    stops(home, tokens({"kind": "model_token", "model": "b"}), "cannot be read", "Give a model")


def test_chat_templates_and_special_tokens_that_differ(home: Home) -> None:
    (home.models / "b" / "chat_template.jinja").write_text("{{ messages }}")
    notes(home, linear(), "b have another chat template; the result gets that of 'a'", "chat_template: auto")
    assert found(home, linear(chat_template="auto")).notes == []
    stops(home, linear(chat_template="nice"), "it is no template", "chatml", "chat_template")
    edit(home.models / "c" / "tokenizer_config.json", lambda data: data.update(eos_token={"content": "<|endoftext|>"}))
    notes(home, linear("a", "c"), "eos_token is <|im_end|> in a, <|endoftext|> in c", "do not end")


# ---- precision, name, room


def test_float16_maths_and_larger_files(home: Home) -> None:
    weights(home, "b", lambda t: t.update({key: value.astype(np.float16) for key, value in t.items()}))
    notes(home, linear(), "float32 in a, float16 in b; the result gets float32", "Set dtype")
    notes(home, linear("a", "c", dtype="float16"), "float16 ends at 65504", "bfloat16")
    notes(home, linear("a", "c", dtype="float32", out_dtype="float16"), "float16 ends at 65504", "bfloat16")
    weights(home, "a", lambda t: t.update({key: value.astype(np.float16) for key, value in t.items()}))
    notes(home, linear(dtype="float32"), "larger than the models", "out_dtype")


def test_the_name_of_the_result(home: Home) -> None:
    stops(home, linear(), "'c' is on the shelf already", "Choose another name", "output", output="c")
    stops(home, linear(), "cannot be a name", "letters", "output", output="../c")
    assert found(home, linear(), "new").problems == []


def test_room_on_the_disk_and_in_memory(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(home.root)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    stops(home, linear(), "the disk has 1.0 kB left", "Delete what is not needed", "output")
    monkeypatch.undo()
    memory = psutil.virtual_memory()
    monkeypatch.setattr(checks.psutil, "virtual_memory", lambda: memory._replace(available=1000))
    notes(home, linear(), "merging takes about 600 MB of memory; 1.0 kB are free", "Merge fewer models")


def test_parts_of_a_model_are_known_by_name(home: Home) -> None:
    models = linear()["models"]
    assert found(home, {"merge_method": "linear", "modules": {"default": {"models": models}}}).problems == []
    wrong = {"merge_method": "linear", "modules": {"text": {"models": models}}}
    stops(home, wrong, "LlamaForCausalLM has no part 'text'", "Its parts are: default", "modules.text")


def test_strange_files_are_problems_not_crashes(home: Home) -> None:
    config(home, "b", num_hidden_layers="two", architectures=7, text_config="x", vocab_size=[])
    (home.models / "b" / "chat_template.jinja").write_bytes(b"\xff")
    (home.models / "c" / "tokenizer.json").write_text('{"model": []}')
    said = " ".join(map(str, found(home, linear("a", "b", "c")).problems))
    assert "no one architecture" in said and "no number of layers" in said and "'c' has no tokenizer.json" in said
    assert any("goes beyond" in problem.message for problem in found(home, sliced(("a", 0, 10**12))).problems)


def test_hostile_recipes_are_refused_when_read() -> None:
    for bad in ({**linear(), "pickle": 1}, {**linear(), "models": []}, {"merge_method": "linear"}, sliced(("a", 2, 1))):
        with pytest.raises(SpecError):
            Recipe.read(bad)


def test_a_tokenizer_is_read_once_and_again_when_it_changes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    found(home, linear())
    reads: Counter[str] = Counter()
    whole = Path.read_bytes

    def counting(self: Path) -> bytes:
        reads[self.parent.name] += 1
        return whole(self)

    monkeypatch.setattr(Path, "read_bytes", counting)
    found(home, linear())
    assert not reads
    first, other = checks.vocabulary(home.models / "a"), checks.vocabulary(home.models / "b")
    assert first and other and first.ids is other.ids
    add_token(home, "b", "<|more|>")
    changed = checks.vocabulary(home.models / "b")
    assert changed and "<|more|>" in changed.ids and reads == {"b": 1}


# ---- the stack


def stack(home: Home, recipe: dict[str, Any]) -> list[Layer]:
    return stack_of(Recipe.read(recipe), home)


def test_the_stack_of_a_frankenmerge(home: Home) -> None:
    layers = stack(home, sliced(("a", 0, 2), ("b", 1, 2), ("a", 1, 2)))
    assert [layer.sources for layer in layers] == [[("a", 0)], [("a", 1)], [("b", 1)], [("a", 1)]]
    assert [layer.index for layer in layers] == [0, 1, 2, 3]
    assert str(layers[2]) == "layer 2 ← b 1"


def test_the_stack_of_whole_models(home: Home) -> None:
    recipe = linear()
    recipe["models"][0]["parameters"]["weight"] = [{"filter": "self_attn", "value": [0, 3]}, {"value": 1}]
    layers = stack(home, recipe)
    assert [layer.sources for layer in layers] == [[("a", 0), ("b", 0)], [("a", 1), ("b", 1)]]
    assert layers[0].weights == [0.5, 0.5] and layers[1].weights == [0.8, 0.2]
    assert [layer.weights for layer in stack(home, ties())] == [[0.5, 0.5, 0.0]] * 2


def test_the_stack_of_a_slerp_follows_t(home: Home) -> None:
    recipe = {"merge_method": "slerp", "base_model": "a", "models": [{"model": "b"}], "parameters": {"t": [0, 1]}}
    assert [layer.weights for layer in stack(home, recipe)] == [[0.0, 1.0], [1.0, 0.0]]


def test_a_stack_of_missing_models_is_refused(home: Home) -> None:
    with pytest.raises(UserError):
        stack(home, linear("a", "gone"))
    with pytest.raises(UserError, match="has 2 layers"):
        stack(home, sliced(("a", 0, 10**12)))


def test_the_picture_is_plain_and_shows_repeats(home: Home) -> None:
    shown = picture(stack(home, sliced(("a", 0, 2), ("b", 1, 2), ("a", 1, 2))))
    assert json.loads(json.dumps(shown)) == shown
    first, second = shown["data"]
    assert first["name"] == "a" and first["y"] == ["0", "1", "3"] and second["text"] == ["b 1"]
    assert first["text"] == ["a 0", "a 1 (×2)", "a 1 (×2)"]
    assert first["marker"]["pattern"]["shape"] == ["", "/", "/"]
    assert "layer 3 ← a 1" in first["customdata"] and first["marker"]["color"] != second["marker"]["color"]
    assert shown["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)" and "color" not in json.dumps(shown["layout"]).replace(
        "bgcolor", ""
    )


def test_sixty_layers_stay_readable() -> None:
    layers = [Layer(n, [("a" if n < 30 else "b", n % 30)], [1.0]) for n in range(60)]
    layout = picture(layers)["layout"]
    assert layout["height"] / 60 >= 14 and layout["yaxis"]["dtick"] == 5


def test_values_along_the_layers() -> None:
    peak: list[bool | int | float | str] = [0, 1, 0]
    assert [value_at(peak, "", place) for place in (0, 0.25, 0.5, 1)] == [0, 0.5, 1, 0]
    assert value_at([], "x", 0) is None and value_at("2e-1", "x", 0) == 0.2
    switch: list[bool | int | float | str] = [True, False]
    assert [value_at(switch, "", place, bool) for place in (0, 0.9, 1)] == [True, True, False]


def test_tensors_are_sorted_into_groups() -> None:
    names = {
        "model.layers.3.self_attn.q_norm.weight": ("norms", 3), "model.layers.11.mlp.gate_proj.weight": ("mlp", 11),
        "model.layers.0.self_attn.o_proj.bias": ("attention", 0), EMBED: ("embeddings", None),
        "lm_head.weight": ("head", None), "model.norm.weight": ("norms", None), "h.2.ln_1.weight": ("norms", 2),
    }  # fmt: skip
    assert {name: (group_of(name), layer_of(name)) for name in names} == names
