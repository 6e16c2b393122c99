"""Every architecture goes through import, chat, training and folding, or one sentence says why it does not.

`make prove` prints the table. A new column is a function and a line in `COLUMNS`.
"""

from collections.abc import Iterator

import pytest

from tests.prove.architectures import ARCHITECTURES, Case, Column, source, table, walk
from tests.running import checked, context
from tests.toys import EXACT, toy_dataset
from workbench.chat.decoding import Decoding
from workbench.chat.engine import Engine
from workbench.home import Home
from workbench.jobs.job import Job
from workbench.jobs.kinds.fold import Fold
from workbench.jobs.kinds.train import Train
from workbench.models.shelf import answerable, import_folder

pytestmark = pytest.mark.prove
NOT_ALL = {"mamba", "bert", "t5", "llava"}  # architectures that are told at import not to go on with a text here


def imported(case: Case) -> None:
    import_folder(case.home, case.source, case.name)
    case.made["import"] = case.name


def chats(case: Case) -> None:
    _answers(case.home, case.needs("import"))


def trained(case: Case) -> None:
    settings = {"model": case.needs("import"), "dataset": "talks", "output": f"{case.name}-lora", "max_steps": 2}
    fast = {"batch_size": 2, "max_length": 64, "objective": {"method": "sft", "learning_rate": 0.01}}
    _run(case.home, Train.parse({**settings, **fast, "tuner": {"method": "lora", "r": 4}}))
    case.made["LoRA"] = f"{case.name}-lora"
    _answers(case.home, f"{case.name}-lora")


def folded(case: Case) -> None:
    job = Fold(adapter=case.needs("LoRA"), output=f"{case.name}-folded")
    assert _run(case.home, job)["difference_of_effect"] < 1e-4
    case.made["fold"] = job.output_name
    _answers(case.home, job.output_name)


def imported_again(case: Case) -> None:
    """What was trained and folded here, as a stranger's folders."""
    import_folder(case.home, case.home.models / case.needs("LoRA"), f"{case.name}-lora-again", case.name)
    import_folder(case.home, case.home.models / case.needs("fold"), f"{case.name}-folded-again")


COLUMNS: dict[str, Column] = {
    "import": imported, "chat": chats, "LoRA": trained, "fold": folded, "import again": imported_again,
}  # fmt: skip


def _run(home: Home, job: Job) -> dict[str, float]:
    checked(home, job)
    return job.run(context(home, f"job-{len(list(home.jobs.iterdir()))}"))


def _answers(home: Home, name: str) -> None:
    answerable(home, name)
    engine = Engine(home)
    engine.hardware = EXACT
    list(engine.load([name]))
    stream = engine.open(name, [{"role": "user", "content": "Say something."}], Decoding(max_new_tokens=8))
    while not stream.done:
        stream.advance()


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
    if name not in NOT_ALL:
        assert set(case.cells.values()) == {"ok"}, case.cells
    else:
        assert case.cells["import"] == "ok" and f"{name!r} is" in case.cells["chat"]
