"""Adapters that were trained with scaled positions: whatever loads base and adapter gives the base those positions."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.chatting import load
from tests.running import carry, run, wrong_with
from tests.toy_training import ended_and_resumed, job, train
from tests.toys import EXACT, preferences, toy_adapter, toy_home
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest, write_manifest
from workbench.data.store.datasets import write_rows
from workbench.family.model_card import model_card
from workbench.inference import engine as engine_module
from workbench.inference.backend_transformers import TransformersBackend
from workbench.inference.engine import Engine
from workbench.inference.vllm_adapters import reason_against_adapter
from workbench.jobs.job import JOBS
from workbench.models.adapters import adapter_kind
from workbench.models.base_settings import BASE_SETTINGS_FILE, base_settings, config_over, settings_over
from workbench.models.loading import attach_adapter, load_base, load_whole
from workbench.models.model_import import import_folder
from workbench.models.model_references import resolve
from workbench.models.rope_scaling import context_tokens, loaded_context_tokens, scaled_settings
from workbench.training.memory_estimate import estimate_memory
from workbench.training.tuners.qlora import QLora

KINDS = ("linear", "yarn", "dynamic")
LONG = torch.arange(3, 3 + 700)[None] % 60  # longer than the 512 tokens of 'toy'
needs_bitsandbytes = pytest.mark.skipif(bool(QLora.unavailable()), reason=QLora.unavailable())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    home = toy_home(tmp_path_factory.mktemp("rope-adapters"))
    for kind in KINDS:
        scaled_adapter(home, kind, kind)
    toy_adapter(home, "plain", seed=6)
    return home


def scaled_adapter(home: Home, name: str, kind: str, factor: float = 4.0, base: str = "toy", seed: int = 5) -> Path:
    """An adapter with random weights that asks for scaled positions."""
    folder = toy_adapter(home, name, seed=seed, base=base)
    settings = scaled_settings(json.loads((home.models / base / "config.json").read_text()), kind, factor)
    (folder / BASE_SETTINGS_FILE).write_text(json.dumps(settings))
    write_manifest(folder, read_manifest(folder))
    return folder


def tuner(kind: str, method: str = "lora", **more: Any) -> dict[str, Any]:
    return {"method": method, "rope_scaling": kind, "rope_factor": 4, "r": 4, **more}


def by_hand(home: Home, name: str) -> Any:
    """What anybody does with transformers and PEFT alone, as README says."""
    settings = json.loads((home.models / name / "base_config.json").read_text())
    base = AutoModelForCausalLM.from_pretrained(home.models / "toy", dtype=torch.float32, **settings)
    return PeftModel.from_pretrained(base, str(home.models / name)).eval()


@torch.no_grad()
def logits(model: Any, ids: torch.Tensor = LONG) -> torch.Tensor:
    found: torch.Tensor = model.eval()(input_ids=ids).logits
    return found.clone()


def whole(home: Home, name: str) -> torch.Tensor:
    resolved = resolve(home, name)
    return logits(load_whole(resolved.base, resolved.adapter, EXACT))


# ---- training ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_adapter_says_what_its_base_needs_and_peft_alone_computes_the_same(kind: str, home: Home) -> None:
    name = f"trained-{kind}"
    train(home, name, tuner=tuner(kind), max_steps=2)
    settings = base_settings(home.models / name)
    assert settings["rope_parameters"]["rope_type"] == kind and settings["rope_parameters"]["factor"] == 4
    assert context_tokens(settings) == 4 * 512
    manifest = read_manifest(home.models / name)
    assert manifest.info["rope_scaling"].endswith("× 4")
    ours = whole(home, name)
    assert torch.equal(ours, logits(by_hand(home, name)))
    unscaled = attach_adapter_by_hand(home, name)
    assert (ours - unscaled).abs().max() > 1e-3  # the positions matter to it
    with pytest.raises(UserError, match="was loaded without"):
        attach_adapter(load_base(home.models / "toy", EXACT), home.models / name)


def attach_adapter_by_hand(home: Home, name: str) -> torch.Tensor:
    base: Any = load_base(home.models / "toy", EXACT)
    return logits(PeftModel.from_pretrained(base, str(home.models / name)))


def test_an_adapter_learns_with_the_positions_that_it_asks_for(home: Home) -> None:
    """The first loss of a run that goes on is that of base and adapter as every loader has them."""
    settings: dict[str, Any] = {"max_steps": 1, "eval_every": 1}
    before = train(home, "first-steps", tuner=tuner("yarn"), **settings)
    after = train(home, "further", model="first-steps", tuner={"method": "lora"}, **settings)
    told = before.state.result["eval_loss_last"]
    assert after.state.result["eval_loss_first"] == pytest.approx(told, abs=1e-4)
    assert base_settings(home.models / "further") == base_settings(home.models / "first-steps")
    assert read_manifest(home.models / "further").info["rope_scaling"] == "YaRN × 4"


def test_an_adapter_keeps_its_scaling_and_other_settings_are_refused(home: Home) -> None:
    text = wrong_with(home, job(model="yarn", output="x", tuner=tuner("linear")))
    assert "tuner.rope_scaling: 'yarn' was trained with YaRN × 4, and keeps that." in text
    assert not wrong_with(home, job(model="yarn", output="x", tuner=tuner("yarn")))
    assert not wrong_with(home, job(model="yarn", output="x", tuner={"method": "lora"}))
    facts = dict(map(tuple, job(model="yarn", output="x", tuner={"method": "lora"}).facts(home)))
    assert facts["RoPE scaling"] == "YaRN × 4: kept of 'yarn', 2,048 tokens"


def test_an_adapter_without_scaling_can_go_on_with_it(home: Home) -> None:
    train(home, "stretched", model="plain", tuner=tuner("linear"), max_steps=1)
    assert base_settings(home.models / "stretched")["max_position_embeddings"] == 2048


@pytest.mark.parametrize("kind", ["yarn", "dynamic"])
def test_a_run_that_goes_on_from_a_checkpoint_comes_to_the_same_bytes(kind: str, home: Home) -> None:
    settings: dict[str, Any] = {
        "tuner": tuner(kind, dropout=0.1), "checkpoint_every": 2, "eval_every": 100, "max_steps": 4,
    }  # fmt: skip
    train(home, f"whole-{kind}", **settings)
    view = ended_and_resumed(home, job(output=f"ended-{kind}", **settings), 3)
    assert view.status == "done" and "Going on from step 2." in view.state.notes, view.error
    names = [f"whole-{kind}", f"ended-{kind}"]
    digests = {hashlib.sha256((home.models / n / "adapter_model.safetensors").read_bytes()).hexdigest() for n in names}
    assert len(digests) == 1 and base_settings(home.models / names[0]) == base_settings(home.models / names[1])


def test_dpo_starts_at_its_reference_and_keeps_the_scaling(home: Home) -> None:
    rows = preferences(8)
    write_rows(home, "few-pairs", "preference", rows[2:], rows[:2])
    for model, settings in (("toy", tuner("yarn")), ("yarn", {"method": "lora"})):
        name = f"dpo-{model}"
        view = train(home, name, model=model, dataset="few-pairs", tuner=settings, max_steps=1,
                     objective={"method": "dpo", "learning_rate": 1e-3})  # fmt: skip
        # the reference has the same positions: the margin is 0 and the loss log 2 before the first step
        assert view.state.result["train_loss_first"] == pytest.approx(0.6931, abs=1e-4)
        assert base_settings(home.models / name) == base_settings(home.models / "yarn")


@needs_bitsandbytes
def test_qlora_and_a_quantized_base_have_the_positions_too(home: Home) -> None:
    carry(home, JOBS.parse({"method": "quantize", "model": "toy", "quantizers": ["bnb-4bit"]}))
    for model, method in (("toy", "qlora"), ("toy-nf4", "qlora"), ("toy-nf4", "lora")):
        name = f"{method}-of-{model}"
        train(home, name, model=model, tuner=tuner("yarn", method), max_steps=1)
        assert base_settings(home.models / name) == base_settings(home.models / "yarn")
        resolved = resolve(home, name)
        loaded = load_whole(resolved.base, resolved.adapter, EXACT)
        assert loaded_context_tokens(loaded) == 2048
        assert loaded.get_base_model().model.rotary_emb.attention_scaling > 1.1


def test_a_longer_context_counts_in_the_estimate_of_memory(home: Home) -> None:
    totals = [estimate_memory(home, job(tuner=tuner("yarn"), max_length=length), EXACT).total for length in (512, 2048)]
    assert totals[1] > totals[0]


# ---- answering and measuring -------------------------------------------------------------------------------


def test_adapters_of_different_scaling_do_not_disturb_one_another(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    scaled_adapter(home, "yarn-too", "yarn", seed=9)
    names = ["toy", "plain", *KINDS, "yarn-too"]
    alone = {name: whole(home, name) for name in names}
    engine = Engine(home)
    load(engine, *names)
    for name in (*names, *reversed(names), "yarn", "toy", "dynamic", "plain", "dynamic"):
        assert torch.equal(logits(engine.model(name).torch_model()), alone[name]), name
    assert len({id(engine.answering(name).base) for name in names}) == 4  # the base's own, and one of each scaling
    assert engine.answering("yarn").base is engine.answering("yarn-too").base
    assert "on, YaRN × 4 · " in engine.answering("yarn").weights()
    assert engine.answering("yarn").room([1] * 600) > 1000  # 'toy' itself takes 512 tokens
    assert (alone["yarn"] - alone["linear"]).abs().max() > 1e-3


@pytest.mark.parametrize("in_float32", [False, True])
def test_what_it_costs_is_measured_with_the_adapters_positions(in_float32: bool, home: Home) -> None:
    backend = TransformersBackend.of(resolve(home, "yarn"), 1, exact=in_float32)
    assert backend.longest == 2048
    ids = LONG[0].tolist()
    measured = torch.tensor(next(backend.logits(ids, [len(ids) - 1])))
    assert (measured - whole(home, "yarn")[0, -1:]).abs().max() < 1e-4
    text = {"method": "cost", "original": "yarn", "variants": ["toy"]}
    assert not wrong_with(home, JOBS.parse({**text, "context": 1024}))
    assert "takes 512 tokens at most" in wrong_with(home, JOBS.parse({**text, "original": "plain", "context": 1024}))


# ---- made of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "yarn"])
def test_the_folded_model_runs_the_same_in_transformers_alone(kind: str, home: Home) -> None:
    run(home, JOBS.parse({"method": "fold-adapter", "adapter": kind, "output": f"folded-{kind}"}))
    config = json.loads((home.models / f"folded-{kind}" / "config.json").read_text())
    assert config["rope_parameters"]["rope_type"] == kind and config["max_position_embeddings"] == 2048
    theirs = AutoModelForCausalLM.from_pretrained(home.models / f"folded-{kind}", dtype=torch.float32)
    found = logits(theirs)
    assert torch.equal(found, whole(home, f"folded-{kind}"))
    assert torch.allclose(found, whole(home, kind), atol=1e-3)


def test_adapters_are_combined_where_their_scaling_is_the_same(home: Home) -> None:
    scaled_adapter(home, "yarn-other", "yarn", seed=8)
    common: dict[str, Any] = {"method": "combine-adapters", "output": "both"}
    text = wrong_with(home, JOBS.parse({**common, "adapters": ["yarn", "linear"]}))
    assert "different RoPE scalings (yarn YaRN × 4, linear linear interpolation × 4)" in text
    assert "plain none" in wrong_with(home, JOBS.parse({**common, "adapters": ["yarn", "plain"]}))
    run(home, JOBS.parse({**common, "adapters": ["yarn", "yarn-other"]}))
    assert base_settings(home.models / "both") == base_settings(home.models / "yarn")


def test_an_average_of_checkpoints_keeps_the_scaling(home: Home) -> None:
    view = train(home, "averaged-run", tuner=tuner("linear"), max_steps=4, checkpoint_every=2, keep_checkpoints=2)
    run(home, JOBS.parse({"method": "average-checkpoints", "training": view.folder.name, "output": "averaged"}))
    assert base_settings(home.models / "averaged") == base_settings(home.models / "averaged-run")
    assert whole(home, "averaged").isfinite().all()


def test_an_adapter_taken_out_of_a_scaled_model_asks_for_its_positions(home: Home) -> None:
    run(home, JOBS.parse({"method": "fold-adapter", "adapter": "yarn", "output": "tuned-yarn"}))
    run(home, JOBS.parse({"method": "extract-lora", "model": "tuned-yarn", "base": "toy", "output": "taken",
                          "energy": 1.0}))  # fmt: skip
    assert base_settings(home.models / "taken") == base_settings(home.models / "yarn")
    assert torch.allclose(whole(home, "taken"), whole(home, "tuned-yarn"), atol=1e-2)
    text = wrong_with(home, JOBS.parse({"method": "extract-lora", "model": "yarn", "base": "toy", "output": "x"}))
    assert "asks for other positions than its base has" in text


def test_a_merge_of_whole_models_takes_it_folded_only(home: Home) -> None:
    recipe = {"merge_method": "linear", "dtype": "float32",
              "models": [{"model": name, "parameters": {"weight": 0.5}} for name in ("yarn", "toy")]}  # fmt: skip
    text = wrong_with(home, JOBS.parse({"method": "merge", "recipe": json.dumps(recipe), "output": "x"}))
    assert "was trained with YaRN × 4" in text and "Fold it into its base" in text


def test_over_a_gguf_and_in_vllm_it_is_refused_with_the_way_out(home: Home) -> None:
    carry(home, JOBS.parse({"method": "quantize", "model": "toy", "prefix": "toy-of",
                            "quantizers": [{"method": "gguf", "type": "F16"}]}))  # fmt: skip
    with pytest.raises(UserError, match=r"trained with YaRN × 4.*Fold the adapter into its base and quantize that"):
        from workbench.models.model_references import ANSWERS

        ANSWERS.resolve(home, "toy-of-f16+yarn")
    assert "YaRN × 4" in reason_against_adapter(home.models / "yarn")


@pytest.mark.prove
@pytest.mark.parametrize("kind", ["linear", "yarn"])
def test_a_gguf_of_it_carries_the_scaling(kind: str, home: Home) -> None:
    from gguf import GGUFReader

    carry(home, JOBS.parse({"method": "quantize", "model": kind, "prefix": f"{kind}-of",
                            "quantizers": [{"method": "gguf", "type": "F16"}]}))  # fmt: skip
    fields = GGUFReader(home.models / f"{kind}-of-f16" / "model.gguf").fields
    values = {name.partition(".")[2]: field.contents() for name, field in fields.items() if "rope" in name}
    assert values["rope.scaling.type"] == kind and values["rope.scaling.factor"] == 4
    assert kind != "yarn" or values["rope.scaling.original_context_length"] == 512


# ---- what it may stand on, and who may have written it -----------------------------------------------------


def test_another_base_must_be_able_to_have_those_positions(home: Home) -> None:
    for name, rope in (("thetaful", {"rope_theta": 5e5, "rope_type": "default"}),
                       ("longer", {"rope_theta": 1e4, "rope_type": "linear", "factor": 2.0})):  # fmt: skip
        folder = home.models / name
        shutil.copytree(home.models / "toy", folder, dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "rope_parameters": rope}))
        write_manifest(folder, read_manifest(folder).model_copy(update={"name": name}))
        with pytest.raises(UserError, match=r"trained with YaRN × 4.*(RoPE base of|scaled positions already)"):
            settings_over(folder, home.models / "yarn")
        assert "trained with YaRN × 4" in wrong_with(home, job(model=f"{name}+yarn", output="x"))
    run(home, JOBS.parse({"method": "fold-adapter", "adapter": "yarn", "output": "has-it"}))
    assert settings_over(home.models / "has-it", home.models / "yarn") == {}
    assert context_tokens(config_over(home.models / "toy", home.models / "yarn")) == 2048
    assert config_over(home.models / "toy", None)["max_position_embeddings"] == 512


def test_it_is_imported_with_what_it_asks_for(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.models / "yarn", tmp_path / "theirs", ignore=shutil.ignore_patterns("manifest.yaml"))
    import_folder(home, tmp_path / "theirs", "imported", base="toy")
    assert adapter_kind(home.models / "imported").scaling == "YaRN × 4"
    assert torch.equal(whole(home, "imported"), whole(home, "yarn"))
    manifest = read_manifest(home.models / "imported")
    assert manifest.info["rope_scaling"] == "YaRN × 4"
    card = model_card(manifest)
    assert "trained with RoPE scaling (YaRN × 4)" in card and 'from_pretrained("toy", **json.load(file))' in card
    assert "AutoPeftModelForCausalLM" in model_card(read_manifest(home.models / "plain"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hidden_size": 4}, "asks for hidden_size, which is no setting of positions"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 2, "rope_theta": 1e4}}, "names no RoPE scaling"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4000, "rope_theta": 1e4}}, "has no factor above 1"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": "4", "rope_theta": 1e4}}, "has a factor that is not"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4, "rope_theta": 1e4, "x": 1}}, "has a x that is not"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4}}, "has no rope_theta"),
        ({"max_position_embeddings": "many"}, "has no max_position_embeddings"),
    ],
)
def test_a_file_that_asks_for_anything_else_is_refused(
    changes: dict[str, Any], reason: str, home: Home, tmp_path: Path
) -> None:
    shutil.copytree(home.models / "yarn", tmp_path / "theirs", ignore=shutil.ignore_patterns("manifest.yaml"))
    settings = json.loads((tmp_path / "theirs" / BASE_SETTINGS_FILE).read_text())
    (tmp_path / "theirs" / BASE_SETTINGS_FILE).write_text(json.dumps({**settings, **changes}))
    with pytest.raises((UserError, SpecError), match=re.escape(reason)):
        import_folder(home, tmp_path / "theirs", "refused", base="toy")


def test_no_loader_goes_past_the_one_place() -> None:
    """PEFT is asked to put an adapter on a base where positions are looked after, or on a base without weights."""
    direct = re.compile(r"from peft import .*PeftModel|\.load_adapter\(")
    found = {path.as_posix() for path in Path("workbench").rglob("*.py") if direct.search(path.read_text("utf-8"))}
    hollow = {"workbench/models/adapted.py", "workbench/merging/combining.py"}
    assert found == {"workbench/models/loading.py", "workbench/inference/bases.py"} | hollow
