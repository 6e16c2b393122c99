"""The estimate of a training's memory, held against what autograd keeps of a toy."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from trl.trainer.utils import add_fused_lm_head

from tests.toys import toy_home, toy_model
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.training.activation_memory import Batch, LayerSizes, activation_bytes, kept_activations
from workbench.training.jobs.train import Train
from workbench.training.lora_forward import compute_lora_in_one_step
from workbench.training.memory_estimate import estimate_memory
from workbench.training.tuner import TUNERS
from workbench.training.unpadded_forward import compute_real_tokens_only

ROWS, LENGTH = 4, 127  # a prime, so that no weight looks like an activation
FLOATS = Hardware(device="cpu", cores=2, bf16=False)
HALF = Hardware(device="cpu", cores=2, bf16=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = toy_home(tmp_path_factory.mktemp("estimate"))
    toy_model(home, "deep", hidden=64, layers=6)
    toy_model(home, "shallow", hidden=64, layers=2)
    return home


def kept_bytes(
    home: Home, model: str, tuner: str, hardware: Hardware, padded: bool, checkpointing: bool = False
) -> int:
    """Bytes of activations that a forward pass keeps for the backward pass, each storage once; weights and their
    autocast copies, which have no row for each token, left out."""
    loaded: Any = TUNERS.parse({"method": tuner}).load(home.models / model, None, hardware)
    add_fused_lm_head(getattr(loaded, "base_model", loaded).model if tuner == "lora" else loaded)
    loaded.train()
    if checkpointing:
        loaded.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    ids = torch.randint(5, 390, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    if padded:
        mask[0, -1] = 0
    compute_lora_in_one_step(loaded)
    compute_real_tokens_only(loaded, padded)
    storages: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.numel() and tensor.numel() % LENGTH == 0:
            storages[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    autocast = torch.autocast("cpu", torch.bfloat16) if hardware.bf16 else nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast:
        loaded(input_ids=ids, attention_mask=mask, labels=ids, use_cache=False, fused_lm_head=True)
    return sum(tensor.untyped_storage().nbytes() for tensor in storages.values())


@pytest.mark.parametrize("hardware", [FLOATS, HALF], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("tuner", ["lora", "full"])
@pytest.mark.parametrize("padded", [False, True], ids=["end-to-end", "padded"])
def test_a_layer_keeps_the_activations_that_the_formula_says(
    tuner: str, hardware: Hardware, padded: bool, home: Home
) -> None:
    deep, shallow = (kept_bytes(home, model, tuner, hardware, padded) for model in ("deep", "shallow"))
    folder = home.models / "deep"
    held = TUNERS.parse({"method": tuner}).weight_facts(folder, None, hardware)
    expected = activation_bytes(LayerSizes.of(folder), Batch(ROWS, LENGTH, hardware, padded), held)
    assert (deep - shallow) / 4 == pytest.approx(expected, rel=0.02)


def test_checkpointing_keeps_the_inputs_of_layers(home: Home) -> None:
    deep, shallow = (kept_bytes(home, model, "full", FLOATS, True, checkpointing=True) for model in ("deep", "shallow"))
    sizes, batch = LayerSizes.of(home.models / "deep"), Batch(ROWS, LENGTH, FLOATS, True)
    assert (deep - shallow) / 4 == batch.tokens * sizes.hidden * 4
    held = TUNERS.parse("full").weight_facts(home.models / "deep", None, FLOATS)
    assert kept_activations(sizes, batch, held, True) < kept_activations(sizes, batch, held, False) / 2


def test_the_trained_parameters_are_those_that_get_gradients(home: Home) -> None:
    for tuner in ("lora", "full"):
        loaded = TUNERS.parse(tuner).load(home.models / "toy", None, FLOATS)
        held = TUNERS.parse(tuner).weight_facts(home.models / "toy", None, FLOATS)
        trained = sum(weight.numel() for weight in loaded.parameters() if weight.requires_grad)
        assert held.trained_parameters == trained


def job(**settings: Any) -> Train:
    return Train.parse({"model": "toy", "dataset": "talks", **settings})


def test_every_setting_that_takes_memory_is_counted(home: Home) -> None:
    plain = estimate_memory(home, job(), FLOATS)
    assert plain.total == sum(plain.to_dict().values())
    assert estimate_memory(home, job(batch_size=8), FLOATS).activations == 2 * plain.activations
    assert estimate_memory(home, job(max_length=1024), FLOATS).activations == 2 * plain.activations
    assert estimate_memory(home, job(gradient_checkpointing=True), FLOATS).activations < plain.activations
    full = estimate_memory(home, job(tuner="full", gradient_accumulation=2), FLOATS)
    assert full.weights == full.gradients == full.optimizer / 2
    assert estimate_memory(home, job(tuner="full", optimizer="sgd"), FLOATS).optimizer < full.optimizer


def test_whole_models_have_a_reference_of_their_own_in_dpo(home: Home) -> None:
    pairs = {"objective": "dpo", "dataset": "pairs"}
    assert estimate_memory(home, job(**pairs), FLOATS).other == 0
    whole = estimate_memory(home, job(tuner="full", **pairs), FLOATS)
    assert whole.other == whole.weights


def test_config_that_says_too_little_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(Exception, match="too little of its layers"):
        LayerSizes.of(tmp_path)
