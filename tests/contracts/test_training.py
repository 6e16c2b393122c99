"""What every objective and every tuner promises, held on toy models in this process."""

import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.running import carry
from tests.toy_training import setup_for, train
from tests.toys import EXACT, toy_home, toy_model
from workbench.core import hardware
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.data.store import datasets
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.jobs.worker import execute_job
from workbench.models.jobs.fold_adapter import Fold
from workbench.models.loading import load_base, load_tokenizer
from workbench.rendering.templates import get_template
from workbench.training import lean_trainer
from workbench.training.jobs.train import Train
from workbench.training.memory_estimate import estimate_memory
from workbench.training.objective import OBJECTIVES
from workbench.training.objectives.sft import Sft
from workbench.training.row_attention import cleared_rows
from workbench.training.tuner import TUNERS
from workbench.training.tuners.qlora import QLora

END_OF_TURN = 2
needs_bitsandbytes = pytest.mark.skipif(bool(QLora.unavailable()), reason=QLora.unavailable())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """A home with toys and 'taught', an SFT adapter that has moved far from its base; computed in float32."""
    made = toy_home(tmp_path_factory.mktemp("training"))
    toy_model(made, "teacher", seed=1)
    train(made, "taught", max_steps=4, objective={"method": "sft", "learning_rate": 0.02})
    return made


def dataset_for(objective: str) -> str:
    return "talks" if "conversation" in OBJECTIVES.get(objective).dataset_kinds else "pairs"


def settings_for(objective: str, tuner: str) -> dict[str, Any]:
    """Small and quick settings of each."""
    teacher = {"teacher": "teacher"} if "teacher" in OBJECTIVES.get(objective).model_fields else {}
    rank = {"r": 4} if "r" in TUNERS.get(tuner).model_fields else {}
    return {
        "objective": {"method": objective, "learning_rate": 0.01, **teacher},
        "tuner": {"method": tuner, **rank},
    }


def losses(view: JobRecord) -> list[float]:
    return [point["loss"] for point in view.state.points if "loss" in point]


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return model.eval()(input_ids=torch.arange(3, 40)[None]).logits


def trained(home: Home, name: str) -> Any:
    """What a training made, ready to answer: a whole model, or the toy with an adapter."""
    whole = read_manifest(home.models / name).kind == "model"
    return load_base(home.models / name, EXACT) if whole else with_adapter(home, name)


def with_adapter(home: Home, name: str, base: str = "toy") -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(load_base(home.models / base, EXACT), str(home.models / name))


# ---- every objective, every tuner --------------------------------------------------------------------------


@pytest.mark.parametrize("tuner", list(TUNERS.all()))
@pytest.mark.parametrize("objective", list(OBJECTIVES.all()))
def test_two_steps_make_something_that_changes_the_model(objective: str, tuner: str, home: Home) -> None:
    if reason := TUNERS.get(tuner).unavailable():
        pytest.skip(reason)
    name = f"{objective}-{tuner}"
    view = train(home, name, dataset=dataset_for(objective), **settings_for(objective, tuner))
    assert [point["step"] for point in view.state.points if "loss" in point] == [1, 2]
    numbers = [value for point in view.state.points for value in point.values()]
    assert all(value is not None and math.isfinite(value) for value in numbers)
    assert {"eval_loss", "learning_rate", "grad_norm", "memory_mb"} <= {key for p in view.state.points for key in p}
    assert view.state.result["steps"] == 2 and view.state.result["model"] == name
    assert read_manifest(home.models / name).kind == TUNERS.get(tuner).makes
    change = logits(trained(home, name)) - logits(load_base(home.models / "toy", EXACT))
    assert change.isfinite().all() and change.abs().max() > 1e-4


@pytest.mark.parametrize("tuner", list(TUNERS.all()))
def test_the_result_says_what_it_was_made_from(tuner: str, home: Home) -> None:
    name = f"lineage-{tuner}"
    if reason := TUNERS.get(tuner).unavailable():
        pytest.skip(reason)
    view = train(home, name, tuner=tuner, max_steps=1)
    manifest = read_manifest(home.models / name)
    base, data = read_manifest(home.models / "toy"), read_manifest(home.datasets / "talks")
    assert {(p.role, p.name, p.digest) for p in manifest.parents} == {
        ("base" if TUNERS.get(tuner).makes == "adapter" else "start", "toy", base.digest),
        ("dataset", "talks", data.digest),
    }
    assert manifest.made_by["job"] == view.id and manifest.info["steps"] == 1
    assert get_template("model", home.models / name).text == get_template("model", home.models / "toy").text


@pytest.mark.parametrize("setting", [{"targets": "attention"}, {"targets": "mlp"}, {"rslora": True}, {"dropout": 0.1}])
def test_every_setting_of_lora_trains(setting: dict[str, Any], home: Home) -> None:
    name = "lora-" + "-".join(str(part) for part in next(iter(setting.items())))
    assert len(losses(train(home, name, tuner={"method": "lora", "r": 2, **setting}))) == 2


@pytest.mark.parametrize("loss", ["sigmoid", "ipo", "hinge", "robust", "sigmoid_norm"])
def test_every_loss_of_dpo_trains(loss: str, home: Home) -> None:
    smoothing = 0.1 if loss == "robust" else 0.0
    objective = {"method": "dpo", "loss": loss, "label_smoothing": smoothing}
    view = train(home, f"loss-{loss}", dataset="pairs", objective=objective, max_steps=1)
    assert len(losses(view)) == 1


def test_the_same_seed_is_the_same_run_and_another_is_not(home: Home) -> None:
    first, second, other = (
        train(home, f"seed-{n}", seed=seed, max_steps=3, tuner={"method": "lora", "dropout": 0.1})
        for n, seed in enumerate((5, 5, 6))
    )
    assert losses(first) == losses(second) != losses(other)
    assert read_manifest(home.models / "seed-0").name == "seed-0"
    assert torch.equal(logits(with_adapter(home, "seed-0")), logits(with_adapter(home, "seed-1")))


def test_an_output_of_another_job_is_never_replaced(home: Home) -> None:
    """A failed job is resumed after another one took the name it wanted."""
    queue = Queue(home)
    job = Train(model="toy", dataset="talks", output="contested", max_steps=1, batch_size=2)
    view = queue.get(queue.submit(job, here=True))
    from workbench.jobs.events import EventLog

    EventLog(view.folder / "events.jsonl").status("failed")
    other = train(home, "contested", max_steps=1)
    queue.resume(view.id)
    before = signal.getsignal(signal.SIGTERM)
    assert execute_job(home, view.folder) == "failed"
    signal.signal(signal.SIGTERM, before)
    assert "exists already" in view.refresh().state.error
    assert read_manifest(home.models / "contested").made_by["job"] == other.id


# ---- SFT ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trainers(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Our CPU trainer and TRL's own, over the same model and rows."""
    with pytest.MonkeyPatch.context() as patch:
        ours = Sft().trainer(setup_for(home, tmp_path_factory.mktemp("ours")))
        patch.setattr(lean_trainer, "lean", lambda trainer: trainer)
        patch.setattr(lean_trainer, "compute_real_tokens_only", lambda *_: "")
        theirs = Sft().trainer(setup_for(home, tmp_path_factory.mktemp("theirs")))
        assert type(ours) is not type(theirs)
        yield ours, theirs


@pytest.mark.parametrize("items", [None, 37])
def test_the_loss_on_a_cpu_is_that_of_trl(items: int | None, trainers: tuple[Any, Any]) -> None:
    batch = next(iter(trainers[0].get_train_dataloader()))
    found = []
    for trainer in trainers:
        with cleared_rows():
            loss = trainer.compute_loss(
                trainer.model.train(), dict(batch), num_items_in_batch=items and torch.tensor(items)
            )
            loss.backward()
        found.append(loss)
    assert found[0].item() > 1 and found[0].item() == pytest.approx(found[1].item(), abs=1e-5)
    assert all(
        p.grad is not None and p.grad.isfinite().all() for p in trainers[0].model.parameters() if p.requires_grad
    )


def test_the_eval_loss_on_a_cpu_is_that_of_trl(trainers: tuple[Any, Any]) -> None:
    ours, theirs = (trainer.evaluate()["eval_loss"] for trainer in trainers)
    assert ours == pytest.approx(theirs, abs=1e-3)


def test_only_the_assistants_tokens_are_trained_and_always_the_end_of_turn(
    home: Home, trainers: tuple[Any, Any]
) -> None:
    tokenizer = load_tokenizer(home.models / "toy")
    rows = datasets.all_rows(home, "talks", "train")
    encoded = list(trainers[0].train_dataset)
    assert len(rows) == len(encoded)
    for row, made in zip(rows, encoded, strict=True):
        (span,) = made["spans"]
        trained = made["input_ids"][span["start"] : span["end"]]
        assert trained[-1] == END_OF_TURN
        assert tokenizer.decode(trained[:-1]).strip() == row["messages"][1]["content"]


def test_the_end_of_turn_stays_trained_where_it_is_also_the_padding(home: Home, trainers: tuple[Any, Any]) -> None:
    assert trainers[0].processing_class.pad_token_id == END_OF_TURN
    for batch in trainers[0].get_train_dataloader():
        ends = (batch["labels"] == END_OF_TURN).sum(dim=1)
        assert ends.tolist() == [1] * len(batch["labels"])
        assert (batch["labels"][batch["attention_mask"] == 0] == -100).all()


def test_training_on_all_tokens_trains_on_the_users_too(home: Home, tmp_path: Path) -> None:
    objective = {"method": "sft", "train_on": "all"}
    trainer = OBJECTIVES.parse(objective).trainer(setup_for(home, tmp_path, objective=objective))
    for batch in trainer.get_train_dataloader():
        assert torch.equal(batch["labels"] == -100, batch["attention_mask"] == 0)


# ---- DPO ---------------------------------------------------------------------------------------------------


def test_rows_count_as_their_weights_say(home: Home, tmp_path: Path) -> None:
    rows = datasets.all_rows(home, "talks", "train")[:6]
    weighed = [{**row, "metadata": {"weight": weight}} for row, weight in zip(rows, (0, 2, 0, 2, 0, 2), strict=True)]
    lost = []
    for name, made, size in (("weighed", weighed, 6), ("halved", rows[1::2], 3)):
        datasets.write_rows(home, name, "conversation", made)
        trainer = Sft(learning_rate=0.01).trainer(setup_for(home, tmp_path / name, size, name))
        batch = next(iter(trainer.get_train_dataloader()))
        tokens = int((batch["labels"][:, 1:] != -100).sum())
        lost.append(float(trainer.compute_loss(trainer.model.train(), dict(batch))) * tokens)
    # rows without weight are left out, and what is left counts alike
    assert lost[0] == pytest.approx(lost[1], rel=1e-4)


def test_turns_and_rows_count_as_their_weights_say(home: Home, tmp_path: Path) -> None:
    def turns(weight: float) -> list[dict[str, Any]]:
        said = {"role": "assistant", "content": "The wren sings."}
        asked = {"role": "user", "content": "Name a bird."}
        return [asked, said, asked, {**said, "weight": weight}, asked, {**said, "weight": 0.0}]

    rows = [{"messages": turns(0.5)}, {"messages": turns(1.5), "metadata": {"weight": 2}}]
    datasets.write_rows(home, "marked", "conversation", rows)
    trainer = Sft(learning_rate=0.01).trainer(setup_for(home, tmp_path, batch_size=2, dataset="marked"))
    batch = next(iter(trainer.get_train_dataloader()))
    loss = float(trainer.compute_loss(trainer.model.train(), dict(batch)))
    logits = trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    expected, counted = 0.0, 0.0
    weights_of_turns = sorted(((1, 0.5), (2, 3)), reverse=bool(batch["weights"][0].max() > batch["weights"][1].max()))
    for place, (row, weights) in enumerate(zip(batch["labels"], weights_of_turns, strict=True)):
        learned = [at for at in range(1, len(row)) if row[at] != -100]
        for number, at in enumerate(learned):
            weight = weights[number >= len(learned) // 2]
            expected -= weight * float(logits[place, at - 1].log_softmax(-1)[row[at]])
            counted += weight
    assert loss == pytest.approx(expected / counted, rel=1e-4)


def test_dpo_after_sft_starts_at_its_reference_the_frozen_adapter(home: Home) -> None:
    objective = {"method": "dpo", "learning_rate": 0.01}
    view = train(home, "preferring", model="taught", dataset="pairs", objective=objective)
    points = view.state.points
    start = next(point for point in points if "eval_rewards/margins" in point)
    assert start["step"] == 0 and start["eval_rewards/margins"] == pytest.approx(0, abs=1e-4)
    assert start["eval_loss"] == pytest.approx(math.log(2), abs=1e-3)
    assert [p for p in points if "eval_rewards/margins" in p][-1]["eval_rewards/margins"] != start[
        "eval_rewards/margins"
    ]
    moved = logits(with_adapter(home, "preferring")) - logits(with_adapter(home, "taught"))
    assert moved.abs().max() > 1e-4


def test_dpo_after_sft_makes_an_adapter_of_the_same_base(home: Home) -> None:
    train(home, "chained", model="taught", dataset="pairs", objective="dpo", max_steps=1)
    manifest = read_manifest(home.models / "chained")
    assert {(p.role, p.name) for p in manifest.parents} == {("base", "toy"), ("dataset", "pairs"), ("start", "taught")}
    names = sorted(path.name for path in (home.models / "chained").iterdir() if "safetensors" in path.name)
    assert names == ["adapter_model.safetensors"]
    assert not (home.models / "chained" / "ref").exists()


# ---- starts that are an adapter ----------------------------------------------------------------------------


def test_base_and_adapter_go_on_as_an_adapter_of_that_base(home: Home) -> None:
    """An adapter goes on over another base of its shape; at a learning rate of next to nothing it stays as it is."""
    objective = {"method": "sft", "learning_rate": 1e-12}
    view = train(home, "", model="teacher+taught", objective=objective, max_steps=1)
    manifest = read_manifest(home.models / view.state.result["model"])
    assert manifest.name == "teacher-taught-sft"
    assert {(p.role, p.name) for p in manifest.parents} == {
        ("base", "teacher"), ("dataset", "talks"), ("start", "taught"),
    }  # fmt: skip
    result, start = with_adapter(home, manifest.name, "teacher"), with_adapter(home, "taught", "teacher")
    assert torch.allclose(logits(result), logits(start), atol=1e-5)
    train(home, "moved", model="teacher+taught")
    assert (logits(with_adapter(home, "moved", "teacher")) - logits(start)).abs().max() > 1e-4


@pytest.mark.parametrize("model", ["taught", "teacher+taught"])
def test_all_weights_go_on_from_an_adapter_folded_into_its_base(model: str, home: Home) -> None:
    objective = {"method": "sft", "learning_rate": 1e-12}
    view = train(home, f"whole-{len(model)}", model=model, tuner="full", objective=objective, max_steps=1)
    manifest = read_manifest(home.models / f"whole-{len(model)}")
    base = "teacher" if "teacher" in model else "toy"
    assert manifest.kind == "model" and not (view.folder / "folded").exists()
    assert {(p.role, p.name) for p in manifest.parents} == {
        ("start", base), ("dataset", "talks"), ("start", "taught"),
    }  # fmt: skip
    result = logits(load_base(home.models / manifest.name, EXACT))
    assert torch.allclose(result, logits(with_adapter(home, "taught", base)), atol=1e-4)


# ---- QLoRA -------------------------------------------------------------------------------------------------


@torch.no_grad()
def seen(model: Any) -> torch.Tensor:
    """The logits in whichever mode the model is."""
    return model(input_ids=torch.arange(3, 200)[None]).logits.float()


@needs_bitsandbytes
def test_four_bit_weights_survive_an_eval_forward_saving_and_reloading(home: Home, tmp_path: Path) -> None:
    """bitsandbytes repacks them for AVX512-BF16 at the first forward in eval mode and never back."""
    fast = Hardware(device="cpu", cores=2, bf16=hardware._cpu_has_bf16())
    model = QLora().load(home.models / "toy", home.models / "taught", fast)
    before, evaluated, after = seen(model.train()), seen(model.eval()), seen(model.train())
    assert torch.equal(before, evaluated) and torch.equal(before, after)
    model.save_pretrained(tmp_path)
    assert torch.equal(before, seen(QLora().load(home.models / "toy", tmp_path, fast).eval()))


@needs_bitsandbytes
def test_qlora_holds_the_base_in_four_bits_and_trains_only_the_adapter(home: Home) -> None:
    import bitsandbytes

    model = QLora().load(home.models / "toy", None, EXACT)
    linear = [module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    assert len(linear) >= 14
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained and all("lora_" in name for name in trained)


# ---- folding -----------------------------------------------------------------------------------------------


def test_a_folded_adapter_answers_as_base_and_adapter_did(home: Home) -> None:
    carry(home, Fold(adapter="taught", output="folded"))
    folded = load_base(home.models / "folded", EXACT)
    assert torch.allclose(logits(folded), logits(with_adapter(home, "taught")), atol=1e-4)
    assert not torch.allclose(logits(folded), logits(load_base(home.models / "toy", EXACT)), atol=1e-2)
    manifest = read_manifest(home.models / "folded")
    assert manifest.kind == "model" and {parent.name for parent in manifest.parents} == {"toy", "taught"}


def test_a_folded_adapter_of_a_four_bit_run_is_folded_into_full_precision(home: Home) -> None:
    if QLora.unavailable():
        pytest.skip(QLora.unavailable())
    train(home, "four", tuner="qlora")
    carry(home, Fold(adapter="four"))
    assert torch.allclose(
        logits(load_base(home.models / "four-merged", EXACT)), logits(with_adapter(home, "four")), atol=1e-4
    )


@pytest.mark.parametrize("tuner", list(TUNERS.all()))
@pytest.mark.parametrize("objective", list(OBJECTIVES.all()))
def test_memory_is_estimated_for_every_objective_and_tuner(objective: str, tuner: str, home: Home) -> None:
    settings = settings_for(objective, tuner)
    job = Train.parse({"model": "toy", "dataset": dataset_for(objective), **settings})
    small, large = (estimate_memory(home, job.model_copy(update={"batch_size": rows}), EXACT) for rows in (2, 8))
    parts = large.to_dict()
    assert min(parts[name] for name in ("weights", "optimizer", "activations", "logits")) > 0
    assert large.total > small.total > 0
