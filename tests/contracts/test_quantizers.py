"""What every quantizer promises: the size it said, a model that loads and answers, a loss close to the original's."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.toys import toy_dataset, toy_model
from workbench.cli.jobs import run_here
from workbench.compression.calibrated import LLM_COMPRESSOR, Calibrated
from workbench.compression.quantizer import QUANTIZERS, Quantizer
from workbench.compression.quantizers.zeropoint import ZeroPoint
from workbench.core.errors import Problems
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.inference.backend_transformers import TransformersBackend
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.inference.loss import Encoded, encode, loss_of, measured_rows
from workbench.jobs.job import JOBS, STOP_FILE
from workbench.jobs.queue import Queue
from workbench.jobs.worker import execute_job
from workbench.models.loading import load_base
from workbench.models.model_references import gguf_file, resolve
from workbench.models.shelf import list_models

HEADER = 60_000  # bytes of headers, metadata and a GGUF's vocabulary: much for a toy, nothing for a model
BOUNDS = {
    "absmax": 0.02, "zeropoint": 0.02, "bnb-int8": 0.05, "torchao-int8": 0.03, "bnb-4bit": 0.15, "torchao-int4": 0.2,
    "gguf": 0.2, "gptq": 0.2, "awq": 0.2,
}  # fmt: skip
"""How far the loss may move, in nats, on rows that the toy has learned."""
KEPT = "WORKBENCH_ENVIRONMENTS"
ASKED = [[{"role": "user", "content": "Tell me of the red apple number 3."}]]

every_quantizer = pytest.mark.parametrize("method", list(QUANTIZERS.all()))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home.at(tmp_path_factory.mktemp("quantizers"))
    toy_model(made, hidden=256, lessons=80)
    toy_dataset(made)
    if os.environ.get(KEPT):
        (made.cache / "environments").symlink_to(os.environ[KEPT])
    return made


@pytest.fixture(scope="module")
def rows(home: Home) -> list[Encoded]:
    return encode(resolve(home, "toy"), measured_rows(home, "talks", 6)[1], "conversation")


@pytest.fixture
def name(home: Home, method: str) -> str:
    """The toy quantized, made when first asked for."""
    quantizer = QUANTIZERS.get(method)
    if reason := quantizer.unavailable() or _installs(home, quantizer):
        pytest.skip(f"{quantizer.title}: {reason}")
    name = f"toy-{QUANTIZERS.parse(method).suffix()}"
    if not (home.models / name).exists():
        settings = {"method": "quantize", "model": "toy", "quantizers": [method], "calibration": "talks"}
        run_here(home, JOBS.parse({**settings, "calibration_rows": 12}))
    return name


def _installs(home: Home, quantizer: type[Quantizer]) -> str:
    if not issubclass(quantizer, Calibrated) or LLM_COMPRESSOR.ready(home) or os.environ.get(KEPT):
        return ""
    return f"installs 150 MB from PyPI; set {KEPT} to a folder to keep them in, and it runs."


def weights(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in (".safetensors", ".gguf")]


def loss(home: Home, name: str, rows: list[Encoded]) -> float:
    if read_manifest(home.models / name).kind == "gguf":
        model: Any = TransformersBackend.of_gguf(gguf_file(home, name), 1).model
    else:
        model = load_base(resolve(home, name).base, Hardware())
    return loss_of(model.eval(), rows).loss


@every_quantizer
def test_it_is_as_large_as_it_said(home: Home, name: str, method: str) -> None:
    said = QUANTIZERS.parse(method).estimate(resolve(home, "toy"))
    size = sum(path.stat().st_size for path in weights(home.models / name))
    assert abs(size - said.bytes) < 0.15 * size + HEADER
    assert all(note.endswith(".") for note in said.notes)
    if QUANTIZERS.get(method).smaller:
        assert size < 0.75 * sum(path.stat().st_size for path in weights(home.models / "toy"))


@every_quantizer
def test_it_loads_again_and_answers(home: Home, name: str, method: str) -> None:
    engine = Engine(home)
    list(engine.load([name]))
    answer = engine.answering(name).answer_batch(ASKED, Decoding(greedy=True, max_new_tokens=12))[0]
    assert answer.tokens > 0 and answer.text


@every_quantizer
def test_its_loss_is_close_to_the_originals(home: Home, name: str, method: str, rows: list[Encoded]) -> None:
    change = loss(home, name, rows) - loss(home, "toy", rows)
    print(f"{method}: {change:+.4f} nats")
    assert abs(change) < BOUNDS[method]


@every_quantizer
def test_it_says_what_it_is_and_was_made_from(home: Home, name: str, method: str) -> None:
    manifest, quantizer = read_manifest(home.models / name), QUANTIZERS.parse(method)
    assert manifest.kind == quantizer.makes and manifest.made_by["quantizers"] == [quantizer.to_dict()]
    assert next((parent.name, parent.role) for parent in manifest.parents) == ("toy", "quantized")
    assert ("talks" in [parent.name for parent in manifest.parents]) == quantizer.reads_rows()
    assert next(one for one in list_models(home) if one.name == name).error == ""
    assert all(path.suffix not in (".bin", ".pt", ".pkl") for path in (home.models / name).iterdir())
    if quantizer.makes == "model":
        original = home.models / "toy"
        for file in ("tokenizer.json", "chat_template.jinja"):
            assert (home.models / name / file).read_bytes() == (original / file).read_bytes()


@every_quantizer
def test_it_refuses_what_is_quantized_already(home: Home, method: str) -> None:
    folder = home.models / "packed"
    if not folder.exists():
        folder.mkdir()
        for path in (home.models / "toy").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        config = (folder / "config.json").read_text().rstrip().removesuffix("}")
        (folder / "config.json").write_text(config + ', "quantization_config": {"quant_method": "gptq"}}')
    problems = Problems()
    QUANTIZERS.parse(method).check(home, resolve(home, "packed"), problems)
    assert problems.found and all(problem.remedy for problem in problems.found)


# ---- through the job -------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path) -> Home:
    made = Home.at(tmp_path)
    toy_model(made)
    return made


def test_stopped_it_leaves_nothing_half_made_and_resumed_it_keeps_what_is_finished(
    fresh: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(fresh)
    job = {"method": "quantize", "model": "toy", "quantizers": ["absmax", "zeropoint"]}
    folder = queue.get(queue.submit(JOBS.parse(job), here=True)).folder
    real = ZeroPoint.grid

    def asked_to_stop(self: ZeroPoint, weight: Any) -> Any:
        (folder / STOP_FILE).write_text("keep")
        return real(self, weight)

    monkeypatch.setattr(ZeroPoint, "grid", asked_to_stop)
    assert execute_job(fresh, folder) == "stopped"
    assert sorted(path.name for path in fresh.models.iterdir()) == ["toy", "toy-absmax-int8"]
    first = read_manifest(fresh.models / "toy-absmax-int8")
    monkeypatch.setattr(ZeroPoint, "grid", real)
    queue.resume(folder.name)
    assert execute_job(fresh, folder) == "done"
    assert sorted(path.name for path in fresh.models.iterdir()) == ["toy", "toy-absmax-int8", "toy-zeropoint-int8"]
    assert read_manifest(fresh.models / "toy-absmax-int8") == first
