"""The quantizers of transformers folders: the arithmetic by hand, estimates, refusals, and weights that stay intact."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import BitsAndBytesConfig

from tabs.figures import weight_histograms
from tests.toys import toy_dataset, toy_model
from workbench.cli.jobs import run_here
from workbench.compression import calibrated, histograms, separate_env
from workbench.compression.hf import Parts
from workbench.compression.quantizer import QUANTIZERS
from workbench.compression.quantizers.absmax import Absmax
from workbench.compression.quantizers.bnb_4bit import Bnb4Bit
from workbench.compression.quantizers.gptq import Gptq
from workbench.compression.quantizers.zeropoint import ZeroPoint
from workbench.compression.separate_env import CommandFailed, Environment
from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware, detect_hardware
from workbench.core.home import Home
from workbench.core.lineage import Manifest, read_manifest, write_manifest
from workbench.core.tasks import Task
from workbench.inference.loss import Encoded, encode, loss_of, measured_rows
from workbench.jobs.job import JOBS, JobStopped
from workbench.models.loading import load_base
from workbench.models.model_references import resolve
from workbench.training.tuners.full import Full
from workbench.training.tuners.qat import Qat

EXACT = Hardware()
WEIGHT = torch.tensor([[0.5, -1.0, 0.25], [2.54, 0.0, -0.02]])


def repacks() -> bool:
    """Whether bitsandbytes rearranges 4-bit weights for this processor."""
    from bitsandbytes.functional import has_avx512bf16

    return bool(has_avx512bf16())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home.at(tmp_path_factory.mktemp("quantizers"))
    toy_model(made, hidden=64, lessons=40)
    toy_dataset(made)
    return made


@pytest.fixture(scope="module")
def rows(home: Home) -> list[Encoded]:
    return encode(resolve(home, "toy"), measured_rows(home, "talks", 4)[1], "conversation")


def loss(model: Any, rows: list[Encoded]) -> float:
    return loss_of(model.eval(), rows).loss


def refusals(home: Home, name: str, **settings: Any) -> str:
    problems = Problems()
    QUANTIZERS.parse(settings).check(home, resolve(home, name), problems)
    return " ".join(map(str, problems.found))


# ---- the arithmetic, by hand ---------------------------------------------------------------------------------


def test_absmax_of_a_matrix_a_scale_a_row() -> None:
    numbers, scale, zero = Absmax().rounded(WEIGHT)
    assert torch.allclose(scale, torch.tensor([[1 / 127], [2.54 / 127]])) and not zero.any()
    assert numbers.tolist() == [[64, -127, 32], [127, 0, -1]]  # 63.5 → 64 and 31.75 → 32; 0.02 / 0.02 = 1


def test_absmax_of_a_matrix_one_scale_for_all() -> None:
    numbers, scale, _ = Absmax(scales="tensor").rounded(WEIGHT)
    assert math.isclose(float(scale), 0.02, rel_tol=1e-6)
    assert numbers.tolist() == [[25, -50, 12], [127, 0, -1]]  # 12.5 → 12: halves go to the even number


def test_zero_point_of_a_matrix_a_scale_a_row() -> None:
    numbers, scale, zero = ZeroPoint().rounded(WEIGHT)
    assert torch.allclose(scale, torch.tensor([[1.5 / 255], [2.56 / 255]]))
    assert zero.tolist() == [[42], [-126]]  # −128 + 170 and −128 + 2
    assert numbers.tolist() == [[127, -128, 42 + 42], [127, -126, -128]]  # 0.25 / (1.5 / 255) = 42.5 → 42


def test_zero_point_of_a_matrix_one_scale_for_all() -> None:
    numbers, scale, zero = ZeroPoint(scales="tensor").rounded(WEIGHT)
    assert math.isclose(float(scale), 3.54 / 255, rel_tol=1e-6) and float(zero) == -56  # −128 + 72
    assert numbers.tolist() == [[-20, -128, -38], [127, -56, -57]]


@pytest.mark.parametrize("method", [Absmax, ZeroPoint])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_weight_moves_by_more_than_half_a_step(method: Any, bits: int) -> None:
    weight = torch.randn(16, 64, generator=torch.Generator().manual_seed(1)) + 0.5
    numbers, scale, zero = method(bits=bits).rounded(weight)
    assert torch.equal(numbers, numbers.round()) and len(numbers.unique()) <= 2**bits
    # a zero point that was rounded itself may push the outermost weights by another half a step
    most = 0.5 if method is Absmax else 1.0
    assert (((numbers - zero) * scale - weight).abs() <= scale * most * 1.001).all()


def test_zeros_stay_zeros() -> None:
    for method in (Absmax(), ZeroPoint()):
        numbers, scale, zero = method.rounded(torch.zeros(2, 4))
        assert not ((numbers - zero) * scale).any() and torch.isfinite(scale).all()


def test_what_rounding_lost_is_measured() -> None:
    weight = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
    rounded = torch.tensor([[3.0, -4.5], [0.0, 0.0]])
    layer = histograms.layer_histogram("a", weight, rounded, torch.tensor([[0.5], [1.0]]), torch.zeros(2, 1))
    assert layer.mse == 0.0625 and layer.largest_error == 0.5
    assert layer.snr_db == 20.0  # 25 / 0.25 = 100
    assert (layer.low, layer.high) == (-4.5, 3.0) and sum(layer.before) == sum(layer.after) == 4
    assert layer.before[-1] == layer.after[-1] == 1 and (layer.before[0], layer.after[0]) == (0, 1)
    same = histograms.layer_histogram("b", weight, weight, torch.ones(1), torch.zeros(1))
    assert same.snr_db is None and histograms.histogram_summary([layer, same])["worst"][0]["layer"] == "a"


# ---- teaching quantizers as a job ------------------------------------------------------------------------------


def test_rounding_leaves_histograms_and_a_model_of_the_same_type(home: Home, rows: list[Encoded]) -> None:
    wanted = [{"method": "absmax", "bits": bits} for bits in (8, 3)]
    result = run_here(home, JOBS.parse({"method": "quantize", "model": "toy", "quantizers": wanted}))
    job = next(path for path in home.jobs.iterdir() if list(path.glob("histograms-*.json")))
    data = json.loads((job / "histograms-absmax-int3.json").read_text())
    assert {layer["name"] for layer in data["layers"]} == set(Parts.of(home.models / "toy").matrices)
    figures = [weight_histograms.errors(data), weight_histograms.histogram(data, data["layers"][0]["name"])]
    before, after = figures[1]["data"]
    assert sum(before["y"]) == sum(after["y"]) and sum(map(bool, after["y"])) <= sum(map(bool, before["y"]))
    assert json.dumps(figures)
    with pytest.raises(KeyError):
        weight_histograms.histogram(data, "no such layer")
    eight, three = (read_manifest(home.models / name).info["rounding"]["median_snr_db"] for name in result["models"])
    assert 24 < eight - three < 36  # five bits of 6 dB each
    losses = [loss(load_base(home.models / name, EXACT), rows) for name in ("toy", result["models"][0])]
    assert 0 < abs(losses[0] - losses[1]) < 0.01


# ---- headers and refusals --------------------------------------------------------------------------------------


def test_embeddings_head_and_norms_are_no_matrices(home: Home) -> None:
    parts = Parts.of(home.models / "toy")
    assert len(parts.matrices) == 14 and not any("embed" in name or "norm" in name for name in parts.matrices)
    assert parts.rest == 400 * 64 + 5 * 64


def test_a_quantized_model_is_refused(home: Home, tmp_path: Path) -> None:
    altered(home, "packed", quantization_config={"quant_method": "gptq"})
    assert "quantized already" in refusals(home, "packed", method="bnb-int8")
    assert "quantized already" in refusals(home, "packed", method="absmax")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"num_local_experts": 8}, "experts"),
        ({"model_type": "gpt2"}, "transposed"),
        ({"architectures": ["BertModel"]}, "no language model"),
    ],
)
def test_what_would_not_become_smaller_is_refused(home: Home, change: dict[str, Any], told: str) -> None:
    altered(home, "odd", **change)
    for method in ("bnb-4bit", "torchao-int8", "gptq"):
        assert told in refusals(home, "odd", method=method)


def altered(home: Home, name: str, **changes: Any) -> None:
    """The toy under another name with another config."""
    folder = home.models / name
    folder.mkdir(exist_ok=True)
    for path in (home.models / "toy").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_groups_are_halved_until_they_divide_the_widths() -> None:
    assert Gptq(group=128).fitting({576, 1536}) == 64
    assert Gptq(group=128).fitting({1024}) == 128
    assert Gptq(group=128).fitting({1000}) == 0


def test_bits_a_weight_of_double_quantization() -> None:
    rows, columns = 4096, 4096
    size, _ = Bnb4Bit()._packed(rows, columns)
    single, _ = Bnb4Bit(double_quantization=False)._packed(rows, columns)
    assert abs(8 * size / rows / columns - 4.127) < 0.001  # the paper's 4 + 8/64 + 32/(64·256)
    assert abs(8 * single / rows / columns - 4.5) < 0.001


# ---- weights that stay intact ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nf4(home: Home) -> Path:
    run_here(home, JOBS.parse({"method": "quantize", "model": "toy", "quantizers": ["bnb-4bit"]}))
    return home.models / "toy-nf4"


def test_an_answer_does_not_change_the_weights_of_a_quantized_folder(nf4: Path, rows: list[Encoded]) -> None:
    if not repacks():
        pytest.skip("bitsandbytes rearranges weights on CPUs with AVX512-BF16 only; this is none")
    model: Any = load_base(nf4, detect_hardware())
    weight = model.model.layers[0].mlp.up_proj.weight
    before = weight.data.clone()
    first = loss(model, rows)
    assert weight.data.shape == before.shape and torch.equal(weight.data, before)
    faster: Any = load_base(nf4, detect_hardware(), answers_only=True)
    assert abs(loss(faster, rows) - first) < 0.05
    assert faster.model.layers[0].mlp.up_proj.weight.data.shape != before.shape  # else the guard guards nothing


def test_answering_saving_and_loading_again_gives_the_same_loss(
    home: Home, rows: list[Encoded], tmp_path: Path
) -> None:
    if not repacks():
        pytest.skip("bitsandbytes rearranges weights on CPUs with AVX512-BF16 only; this is none")
    model: Any = load_base(home.models / "toy", detect_hardware(), four_bits())
    model.save_pretrained(tmp_path / "before")
    first = loss(model, rows)
    model.save_pretrained(tmp_path / "after")
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("before", "after"))
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert abs(loss(load_base(tmp_path / "after", detect_hardware()), rows) - first) < 1e-3


@pytest.mark.parametrize("packed", [True, False])
def test_qlora_folded_after_an_answer_gives_the_same_loss(
    home: Home, nf4: Path, rows: list[Encoded], packed: bool
) -> None:
    if not repacks():
        pytest.skip("bitsandbytes rearranges weights on CPUs with AVX512-BF16 only; this is none")
    hardware = detect_hardware()
    base = load_base(nf4, hardware) if packed else load_base(home.models / "toy", hardware, four_bits())
    torch.manual_seed(0)
    model: Any = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    first = loss(model, rows)
    assert abs(loss(model.merge_and_unload(), rows) - first) < 0.15


def four_bits() -> BitsAndBytesConfig:
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


# ---- quantization-aware training -------------------------------------------------------------------------------


def test_trained_while_rounded_it_loses_less_by_rounding(home: Home, tmp_path: Path, rows: list[Encoded]) -> None:
    aware, whole = Qat(bits=2, group=32), Full()
    after: dict[str, float] = {}
    for tuner in (aware, whole):
        model = tuner.load(home.models / "toy", None, EXACT).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        for step in range(24):
            row = rows[step % len(rows)]
            ids, labels = torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])
            model(input_ids=ids, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        folder = tmp_path / tuner.method
        tuner.save(model, home.models / "toy", folder)
        write_manifest(folder, Manifest(kind="model", name=tuner.method))
        plain = load_base(folder, EXACT)
        assert {type(one) for one in plain.modules() if isinstance(one, torch.nn.Linear)} == {torch.nn.Linear}
        after[tuner.method] = loss(aware.load(folder, None, EXACT), rows)  # rounded, as the next step would
    assert after["qat"] < after["full"] - 0.01


def test_quantization_aware_training_refuses_groups_that_do_not_divide(home: Home) -> None:
    reason = Qat(group=48).reason_against(home.models / "toy", None)
    assert reason and "48" in reason.message and Qat(group=32).reason_against(home.models / "toy", None) is None


# ---- environments of their own ---------------------------------------------------------------------------------


def test_a_command_is_heard_line_by_line_and_its_end_noticed() -> None:
    heard: list[str] = []
    separate_env.run_command([sys.executable, "-c", "print('a'); print('b')"], heard.append, Task())
    assert heard == ["a", "b"]
    with pytest.raises(CommandFailed) as caught:
        separate_env.run_command([sys.executable, "-c", "print('why'); raise SystemExit(3)"], heard.append, Task())
    assert caught.value.code == 3 and caught.value.lines == ["why"]


def test_a_silent_command_is_stopped_soon() -> None:
    asked = iter(range(10))

    def stop() -> None:
        if next(asked) > 1:
            raise JobStopped

    with pytest.raises(JobStopped):
        separate_env.run_command([sys.executable, "-c", "import time; time.sleep(60)"], print, Task(check_stop=stop))


def test_an_environment_that_cannot_be_installed_says_so_and_leaves_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(command: list[str], hear: Any, stop: Any, needs: Any = ()) -> None:
        raise CommandFailed(1, ["Collecting x", "ERROR: No matching distribution found for x==1"])

    monkeypatch.setattr(separate_env, "run_command", offline)
    wanted = Environment("nothing", ("x==1",))
    with pytest.raises(UserError, match=r"No matching distribution.*internet"):
        separate_env.ensure(home, wanted, Task())
    assert not wanted.folder(home).exists() and not wanted.ready(home)


def test_an_environment_is_made_once_and_sees_this_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[list[str]] = []
    real = separate_env.run_command
    monkeypatch.setattr(separate_env, "run_command", lambda command, *_, **__: installed.append(command))
    wanted = Environment("empty", ("x==1",))
    pythons = {separate_env.ensure(home, wanted, Task()) for _ in range(2)}
    assert len(pythons) == 1 and len(installed) == 1 and installed[0][-1] == "x==1"
    heard: list[str] = []
    real([str(pythons.pop()), "-c", "import pydantic; print(pydantic.__file__)"], heard.append, Task())
    assert "site-packages" in heard[0]


def test_the_script_of_the_other_environment_is_there() -> None:
    assert calibrated.SCRIPT.is_file() and all("==" in pin for pin in calibrated.LLM_COMPRESSOR.pins)
