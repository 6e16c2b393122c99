"""Perplexity of the starter model quantized, as a ratio to its own, on conversations it has not seen."""

import json
import os
from typing import Any

import pytest

from workbench.cli.jobs import run_here
from workbench.compression.calibrated import Calibrated
from workbench.compression.quantizer import QUANTIZERS
from workbench.core.assets import ASSETS
from workbench.core.hardware import detect_hardware
from workbench.core.home import Home
from workbench.inference.loss import Encoded, encode, loss_of
from workbench.jobs.job import JOBS
from workbench.models import starter
from workbench.models.loading import load_base
from workbench.models.model_references import resolve

pytestmark = [pytest.mark.timeout(1800), pytest.mark.prove]
KEPT = "WORKBENCH_ENVIRONMENTS"
RATIOS = {"bnb-int8": 1.04, "torchao-int8": 1.02, "bnb-4bit": 1.40, "gptq": 1.50}
"""How many times the perplexity may be the original's; files may be as large as these parts of its own."""
SIZES = {"bnb-int8": 0.63, "torchao-int8": 0.63, "bnb-4bit": 0.43, "gptq": 0.43}


@pytest.fixture(scope="module")
def rows(starter_home: Home) -> list[Encoded]:
    lines = (ASSETS / "merging" / "held_out.jsonl").read_text("utf-8").splitlines()[:12]
    return encode(resolve(starter_home, starter.STARTER_NAME), [json.loads(line) for line in lines], "conversation")


@pytest.fixture(scope="module")
def original(starter_home: Home, rows: list[Encoded]) -> float:
    return perplexity(starter_home, starter.STARTER_NAME, rows)


def perplexity(home: Home, name: str, rows: list[Encoded]) -> float:
    model: Any = load_base(resolve(home, name).base, detect_hardware()).eval()
    return loss_of(model, rows).perplexity


@pytest.mark.parametrize("method", RATIOS)
def test_it_predicts_nearly_as_well(starter_home: Home, rows: list[Encoded], original: float, method: str) -> None:
    quantizer = QUANTIZERS.get(method)
    if reason := quantizer.unavailable():
        pytest.skip(f"{quantizer.title}: {reason}")
    if issubclass(quantizer, Calibrated):
        if KEPT not in os.environ:
            pytest.skip(f"{quantizer.title} takes minutes and 150 MB from PyPI; set {KEPT} to a folder, and it runs.")
        (starter_home.cache / "environments").symlink_to(os.environ[KEPT])
    job = JOBS.parse({"method": "quantize", "model": starter.STARTER_NAME, "quantizers": [method]})
    made = run_here(starter_home, job)["made"][0]
    ratio = perplexity(starter_home, made["model"], rows) / original
    size = sum(path.stat().st_size for path in (starter_home.models / starter.STARTER_NAME).glob("*.safetensors"))
    estimate = QUANTIZERS.parse(method).estimate(resolve(starter_home, starter.STARTER_NAME)).bytes
    print(f"{method}: perplexity × {ratio:.3f}, {made['bytes'] / 1e6:.0f} MB, estimated {estimate / 1e6:.0f} MB")
    assert ratio < RATIOS[method]
    assert made["bytes"] < SIZES[method] * size and abs(estimate / made["bytes"] - 1) < 0.02
