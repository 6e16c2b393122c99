"""The command line as a whole: which commands it has, how fast it answers, what shells can complete."""

import ast
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from workbench.__main__ import main
from workbench.cli.job_options import job_commands, option_name, parse_job
from workbench.cli.program import named_command, parse, program
from workbench.cli.shared import OptionsError, families
from workbench.cli.spec_settings import settings_of
from workbench.core.assets import ROOT
from workbench.core.display import Display
from workbench.core.registry import Method, Registry
from workbench.jobs.job import JOBS
from workbench.training.jobs.train import Train
from workbench.training.objective import OBJECTIVES

EVERYWHERE = {"home", "json", "verbose", "queue", "wait", "invoked", "help", "version"}


def test_every_registry_there_is_is_a_family() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "workbench").rglob("*.py")]
    made = [
        node
        for text in sources if "Registry(" in text for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Registry")
        and not any(keyword.arg == "listed" for keyword in node.keywords)  # one that nobody chooses from
    ]  # fmt: skip
    registries = {registry.package for registry in families().values() if registry.package.startswith("workbench")}
    assert {ast.literal_eval(call.args[1]) for call in made} == registries
    assert {"job", "objective", "step", "format", "export", "merge method"} <= families().keys()


@pytest.mark.parametrize("kind", list(JOBS.all()))
def test_options_of_a_job_take_no_name_of_another_option(kind: str) -> None:
    settings = settings_of(JOBS.get(kind))
    assert not {setting.key for setting in settings} & EVERYWHERE
    assert len({option_name(setting.path) for setting in settings}) == len(settings)


def test_a_command_by_hand_does_without_the_kinds_of_job() -> None:
    code = "import sys; from workbench.__main__ import main; main(['list', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "workbench.cli.shelves" in modules and "workbench.cli.judging" not in modules
    assert "workbench.training.jobs.train" not in modules


@pytest.mark.parametrize(
    ("arguments", "name"),
    [(["list"], "list"), (["--home", "list", "train"], "train"), (["--json", "--home=x", "run"], "run"), ([], "")],
)
def test_the_command_is_the_first_word_that_is_no_option(arguments: list[str], name: str) -> None:
    assert named_command(arguments) == name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_shell_completes_commands_options_and_choices(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "completion"
    assert main(["--install-completion", "--shell", shell, "--output", str(script)]) == 0
    text = script.read_text("utf-8")
    for word in ("merge-methods", "restore", "train", "objective.beta", "max-length", "qlora", "install-completion"):
        assert word in text


TYPED = {
    "tr": {"train"},
    "data re": {"rejected", "restore", "recipe"},
    "train --objective ''": {"distill", "dpo", "sft"},
    "train --tuner.rs": {"--tuner.rslora"},
}
ASKED = """
source "$1"; shift
function=$(complete -p llm-workbench | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); $function; echo "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("typed", TYPED)
def test_bash_completes_what_is_typed(typed: str, tmp_path: Path) -> None:
    script = tmp_path / "completion"
    main(["--install-completion", "--shell", "bash", "--output", str(script)])
    words = ["llm-workbench", *shlex.split(typed)]
    done = subprocess.run(["bash", "-c", ASKED, "-", str(script), *words], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == TYPED[typed]


def test_the_commands_of_the_first_day_are_all_there() -> None:
    app = program([])
    before = (
        "list tokens delete new run submit job merge merge-methods ensemble family card chat label close-session "
        "recover-labels judge report export-pairs demo import-model import-dataset"
    )
    for line in before.split():
        assert line in app
    for verb in ["run", "stats", "show", "rows", "rejected", "steps", "restore", "undo", "export", "recipe", "card"]:
        assert verb in app["data"]


DOCUMENTED = [
    line.strip()
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for line in document.read_text("utf-8").splitlines()
    if line.strip().startswith(("python -m workbench ", "llm-workbench "))
]


@pytest.mark.parametrize("line", DOCUMENTED)
def test_a_command_of_the_documents_is_understood(line: str) -> None:
    command = line.split(" > ", maxsplit=1)[0].removeprefix("python -m workbench").removeprefix("llm-workbench")
    call = parse(shlex.split(command, comments=True))
    assert call is None or call.do


@pytest.fixture
def dish() -> Iterator[type[Method]]:
    """A spec whose family of methods is there for this test alone."""

    class Sauce(Method):
        """Goes over a dish."""

        method = "sauce"
        title = "Sauce"
        heat: Annotated[int, Display(unit="units")] = Field(3, ge=0, lt=10, description="How hot.")
        names: list[str] = Field(default_factory=list, description="What is in it.")

    class Salt(Method):
        """Goes into a dish."""

        method = "salt"
        title = "Salt"
        heat: float = Field(0.5, gt=0, le=1, description="How much.")

    spices: Registry[Method] = Registry("spice", "tests.naps")
    spices._methods, spices._discovered = {"sauce": Sauce, "salt": Salt}, True

    class Dish(Method):
        """Something to eat."""

        method: ClassVar[str] = "dish"
        title = "Dish"
        spice: Annotated[Method, spices] = Field({"method": "salt"}, validate_default=True, description="The spice.")
        others: list[Annotated[Method, spices]] = Field(default_factory=list, description="More of them.")
        vegan: bool = Field(False, description="Whether it is vegan.")
        plan: dict[str, Any] = Field(description="How it is made.")

    yield Dish
    del Registry._by_key["spice"]


def test_settings_are_told_with_bounds_defaults_and_whose_they_are(dish: type[Method]) -> None:
    told = {".".join(setting.path): (setting.kind, setting.help) for setting in settings_of(dish)}
    assert told == {
        "spice": ("method", "Spice: The spice. [default salt]"),
        "spice.heat": (
            "number",
            "salt: Heat: How much. [over 0 to 1, default 0.5] "
            "sauce: Heat (units): How hot. [from 0 under 10, default 3]",
        ),
        "spice.names": ("texts", "sauce: Names: What is in it."),
        "others": ("methods", "Others: More of them. Names, or {method: …, its settings}."),
        "vegan": ("flag", "Vegan: Whether it is vegan. [default off]"),
        "plan": ("yaml", "Plan: How it is made. [required]"),
    }


def test_options_give_the_job_that_yaml_gives() -> None:
    values = {
        "model": "m", "dataset": "d", "objective": "dpo", "objective__beta": "0.2", "tuner__r": "4",
        "tuner__rslora": True, "epochs": "2",
    }  # fmt: skip
    typed = {setting: values[setting.key] for setting in settings_of(Train) if setting.key in values}
    assert parse_job(Train, typed) == JOBS.parse(
        {
            "method": "train", "model": "m", "dataset": "d", "objective": {"method": "dpo", "beta": 0.2},
            "tuner": {"method": "lora", "r": 4, "rslora": True}, "epochs": 2,
        }
    )  # fmt: skip
    assert {name for name, _, _ in job_commands()} == JOBS.all().keys() and "dpo" in OBJECTIVES.all()


def test_all_wrong_options_are_told_together_by_their_names() -> None:
    values = {"model": "m", "dataset": "d", "max_length": "3", "tuner__r": "0"}
    typed = {setting: values[setting.key] for setting in settings_of(Train) if setting.key in values}
    with pytest.raises(OptionsError) as refused:
        parse_job(Train, typed)
    assert {problem.field for problem in refused.value.problems} == {"--max-length", "--tuner.r"}
