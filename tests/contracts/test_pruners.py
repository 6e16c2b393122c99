"""What every pruner promises, held on a toy: the same again, a model that loads and answers, counts that add up."""

from pathlib import Path
from typing import Any

import pytest

from tests.toys import EXACT, toy_home
from workbench.compression.jobs.prune import Prune
from workbench.compression.pruner import PRUNERS, Pruner
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.core.lineage import digest_of, read_manifest
from workbench.jobs.job import JobContext
from workbench.models import tensors
from workbench.models.anatomy import Anatomy
from workbench.models.loading import load_base, load_tokenizer
from workbench.models.model_references import resolve

FITTING = {"mlp-width": {"multiple": 8}}  # settings that suit a toy
every_pruner = pytest.mark.parametrize("name", list(PRUNERS.all()))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    return toy_home(tmp_path_factory.mktemp("pruners"))


def job(name: str, output: str, **settings: Any) -> Prune:
    pruner = {"method": name, **FITTING.get(name, {})}
    return Prune.parse({"model": "toy", "pruner": pruner, "calibration": "talks", "output": output, **settings})


def pruned(home: Home, name: str, output: str) -> dict[str, Any]:
    """The result of pruning the toy, made once for each output."""
    folder = home.jobs / output
    if not folder.exists():
        folder.mkdir()
        job(name, output).run(JobContext(home, folder))
    return read_manifest(home.models / output).info


def pruner(name: str) -> Pruner:
    return job(name, "new").pruner


def sizes(folder: Path) -> int:
    return tensors.summary(folder).parameters


@every_pruner
def test_it_is_the_same_again(name: str, home: Home) -> None:
    first, second = (pruned(home, name, output) for output in (name, f"{name}-again"))
    assert first == second
    assert digest_of(home.models / name) == digest_of(home.models / f"{name}-again")


@every_pruner
def test_the_result_loads_whole_and_answers(name: str, home: Home) -> None:
    from transformers import AutoModelForCausalLM

    pruned(home, name, name)
    folder = home.models / name
    _, told = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(told[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Tell me."}], return_tensors="pt", return_dict=True, add_generation_prompt=True
    )
    answer = load_base(folder, EXACT).generate(**ids, max_new_tokens=5, do_sample=False)
    assert answer.shape[1] > ids["input_ids"].shape[1]
    assert resolve(home, name).base == folder


@every_pruner
def test_the_counts_add_up(name: str, home: Home) -> None:
    info = pruned(home, name, name)
    before, after = home.models / "toy", home.models / name
    assert info["parameters"] == [sizes(before), sizes(after)]
    assert info["bytes"] == [4 * sizes(before), 4 * sizes(after)]
    assert pruner(name).estimate(resolve(home, "toy")).bytes == info["bytes"][1]
    assert len(info["loss"]) == 2 and info["measured"]["rows"] == 6
    if "zeros" in info:
        weights = load_base(after, EXACT).state_dict()
        linear = Anatomy.of(after).linear()
        assert info["zeros"] == sum(int((weights[name] == 0).sum()) for name in linear)
        assert info["of"] == sum(weights[name].numel() for name in linear)


@every_pruner
def test_it_changes_the_model_and_says_how_it_becomes(name: str, home: Home) -> None:
    method = pruner(name)
    info = pruned(home, name, name)
    assert info["loss"][0] != info["loss"][1]
    assert (info["parameters"][1] < info["parameters"][0]) == method.smaller
    assert method.smaller == method.faster == ("masked" not in info)
    assert method.effect.endswith(".") and method.effect in method.estimate(resolve(home, "toy")).notes
    assert method.smaller or "stays as large" in (type(method).__doc__ or "")


@every_pruner
def test_whether_it_needs_rows_is_said_before(name: str, home: Home) -> None:
    problems = Problems()
    job(name, "new", calibration="").check(home, problems)
    assert [problem.field for problem in problems.found] == ["calibration"] * pruner(name).needs_rows()
    problems = Problems()
    job(name, "new").check(home, problems)
    assert problems.found == []


@every_pruner
def test_without_rows_it_works_by_the_weights_alone_or_not_at_all(name: str, home: Home) -> None:
    if pruner(name).needs_rows():
        pytest.skip("needs rows")
    (home.jobs / f"{name}-blind").mkdir()
    made = job(name, f"{name}-blind", calibration="").run(JobContext(home, home.jobs / f"{name}-blind"))
    assert "loss" not in made
    weights = [path.read_bytes() for output in (name, f"{name}-blind")
               for path in (home.models / output).glob("*.safetensors") if pruned(home, name, name)]  # fmt: skip
    assert weights[0] == weights[1]
