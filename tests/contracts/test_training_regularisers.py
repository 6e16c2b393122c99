"""Label smoothing and NEFTune really act, in training alone; precision and determinism are what they say."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.running import wrong_with
from tests.toy_training import job, setup_for, train
from tests.toys import EXACT, conversations, toy_home
from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.models.loading import usual_dtype
from workbench.training.objective import OBJECTIVES
from workbench.training.row_attention import cleared_rows
from workbench.training.smoothing import smoothed_loss

GPU = Hardware(device="cuda", name="RTX 4090", memory=24 * 2**30, bf16=True)
OLD_GPU = Hardware(device="cuda", name="Tesla T4", memory=16 * 2**30, bf16=False)
UNPROBED = Hardware(device="cuda", name="NVIDIA GPU")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    made = toy_home(tmp_path_factory.mktemp("regularisers"))
    rows = [{**row, "metadata": {"weight": 1 + number}} for number, row in enumerate(conversations(4))]
    datasets.write_rows(made, "weighted", "conversation", rows)
    return made


def trainer_of(home: Home, folder: Path, dataset: str = "talks", **settings: Any) -> Any:
    objective = {"method": "sft", "learning_rate": 0.01, **settings}
    setup = setup_for(home, folder, 4, dataset, model="toy", objective=objective, max_steps=2, warmup=0)
    return OBJECTIVES.parse(objective).trainer(setup)


# ---- label smoothing ---------------------------------------------------------------------------------------


def test_the_smoothed_loss_is_what_it_is_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    targets, weights = torch.tensor([0, 1]), torch.tensor([1.0, 3.0])
    parts = []
    for row, target in (((2.0, 0.0, 0.0), 0), ((0.0, 1.0, 0.0), 1)):
        logs = [value - math.log(sum(map(math.exp, row))) for value in row]
        parts.append(-(0.9 * logs[target] + 0.1 * sum(logs) / 3))
    assert float(smoothed_loss(logits, targets, 0.1, None, None)) == pytest.approx(sum(parts) / 2)
    assert float(smoothed_loss(logits, targets, 0.1, weights, 4)) == pytest.approx((parts[0] + 3 * parts[1]) / 4)


@pytest.mark.parametrize("dataset", ["talks", "weighted"])
def test_label_smoothing_raises_the_loss_of_training_and_leaves_evaluations_alone(
    dataset: str, home: Home, tmp_path: Path
) -> None:
    found = []
    for epsilon in (0.0, 1e-9, 0.3):
        torch.manual_seed(0)
        trainer = trainer_of(home, tmp_path / str(epsilon), dataset, label_smoothing=epsilon)
        torch.manual_seed(1)
        with torch.no_grad():  # a model that is sure of something
            for name, weight in trainer.model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(0, 0.5)
        batch = next(iter(trainer.get_train_dataloader()))
        with torch.no_grad():
            losses = []
            for training in (True, False):
                with cleared_rows():
                    losses.append(float(trainer.compute_loss(trainer.model.train(training), dict(batch))))
        found.append(losses)
    (plain, plain_eval), (hardly, _), (smooth, smooth_eval) = found
    assert hardly == pytest.approx(plain, rel=1e-4) and abs(smooth - plain) > 0.002
    assert smooth_eval == pytest.approx(plain_eval, rel=1e-6)


def test_a_training_with_label_smoothing_learns(home: Home) -> None:
    settings = {"method": "sft", "learning_rate": 0.01, "label_smoothing": 0.1}
    view = train(home, "smoothed", objective=settings, max_steps=6)
    losses = [point["loss"] for point in view.state.points if "loss" in point]
    assert losses[-1] < losses[0] and any("tokens_per_second" in point for point in view.state.points)


# ---- NEFTune -----------------------------------------------------------------------------------------------


def noise_of(trainer: Any) -> list[float]:
    """How far each forward pass of the trainer's from now on is from the embeddings of its ids: filled as they come."""
    embedding, ids, found = trainer.model.get_input_embeddings(), [], []

    def look(module: Any, args: Any, kwargs: Any) -> None:
        hidden = kwargs.get("hidden_states", args[0] if args else None)
        found.append(float((hidden - embedding.weight[ids[-1]]).abs().max().detach()))

    embedding.register_forward_pre_hook(lambda module, args: ids.append(args[0]))
    trainer.model.base_model.model.model.layers[0].register_forward_pre_hook(look, with_kwargs=True)
    return found


def test_neftune_changes_embeddings_while_training_and_only_then(home: Home, tmp_path: Path) -> None:
    noise: dict[float, list[float]] = {}
    for alpha in (0.0, 5.0):
        trainer = trainer_of(home, tmp_path / str(alpha), neftune_alpha=alpha)
        noise[alpha] = noise_of(trainer)
        trainer.train()
        trainer.model.train()
        trainer.model(input_ids=torch.arange(3, 9)[None])  # the noise is gone with the training
        assert noise[alpha][-1] == 0
    assert max(noise[0.0]) == 0 < max(noise[5.0])
    assert 0 in noise[5.0][:-1], "evaluations are without it"


def test_distillation_has_no_label_smoothing() -> None:
    with pytest.raises(UserError, match="label_smoothing"):
        job(objective={"method": "distill", "label_smoothing": 0.1})


# ---- precision ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "hardware", "dtype", "arguments"),
    [
        ("auto", GPU, torch.bfloat16, {"bf16": True, "fp16": False}),
        ("auto", OLD_GPU, torch.float16, {"bf16": False, "fp16": True}),
        ("auto", EXACT, torch.float32, {"bf16": False, "fp16": False}),
        ("float32", GPU, torch.float32, {"bf16": False, "fp16": False}),
        ("float32", OLD_GPU, torch.float32, {"bf16": False, "fp16": False}),
        ("float16", GPU, torch.float16, {"bf16": False, "fp16": True}),
        ("bfloat16", GPU, torch.bfloat16, {"bf16": True, "fp16": False}),
    ],
)
def test_weights_and_products_are_of_the_precision(
    precision: str, hardware: Hardware, dtype: torch.dtype, arguments: dict[str, bool]
) -> None:
    settings = job(precision=precision)
    chosen = settings.in_precision(hardware)
    assert usual_dtype(chosen) == dtype and settings.precision_arguments(chosen) == arguments


@pytest.mark.parametrize(
    ("precision", "hardware", "refused"),
    [
        ("float16", EXACT, "This machine's CPU does not train in float16"),
        ("bfloat16", EXACT, "This machine's CPU does not compute bfloat16"),
        ("bfloat16", OLD_GPU, "The device (Tesla T4) does not compute bfloat16"),
        ("bfloat16", UNPROBED, ""),
        ("float32", EXACT, ""),
    ],
)
def test_a_precision_that_the_device_does_not_have_is_refused(precision: str, hardware: Hardware, refused: str) -> None:
    problems = Problems()
    job(precision=precision).check_precision(hardware, problems)
    assert [problem.message.startswith(refused) for problem in problems.found] == [True] * bool(refused)


def test_the_job_refuses_float16_on_a_cpu(home: Home) -> None:
    assert "precision: This machine's CPU does not train in float16. Choose auto." in wrong_with(
        home, job(precision="float16")
    )


def test_a_deterministic_training_uses_such_algorithms_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        view = train(home, "deterministic", deterministic=True)
        assert torch.are_deterministic_algorithms_enabled() and view.state.result["steps"] == 2
    finally:
        torch.use_deterministic_algorithms(False)
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
