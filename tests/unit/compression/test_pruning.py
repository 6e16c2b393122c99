"""Pruning by hand-computed masks, cuts that equal zeroed weights, and healing that keeps zeros."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.running import carry, context, run
from tests.toys import EXACT, toy_dataset, toy_model, toy_pairs
from workbench.compression.activations import group_squares, influences, input_squares
from workbench.compression.jobs.prune import Prune
from workbench.compression.masks import Smallest, lowest, two_of_four
from workbench.compression.pruner import PRUNERS, Cut
from workbench.core.errors import Problems, SpecError, UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home, write_text
from workbench.core.lineage import read_manifest
from workbench.core.tasks import Task
from workbench.jobs.job import STOP_FILE, JobContext, JobStopped
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import execute_job
from workbench.models.anatomy import Anatomy, within
from workbench.models.loading import load_base
from workbench.models.model_references import resolve
from workbench.models.shelf import model_info
from workbench.training.jobs.train import Train
from workbench.training.objectives.distill import divergence, pruned_from
from workbench.training.optimizers.sgd import Sgd
from workbench.training.tuners.full import Full, hold_zeros


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """'toy' has learnt a little, 'deep' has four layers of which the third does nothing."""
    made = Home.at(tmp_path_factory.mktemp("pruning"))
    toy_model(made, lessons=20)
    change(toy_model(made, "deep", layers=4), lambda name, weight: weight * (2 not in _silent(name)))
    toy_dataset(made)
    toy_pairs(made)
    return made


def _silent(name: str) -> set[int]:
    return {layer for layer in range(4) for part in ("self_attn.o_proj", "mlp.down_proj") if f".{layer}.{part}" in name}


def change(folder: Path, to: Any) -> None:
    path = folder / "model.safetensors"
    found = {name: to(name, weight).contiguous() for name, weight in load_file(path).items()}
    save_file(found, path, {"format": "pt"})


def prune(home: Home, output: str, pruner: Any, model: str = "toy", **settings: Any) -> dict[str, Any]:
    job = Prune.parse({"model": model, "pruner": pruner, "calibration": "talks", "output": output, **settings})
    return run(home, job, f"of-{output}")


def problems_of(home: Home, **settings: Any) -> str:
    found = Problems()
    job = Train if "dataset" in settings else Prune
    job.parse({"model": "toy", "output": "new", **settings}).check(home, found)
    return "\n".join(str(problem) for problem in found.found)


def train(home: Home, output: str, **settings: Any) -> JobRecord:
    common = {"dataset": "talks", "output": output, "max_steps": 4, "batch_size": 4, "warmup": 0, "eval_every": 100}
    return carry(home, Train.parse({**common, "objective": {"method": "sft", "learning_rate": 0.01}, **settings}))


def tensors(home: Home, name: str) -> dict[str, torch.Tensor]:
    return load_file(home.models / name / "model.safetensors")


def zeros(home: Home, name: str) -> dict[str, torch.Tensor]:
    return {name: weight == 0 for name, weight in tensors(home, name).items() if weight.ndim == 2}


@torch.no_grad()
def logits(home: Home, name: str) -> torch.Tensor:
    return load_base(home.models / name, EXACT).eval()(input_ids=torch.arange(3, 60)[None]).logits


def cut(home: Home, name: str = "toy", rows: int = 3) -> Cut:
    found = resolve(home, name)
    ids = [{"input_ids": list(range(3 + row, 30 + 5 * row))} for row in range(rows)]
    model = load_base(found.base, EXACT).eval()
    return Cut(found, home.root, model, ids, 0, Task())


# ---- masks -------------------------------------------------------------------------------------------------


def test_the_lowest_of_each_row_go_and_of_equal_ones_the_first() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0, 4.0], [5.0, 5.0, 5.0, 5.0]])
    assert lowest(scores, 2).tolist() == [[False, True, True, False], [True, True, False, False]]
    assert lowest(scores, 0).sum() == 0 and lowest(scores, 4).all()


def test_two_of_every_four_neighbours_go() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0, 4.0, 9.0, 8.0, 7.0, 7.5]])
    assert two_of_four(scores).tolist() == [[True, True, False, False, False, False, True, True]]
    with pytest.raises(ValueError, match="divided by four"):
        two_of_four(torch.ones(2, 6))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("share", [0, 0.01, 0.37, 0.5, 1])
def test_the_smallest_of_many_matrices_are_those_of_a_sort(dtype: torch.dtype, share: float) -> None:
    torch.manual_seed(1)
    matrices = [torch.randn(31, 17).mul(scale).to(dtype) for scale in (1, 0.1, 3)]
    matrices[1][0] = 0
    everything = torch.cat([matrix.flatten().float().abs() for matrix in matrices])
    count = round(share * len(everything))
    smallest = Smallest(lambda: matrices, count)
    mask = torch.cat([smallest.mask(matrix).flatten() for matrix in matrices])
    wanted = torch.zeros_like(mask)
    wanted[torch.sort(everything, stable=True).indices[:count]] = True
    assert mask.sum() == count and torch.equal(mask, wanted)


def test_by_layer_every_matrix_is_as_sparse_and_globally_the_sum_is(home: Home) -> None:
    layer = prune(home, "by-layer", {"method": "magnitude", "sparsity": 0.3})
    whole = prune(home, "by-all", {"method": "magnitude", "sparsity": 0.3, "pattern": "global"})
    linear = Anatomy.of(home.models / "toy").linear()
    each, some = zeros(home, "by-layer"), zeros(home, "by-all")
    assert len(linear) == 14 and all(int(each[name].sum()) == round(0.3 * each[name].numel()) for name in linear)
    total = sum(each[name].numel() for name in linear)
    assert sum(int(some[name].sum()) for name in linear) == whole["zeros"] == round(0.3 * total)
    assert len({round(float(some[name].float().mean()), 3) for name in linear}) > 1
    assert layer["sparsity"] == pytest.approx(0.3, abs=1e-4) and layer["of"] == total
    limit = max(float(tensors(home, "toy")[name][some[name]].abs().max()) for name in linear)
    assert all(float(weight[weight != 0].abs().min()) >= limit for weight in map(tensors(home, "by-all").get, linear))


def test_what_is_no_matrix_of_a_layer_is_left_bit_by_bit(home: Home) -> None:
    prune(home, "half", "magnitude")
    before, after = tensors(home, "toy"), tensors(home, "half")
    linear = Anatomy.of(home.models / "toy").linear()
    assert list(before) == list(after) and "model.embed_tokens.weight" not in linear
    for name, weight in before.items():
        kept = after[name] != 0 if name in linear else torch.ones_like(weight, dtype=torch.bool)
        assert torch.equal(weight[kept], after[name][kept])


# ---- activations -------------------------------------------------------------------------------------------


def seen_by(model: Any, module: str, rows: list[dict[str, list[int]]]) -> tuple[torch.Tensor, torch.Tensor]:
    """All that goes into and comes out of a module, tokens × features."""
    given, made = [], []

    def see(_: Any, args: Any, out: Any) -> None:
        given.append(args[0][0])
        made.append(out[0])

    hook = model.get_submodule(module).register_forward_hook(see)
    with torch.no_grad():
        for row in rows:
            model(input_ids=torch.tensor([row["input_ids"]]))
    hook.remove()
    return torch.cat(given), torch.cat(made)


def test_the_norms_of_inputs_are_those_of_all_tokens(home: Home) -> None:
    work, module = cut(home), "model.layers.1.mlp.down_proj"
    given, _ = seen_by(work.model, module, work.rows)
    assert torch.allclose(input_squares(work, [module])[module].float(), given.norm(dim=0) ** 2, rtol=1e-4)


def test_what_a_group_of_heads_adds_is_the_norm_of_its_part_of_the_output(home: Home) -> None:
    work, module = cut(home), "model.layers.0.self_attn.o_proj"
    given, _ = seen_by(work.model, module, work.rows)
    weight = work.model.get_submodule(module).weight
    wanted = [float((given[:, part] @ weight[:, part].T).norm() ** 2) for part in (slice(0, 32), slice(32, 64))]
    assert group_squares(work, [module], 2)[module].tolist() == pytest.approx(wanted, rel=1e-4)


def test_a_layers_influence_is_how_far_it_turns_the_hidden_state(home: Home) -> None:
    work = cut(home, "deep")
    given, made = seen_by(work.model, "model.layers.1", work.rows)
    found = influences(work)
    assert found[1] == pytest.approx(1 - float(torch.cosine_similarity(given, made).mean()), abs=1e-5)
    assert found[2] == pytest.approx(0, abs=1e-6) and len(found) == 4


def test_wanda_takes_the_lowest_product_of_weight_and_input_in_each_row(home: Home) -> None:
    """A loud input keeps small weights, and not the other way round."""
    found = resolve(home, "toy")
    job = Prune.parse({"model": "toy", "pruner": {"method": "wanda", "sparsity": 0.25}, "calibration": "talks"})
    work = cut(home)
    ctx = context(home, "rows")
    work.rows = job._encoded(work.model, found, job._rows(ctx)[0], "conversation")
    module = "model.layers.0.mlp.up_proj"
    given, _ = seen_by(work.model, module, work.rows)
    prune(home, "wise", {"method": "wanda", "sparsity": 0.25})
    weight = tensors(home, "toy")[f"{module}.weight"]
    gone = zeros(home, "wise")[f"{module}.weight"]
    scores = weight.abs() * given.norm(dim=0)
    assert gone.sum(1).tolist() == [16] * 128
    assert all(float(row[~lost].min()) >= float(row[lost].max()) for row, lost in zip(scores, gone, strict=True))
    assert not torch.equal(gone, lowest(weight.abs(), 16))


@pytest.mark.parametrize("pruner", ["wanda", "magnitude"])
def test_two_of_four_holds_in_every_matrix(pruner: str, home: Home) -> None:
    prune(home, f"{pruner}-24", {"method": pruner, "pattern": "2:4"})
    for name in Anatomy.of(home.models / "toy").linear():
        assert (zeros(home, f"{pruner}-24")[name].reshape(-1, 4).sum(1) == 2).all()


# ---- structure ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["activation", "magnitude", "random"])
def test_a_narrower_mlp_answers_as_one_with_those_neurons_silent(score: str, home: Home) -> None:
    name = f"narrow-{score}"
    made = prune(home, name, {"method": "mlp-width", "share": 0.5, "score": score})
    assert made["width"] == [128, 64] and config(home, name)["intermediate_size"] == 64
    before, after = tensors(home, "toy"), tensors(home, name)
    muted = toy_model(home, f"muted-{score}")
    kept = {name: columns_kept(before[name], after[name]) for name in before if "down_proj" in name}
    change(muted, lambda name, _: before[name] * kept[name] if name in kept else before[name])
    assert torch.allclose(logits(home, name), logits(home, f"muted-{score}"), atol=1e-4)
    assert not torch.allclose(logits(home, name), logits(home, "toy"), atol=1e-2)


def columns_kept(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """1 for the columns of `old` that are in `new`, 0 for the others."""
    places = [int((old - column[:, None]).abs().sum(0).argmin()) for column in new.T]
    assert places == sorted(set(places)) and torch.equal(old[:, places], new)
    return torch.zeros(old.shape[1]).index_fill_(0, torch.tensor(places), 1)


def config(home: Home, name: str) -> dict[str, Any]:
    return dict(json.loads((home.models / name / "config.json").read_text()))


@pytest.mark.parametrize("score", ["activation", "magnitude", "random"])
def test_heads_go_in_whole_groups_of_keys_and_values(score: str, home: Home) -> None:
    name = f"beheaded-{score}"
    made = prune(home, name, {"method": "heads", "score": score})
    assert made["heads"] == [4, 2] and made["groups"] == [2, 1]
    found = config(home, name)
    assert [found[key] for key in ("num_attention_heads", "num_key_value_heads", "head_dim")] == [2, 1, 16]
    before, after = tensors(home, "toy"), tensors(home, name)
    muted = toy_model(home, f"headless-{score}")
    kept = {name: columns_kept(before[name], after[name]) for name in before if "o_proj" in name}
    for layer, columns in enumerate(kept.values()):
        group = int(columns[32])  # the second of two groups, each of two heads of 16
        assert columns.tolist() == [1 - group] * 32 + [group] * 32
        rows = slice(group * 16, group * 16 + 16)
        key = f"model.layers.{layer}.self_attn.k_proj.weight"
        assert torch.equal(after[key], before[key][rows])
    change(muted, lambda name, _: before[name] * kept[name] if name in kept else before[name])
    assert torch.allclose(logits(home, name), logits(home, f"headless-{score}"), atol=1e-4)


def test_the_layer_that_does_nothing_goes_first_and_nobody_notices(home: Home) -> None:
    made = prune(home, "shallow", "layers", "deep")
    assert made["removed"] == [2] and made["layers"] == [4, 3] and config(home, "shallow")["num_hidden_layers"] == 3
    assert torch.allclose(logits(home, "shallow"), logits(home, "deep"), atol=1e-5)
    assert sorted({name.split(".")[2] for name in tensors(home, "shallow") if ".layers." in name}) == ["0", "1", "2"]


@pytest.mark.parametrize("pruner", [{"method": "mlp-width", "share": 0}, {"method": "heads", "groups": 0},
                                    {"method": "layers", "count": 0}, {"method": "wanda", "sparsity": 0},
                                    {"method": "magnitude", "sparsity": 0, "pattern": "global"}])  # fmt: skip
def test_with_nothing_removed_it_is_the_same_model(pruner: dict[str, Any], home: Home) -> None:
    name = f"same-{pruner['method']}"
    made = prune(home, name, pruner)
    assert torch.equal(logits(home, name), logits(home, "toy")) and made["loss"][0] == made["loss"][1]


def other_model(home: Home, name: str, kind: str, **settings: Any) -> None:
    """A toy of another architecture in the place of a Llama."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = toy_model(home, name)
    torch.manual_seed(3)
    common = {
        "vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "head_dim": 24,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "pad_token_id": 2,
    }  # fmt: skip
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**common, **settings}))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    made.save_pretrained(folder)


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "mistral", "gemma3_text", "smollm3"])
def test_other_architectures_are_cut_alike(kind: str, home: Home) -> None:
    """Biases, norms of queries and keys, a head width of its own, layers of different kinds."""
    windows = {"sliding_window": 16, "sliding_window_pattern": 2} if "gemma" in kind else {}
    other_model(home, kind, kind, **windows)
    if kind == "qwen2":
        change(home.models / kind, lambda name, weight: torch.randn(weight.shape) if "bias" in name else weight)
    for pruner in ({"method": "mlp-width", "share": 0.5}, "heads", {"method": "layers", "count": 2}, "wanda"):
        name = f"{kind}-{pruner if isinstance(pruner, str) else pruner['method']}"
        made = prune(home, name, pruner, kind)
        assert logits(home, name).isfinite().all()
        assert made["parameters"][1] == sum(weight.numel() for weight in tensors(home, name).values())
    lists = [value for value in config(home, f"{kind}-layers").values() if isinstance(value, list) and len(value) > 1]
    assert all(len(value) == 2 for value in lists)
    if "gemma" in kind:
        kinds = config(home, kind)["layer_types"]
        gone = read_manifest(home.models / f"{kind}-layers").info["removed"]
        left = [kind for layer, kind in enumerate(kinds) if layer not in gone]
        assert config(home, f"{kind}-layers")["layer_types"] == left


# ---- the job -----------------------------------------------------------------------------------------------


def test_everything_wrong_is_found_before(home: Home) -> None:
    assert "looks at activations" in problems_of(home, pruner="wanda")
    assert "holds preference rows" in problems_of(home, pruner="magnitude", calibration="pairs")
    assert "128 neurons minus 12.5% are 128" in problems_of(home, pruner="mlp-width", calibration="talks")
    assert "2 key/value groups, of which 2" in problems_of(
        home, pruner={"method": "heads", "groups": 2}, calibration="talks"
    )
    assert "2 layers, of which 2" in problems_of(home, pruner={"method": "layers", "count": 2}, calibration="talks")
    several = problems_of(home, pruner="wanda", output="toy", model="nobody")
    assert "no model 'nobody'" in several and "on the shelf already" in several and "activations" in several
    assert problems_of(home, pruner="magnitude") == ""


def test_quantized_and_unknown_models_are_refused(home: Home) -> None:
    folder = toy_model(home, "small")
    plain = (folder / "config.json").read_text()
    write_text(folder / "config.json", json.dumps({**json.loads(plain), "quantization_config": {"bits": 4}}))
    assert "quantized already" in problems_of(home, model="small", pruner="magnitude")
    assert "quantized" in problems_of(home, model="small", dataset="talks", tuner="full")
    write_text(folder / "config.json", plain)
    change_names(folder, "gate_proj", "gate_up_proj")
    assert "has no mlp.gate_proj.weight" in problems_of(home, model="small", pruner="mlp-width", calibration="talks")
    change_names(folder, ".layers.", ".h.")
    assert "no plain language model" in problems_of(home, model="small", pruner="magnitude")


def change_names(folder: Path, old: str, new: str) -> None:
    path = folder / "model.safetensors"
    save_file({name.replace(old, new): weight for name, weight in load_file(path).items()}, path, {"format": "pt"})


def test_a_pruned_model_says_what_it_was_made_from_and_what_it_cost(home: Home) -> None:
    made = prune(home, "told", {"method": "mlp-width", "share": 0.5})
    manifest = read_manifest(home.models / "told")
    assert {(parent.role, parent.name) for parent in manifest.parents} == {("pruned", "toy"), ("calibration", "talks")}
    assert manifest.made_by["job"] == "of-told" and manifest.info["loss"] == made["loss"]
    estimate = PRUNERS.parse({"method": "mlp-width", "share": 0.5}).estimate(resolve(home, "toy"))
    assert made["bytes"] == [model_info(home, "toy").parameters * 4, estimate.bytes]
    assert made["parameters"][1] == model_info(home, "told").parameters < made["parameters"][0]
    assert made["difference"]["loss"] == pytest.approx(made["loss"][1] - made["loss"][0], abs=1e-4)


def test_an_adapter_is_folded_in_first(home: Home) -> None:
    train(home, "taught", model="toy")
    prune(home, "from-adapter", {"method": "mlp-width", "share": 0}, "taught")
    assert not torch.allclose(logits(home, "from-adapter"), logits(home, "toy"), atol=1e-2)
    assert {parent.name for parent in read_manifest(home.models / "from-adapter").parents} == {"toy", "taught", "talks"}
    assert not (home.jobs / "of-from-adapter" / "scratch").exists()


def test_stopping_leaves_nothing(home: Home) -> None:
    job = Prune.parse({"model": "toy", "pruner": "wanda", "calibration": "talks", "output": "never"})
    ctx = context(home, "never")
    write_text(ctx.folder / STOP_FILE, "keep")
    with pytest.raises(JobStopped):
        job.run(ctx)
    assert not [path for path in home.models.iterdir() if "never" in path.name]
    assert not (ctx.folder / "scratch").exists()


# ---- healing -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sparse(home: Home) -> str:
    prune(home, "sparse", "wanda")
    return "sparse"


def test_healing_all_weights_lowers_the_loss_and_keeps_every_zero(home: Home, sparse: str) -> None:
    view = train(home, "healed", model=sparse, tuner="full", weight_decay=0.1, checkpoint_every=2)
    assert view.state.result["eval_loss_last"] < view.state.result["eval_loss_first"] - 0.1
    before, after = zeros(home, sparse), zeros(home, "healed")
    linear = Anatomy.of(home.models / sparse).linear()
    assert all(torch.equal(before[name], after[name]) for name in linear)
    assert all(not torch.equal(tensors(home, sparse)[name], tensors(home, "healed")[name]) for name in linear)
    manifest = read_manifest(home.models / "healed")
    assert manifest.kind == "model" and manifest.info["masked"] == read_manifest(home.models / sparse).info["masked"]
    assert {(parent.role, parent.name) for parent in manifest.parents} == {("start", sparse), ("dataset", "talks")}
    assert model_info(home, "healed").base == ""
    train(home, "filled", model=sparse, tuner={"method": "full", "keep_zeros": False}, max_steps=2)
    assert not any(zeros(home, "filled")[name].any() for name in linear)
    assert "masked" not in read_manifest(home.models / "filled").info


def test_a_full_run_that_was_stopped_goes_on_and_keeps_the_zeros(home: Home, sparse: str) -> None:
    settings: dict[str, Any] = {"model": sparse, "tuner": "full", "max_steps": 6}
    train(home, "unbroken", **settings)
    queue = Queue(home)
    common = {"dataset": "talks", "output": "broken", "batch_size": 4, "warmup": 0, "eval_every": 100, **settings}
    job = Train.parse({**common, "objective": {"method": "sft", "learning_rate": 0.01}})
    view = queue.get(queue.submit(job, here=True))
    with pytest.MonkeyPatch.context() as patch:
        asked = iter(["", "", "keep"])
        patch.setattr(JobContext, "stop_requested", lambda _: next(asked, "keep"))
        before = signal.getsignal(signal.SIGTERM)
        assert execute_job(home, view.folder) == "stopped"
    assert read_manifest(home.models / "broken").info["steps"] == 3
    queue.resume(view.id)
    assert execute_job(home, view.folder) == "done"
    signal.signal(signal.SIGTERM, before)
    one, other = tensors(home, "unbroken"), tensors(home, "broken")
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)
    assert read_manifest(home.models / "broken").info["steps"] == 6
    assert all(torch.equal(zeros(home, sparse)[name], zeros(home, "broken")[name]) for name in zeros(home, sparse))


def test_lora_heals_a_smaller_model_as_any_other(home: Home) -> None:
    prune(home, "thin", {"method": "mlp-width", "share": 0.5})
    found = train(home, "thin-healed", model="thin").state.result
    assert found["eval_loss_last"] < found["eval_loss_first"] - 0.1
    assert read_manifest(home.models / "thin-healed").kind == "adapter"


def test_zeros_that_cannot_be_found_again_are_not_lost_silently(home: Home) -> None:
    model = load_base(home.models / "toy", EXACT)
    with pytest.raises(UserError, match=r"zeros of mlp\.w9"):
        hold_zeros(model, ["mlp.w9.weight", "mlp.down_proj.weight"])


def test_training_all_weights_is_refused_where_it_cannot_work(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (home.models / "lora").exists():
        train(home, "lora", model="toy", max_steps=1)
    assert problems_of(home, model="lora", dataset="talks", tuner="full") == ""
    assert "checkpoints are kept" in problems_of(home, dataset="talks", tuner="full", keep_checkpoints=2)
    assert problems_of(home, dataset="talks", tuner="full") == ""
    monkeypatch.setattr("workbench.training.tuner.cached_hardware", lambda _: Hardware(ram=10**6))
    assert "takes 1.6 MB of memory, there are 1.0 MB" in problems_of(home, dataset="talks", tuner="full")
    light = {"method": "sgd", "momentum": 0}
    assert problems_of(home, dataset="talks", tuner="full", optimizer=light) == ""


def test_without_embeddings_they_stay_as_they_are(home: Home) -> None:
    train(home, "inner", model="toy", tuner={"method": "full", "embeddings": False}, max_steps=2)
    before, after = tensors(home, "toy"), tensors(home, "inner")
    assert {name for name in before if torch.equal(before[name], after[name])} == {"model.embed_tokens.weight"}
    parameters = model_info(home, "toy").parameters
    assert Full().memory(home.models / "toy") == 16 * parameters
    assert Full().memory(home.models / "toy", Sgd(momentum=0)) == 8 * parameters


# ---- distillation ------------------------------------------------------------------------------------------


def test_the_divergence_is_that_of_the_trained_tokens_by_hand() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 4, 5), torch.randn(2, 4, 7)  # the teacher's vocabulary is padded
    labels = torch.tensor([[-100, -100, 3, 1], [-100, 2, -100, -100]])
    learned = labels[:, 1:] != -100
    logits = [side[:, :-1][learned] for side in (student, teacher)]
    kl, nll, tokens = divergence(*logits, labels[:, 1:][learned], temperature=2.0)
    wanted_kl = wanted_nll = 0.0
    for row, place in ((0, 2), (0, 3), (1, 1)):
        own, other = student[row, place - 1], teacher[row, place - 1, :5]
        p, q = (other / 2).softmax(0), (own / 2).softmax(0)
        wanted_kl += float((p * (p / q).log()).sum())
        wanted_nll -= float(own.softmax(0)[labels[row, place]].log())
    assert (float(kl), float(nll)) == pytest.approx((wanted_kl, wanted_nll), rel=1e-4) and tokens == 3


@pytest.fixture(scope="module")
def poor(home: Home) -> str:
    """A model that has lost most of what 'toy' knows."""
    prune(home, "poor", {"method": "magnitude", "sparsity": 0.9})
    return "poor"


@pytest.mark.parametrize("tuner", ["lora", "full"])
def test_a_pruned_model_learns_from_the_one_it_was_pruned_from(tuner: str, home: Home, poor: str) -> None:
    objective = {"method": "distill", "learning_rate": 0.003, "alpha": 1.0}
    view = train(home, f"pupil-{tuner}", model=poor, tuner=tuner, objective=objective, max_steps=6, batch_size=6)
    points = [point for point in view.state.points if "eval_kl" in point]
    assert points[-1]["eval_kl"] < points[0]["eval_kl"] * 0.8
    assert points[0]["eval_loss"] == pytest.approx(points[0]["eval_kl"], rel=1e-3)
    assert {"kl", "nll", "loss"} <= {key for point in view.state.points for key in point}
    roles = {(parent.role, parent.name) for parent in read_manifest(home.models / f"pupil-{tuner}").parents}
    assert ("teacher", "toy") in roles and (("start" if tuner == "full" else "base"), poor) in roles
    assert pruned_from(home, home.models / f"pupil-{tuner}") == "toy"


def test_half_of_the_loss_is_the_answers(home: Home, sparse: str) -> None:
    objective = {"method": "distill", "temperature": 2.0}
    view = train(home, "half-half", model=sparse, objective=objective, max_steps=1, batch_size=6)
    point = next(point for point in view.state.points if "eval_kl" in point)
    assert point["eval_loss"] == pytest.approx(0.5 * 4 * point["eval_kl"] + 0.5 * point["eval_nll"], rel=1e-3)


def test_a_teacher_must_be_another_model_of_the_same_vocabulary(home: Home) -> None:
    def told(teacher: str) -> str:
        return problems_of(home, dataset="talks", objective={"method": "distill", "teacher": teacher})

    folder = toy_model(home, "stranger")
    data = json.loads((folder / "tokenizer.json").read_text())
    data["model"]["vocab"] = {token: (number + 1) % 400 for token, number in data["model"]["vocab"].items()}
    write_text(folder / "tokenizer.json", json.dumps(data))
    assert "different vocabularies" in told("stranger") and "its own teacher" in told("toy")
    assert "was not pruned from a model" in told("") and "no model 'nobody'" in told("nobody")
    assert told("deep") == ""
    with pytest.raises(SpecError):
        Train.parse({"model": "toy", "dataset": "talks", "objective": {"method": "distill", "alpha": 2}})


def test_names_within_a_layer() -> None:
    assert within("model.layers.11.mlp.down_proj.weight") == "mlp.down_proj.weight" and within("lm_head.weight") == ""
