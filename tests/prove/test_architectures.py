"""Every architecture goes through all roads, from import to GGUF, or one sentence says why it does not.

`make prove` prints the table. A new column is a function and a line in `COLUMNS`.
"""

from collections.abc import Iterator

import pytest

from tests.prove.architectures import ARCHITECTURES, Case, Column, source, table, walk
from tests.prove.columns import answers, answers_in_8_bits, merged, parity, quantized, reads, stops
from tests.running import run
from tests.toys import toy_dataset
from workbench.core.home import Home
from workbench.models.jobs.fold_adapter import Fold
from workbench.models.model_import import import_folder
from workbench.training.jobs.train import Train

pytestmark = pytest.mark.prove
NOT_ALL = {"mamba", "bert", "t5", "llava"}  # architectures that are told at import not to go on with a text here

CERTAIN = ("import", "chat", "LoRA", "fold", "import again", "merge")  # ok wherever a text goes on
READING = ("reads", "stops")  # ok wherever llama.cpp takes the architecture; what it refuses is told


def imported(case: Case) -> None:
    import_folder(case.home, case.source, case.name)
    case.made["import"] = case.name


def chats(case: Case) -> None:
    answers(case.home, case.needs("import"))
    case.made["chat"] = case.name


def trained(case: Case) -> None:
    settings = {"model": case.needs("import"), "dataset": "talks", "output": f"{case.name}-lora", "max_steps": 2}
    fast = {"batch_size": 2, "max_length": 64, "objective": {"method": "sft", "learning_rate": 0.01}}
    run(case.home, Train.parse({**settings, **fast, "tuner": {"method": "lora", "r": 4}}))
    case.made["LoRA"] = f"{case.name}-lora"
    answers(case.home, f"{case.name}-lora")


def folded(case: Case) -> None:
    job = Fold(adapter=case.needs("LoRA"), output=f"{case.name}-folded")
    assert run(case.home, job)["difference_of_effect"] < 1e-4
    case.made["fold"] = job.output_name
    answers(case.home, job.output_name)


def imported_again(case: Case) -> None:
    """What was trained and folded here, as a stranger's folders."""
    import_folder(case.home, case.home.models / case.needs("LoRA"), f"{case.name}-lora-again", case.name)
    import_folder(case.home, case.home.models / case.needs("fold"), f"{case.name}-folded-again")


COLUMNS: dict[str, Column] = {
    "import": imported, "chat": chats, "LoRA": trained, "fold": folded, "import again": imported_again,
    "merge": merged, "GGUF F16": quantized, "GGUF Q8_0": answers_in_8_bits, "reads": reads, "parity": parity,
    "stops": stops,
}  # fmt: skip


@pytest.fixture(scope="module")
def cases(
    tmp_path_factory: pytest.TempPathFactory, exact: None, request: pytest.FixtureRequest
) -> Iterator[dict[str, Case]]:
    folder = tmp_path_factory.mktemp("architectures")
    home = Home.at(folder / "home")
    toy_dataset(home)
    found = {name: Case(home, name, folder / name) for name in ARCHITECTURES}
    yield found
    walked = [case for case in found.values() if case.cells]
    request.config.get_terminal_writer().line(f"\n{table(walked, COLUMNS)}")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_works_on_all_roads_or_is_told(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    source(name, case.source)
    walk(case, COLUMNS)
    certain = {**dict.fromkeys(CERTAIN), **(dict.fromkeys(READING) if case.cells["GGUF F16"] == "ok" else {})}
    if name not in NOT_ALL:
        assert {case.cells[column] for column in certain} == {"ok"}, case.cells
    else:
        assert case.cells["import"] == "ok" and f"{name!r} is" in case.cells["chat"]
