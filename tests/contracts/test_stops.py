"""Every job that writes a whole model names all its stops in generation_config.json, those of its template too."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import run
from tests.toys import toy_adapter, toy_home, toy_model
from workbench.core.home import Home
from workbench.core.lineage import read_manifest, write_manifest
from workbench.jobs.job import JOBS
from workbench.models.chat_tokens import stop_ids

HALVES = [{"model": name, "parameters": {"weight": 0.5}} for name in ("toy", "other")]
RECIPE = {"merge_method": "linear", "models": HALVES, "dtype": "float32"}
UNION = {**RECIPE, "tokenizer": {"source": "union"}}
EXPERTS = {
    "base_model": "toy", "gate_mode": "random", "dtype": "float32",
    "experts": [{"source_model": name, "positive_prompts": [name]} for name in ("toy", "other")],
}  # fmt: skip
WHOLE: dict[str, dict[str, Any]] = {
    "train": {"model": "toy", "dataset": "talks", "tuner": "full", "max_steps": 1},
    "fold-adapter": {"adapter": "lora"},
    "merge": {"recipe": RECIPE, "proof": {"enabled": False}, "verify": False},
    "merge of all tokens": {"method": "merge", "recipe": UNION, "proof": {"enabled": False}, "verify": False},
    "assemble-moe": {"recipe": EXPERTS},
    "prune": {"model": "toy", "pruner": {"method": "mlp-width", "multiple": 8}, "calibration": "talks"},
    "quantize": {"model": "toy", "quantizers": ["absmax"]},
    "quantize for bitsandbytes": {"method": "quantize", "model": "toy", "quantizers": ["bnb-4bit"]},
}
AS_ANOTHER_JOB = {"merge-search"}  # shelved by what shelves a merge
NO_WHOLE_MODEL = {"combine-adapters", "average-checkpoints", "extract-lora", "fit-stacking", "import-gguf"}
AS_PUBLISHED = {"starter-model", "hub-model"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """Models and an adapter whose settings name <|endoftext|> as their only end; ChatML's turns end in another."""
    made = toy_home(tmp_path_factory.mktemp("stops"))
    toy_model(made, "other", seed=1)
    toy_adapter(made, "lora")
    for name in ("toy", "other"):
        folder = made.models / name
        for file in ("config.json", "generation_config.json"):
            change(folder / file, eos_token_id=0)
        change(folder / "tokenizer_config.json", eos_token="<|endoftext|>", pad_token="<|endoftext|>")
        write_manifest(folder, read_manifest(folder))
    return made


def change(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize("case", list(WHOLE))
def test_a_whole_model_names_every_stop(home: Home, case: str) -> None:
    before = {path.name for path in home.models.iterdir()}
    settings = {"method": case, **WHOLE[case]}
    if case != "quantize" and settings["method"] != "quantize":
        settings["output"] = case.replace(" ", "-") + "-made"
    run(home, JOBS.parse(settings))
    (made,) = (path for path in home.models.iterdir() if path.name not in before)
    ends = json.loads((made / "generation_config.json").read_text())["eos_token_id"]
    assert sorted(ends) == stop_ids(made) == [0, 2]


def test_every_job_that_makes_a_model_is_among_these() -> None:
    named = {WHOLE[case].get("method", case) for case in WHOLE} | AS_ANOTHER_JOB | NO_WHOLE_MODEL | AS_PUBLISHED
    makers = {name for name, job in JOBS.all().items() if "models" in _outputs(job)}
    assert makers == named


def _outputs(job: type[Any]) -> str:
    import inspect

    return inspect.getsource(job.outputs)
