"""The command line: everything the page can do, with messages a person can act on."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.toys import toy_home
from tests.waiting import end_processes_of
from workbench.__main__ import main
from workbench.cli.commands import COMMANDS
from workbench.core.assets import ROOT
from workbench.core.formats import JOB_FORMAT
from workbench.core.home import Home
from workbench.core.spec import load_yaml
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.models.model_references import resolve

Cli = Callable[..., tuple[int, str, str]]
JOB = """
method: train
model: toy
dataset: talks
output: taught
max_steps: 2
batch_size: 2
"""


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_home(tmp_path_factory.mktemp("cli")).root


@pytest.fixture
def home(toys: Path, own_home: Path) -> Iterator[Home]:
    shutil.copytree(toys, own_home)
    yield Home.at(own_home)
    end_processes_of(own_home)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Runs a command in this process: exit code, standard output, standard error."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    yield call
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


# ---- list and new ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["models", "datasets", "jobs", "sessions", "methods"])
def test_everything_can_be_listed_in_an_empty_home(what: str, cli: Cli) -> None:
    assert cli("list", what)[0] == 0
    code, out, _ = cli("list", what, "--json")
    assert code == 0 and (json.loads(out) == []) is (what != "methods")


def test_the_shelves_are_listed(home: Home, cli: Cli) -> None:
    assert [row["name"] for row in json.loads(cli("list", "models", "--json")[1])] == ["toy"]
    assert {row["name"]: row["train"] for row in json.loads(cli("list", "datasets", "--json")[1])} == {
        "talks": 34,
        "pairs": 14,
    }
    assert cli("list", "models")[1].splitlines()[0].startswith("name")


@pytest.mark.parametrize("kind", list(JOBS.all()))
def test_a_new_job_is_yaml_that_can_be_run(kind: str, cli: Cli) -> None:
    given = ["--set", "repo=owner/name"] if "repo" in JOBS.get(kind).model_fields else []
    code, out, err = cli("new", kind, *given)
    assert (code, err) == (0, "")
    assert JOBS.parse(JOB_FORMAT.upgrade(load_yaml(out), kind)).method == kind


def test_a_new_job_takes_settings(cli: Cli) -> None:
    given = ["tuner.r=3", "objective.method=dpo", "objective.beta=0.2", "model=toy"]
    made = load_yaml(cli("new", "train", "--set", *given)[1])
    assert (made["model"], made["tuner"]["method"], made["tuner"]["r"]) == ("toy", "lora", 3)
    assert (made["objective"]["method"], made["objective"]["beta"]) == ("dpo", 0.2)


def test_an_unknown_kind_of_job_is_told_with_the_nearest(cli: Cli) -> None:
    code, _, err = cli("new", "trian")
    assert code == 1 and "Did you mean train" in err


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("tuner.rnk=3", "tuner.rnk: there is no such setting."),
        ("max_lenght=3", "max_lenght: there is no such setting. Did you mean max_length or"),
        ("objective.learning_rate=-1", "objective.learning_rate: Input should be greater than 0"),
        ("tuner.method=lroa", "tuner.method: There is no tuner 'lroa'. Did you mean lora"),
        ("model=tyo", "There is no model 'tyo'. Did you mean toy?"),
        ("dataset=pairs", "SFT: learn from examples needs conversation or text rows"),
        ("output=toy", "'toy' is on the shelf already"),
        ("seed", "'seed' is no setting. Write name=value."),
        ("seed=[", "not valid YAML"),
    ],
)
def test_a_wrong_setting_exits_1_and_names_it(setting: str, says: str, home: Home, job_file: Path, cli: Cli) -> None:
    code, out, err = cli("run", job_file, "--set", setting)
    assert code == 1 and says in err and out == ""
    assert Queue(home).all() == [] and list(home.jobs.iterdir()) == []


def test_all_wrong_settings_are_told_together(home: Home, job_file: Path, cli: Cli) -> None:
    err = cli("run", job_file, "--set", "seed=-1", "epochs=0", "bach_size=2")[2]
    assert all(name in err for name in ("seed: ", "epochs: ", "bach_size: "))


@pytest.mark.parametrize(("text", "says"), [("a: [", "not valid YAML"), ("- a", "no settings"), ("", "no settings")])
def test_a_file_that_is_no_job_is_refused(text: str, says: str, job_file: Path, cli: Cli) -> None:
    job_file.write_text(text)
    code, _, err = cli("run", job_file)
    assert code == 1 and says in err


def test_a_missing_job_file_is_told_with_what_to_do(tmp_path: Path, cli: Cli) -> None:
    code, _, err = cli("submit", tmp_path / "none.yaml")
    assert code == 1 and "`new train > job.yaml` writes one" in err


@pytest.mark.parametrize("action", ["show", "log", "stop", "resume", "delete"])
def test_an_unknown_job_is_told_with_where_to_look(action: str, cli: Cli) -> None:
    code, _, err = cli("job", action, "nothing")
    assert code == 1 and "There is no job 'nothing'. See `list jobs`" in err


def test_an_unknown_session_is_told(cli: Cli) -> None:
    for command in (["report", "nothing"], ["judge", "nothing"], ["export-pairs", "nothing"]):
        code, _, err = cli(*command)
        assert code == 1 and "nothing" in err and "Traceback" not in err


def test_an_error_of_the_process_reaches_the_shell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "job", "show", "x"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr


# ---- bring in and look -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00\x01", b"[1, 2, 3]"])
def test_a_bad_file_is_refused_and_leaves_nothing(body: bytes, tmp_path: Path, own_home: Path, cli: Cli) -> None:
    (tmp_path / "data.jsonl").write_bytes(body)
    code, _, err = cli("import-dataset", tmp_path / "data.jsonl")
    assert code == 1 and err.startswith("error: ") and len(err) > 20
    assert list((own_home / "datasets").iterdir()) == []


def test_a_dataset_is_imported_seen_and_deleted(home: Home, tmp_path: Path, cli: Cli) -> None:
    rows = [{"instruction": f"Say {n}.", "output": f"It is {n}."} for n in range(20)]
    (tmp_path / "My Rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    code, out, _ = cli("import-dataset", tmp_path / "My Rows.jsonl", "--eval-fraction", 0.2)
    made = load_yaml(out)
    assert code == 0 and made["name"] == "my-rows" and sum(made["rows"].values()) == 20
    code, out, _ = cli("tokens", "my-rows", "--model", "toy", "--row", 2)
    assert code == 0 and "<|im_start|>assistant" in out and "Trained on" in out
    assert out.count("⟦") == 1 and "It is " in out.split("⟦")[1].split("<|im_end|>⟧")[0]
    code, out, _ = cli("tokens", "my-rows", "--model", "toy", "--row", 2, "--json")
    trained = [token["text"] for token in json.loads(out)["tokens"] if token["trained"] and token["weight"] == 1]
    assert code == 0 and "".join(trained).startswith("It is ") and trained[-1] == "<|im_end|>"
    assert cli("delete", "dataset", "my-rows")[0] == 0
    assert "my-rows" not in cli("list", "datasets")[1]


def test_printed_tokens_show_weights_and_the_cut() -> None:
    from workbench.cli.tokens import marked

    weights = [("a", 0, False), ("b", 1, False), ("c", 1, False), ("d", 0.5, False), ("e", 0, False), ("f", 1, True)]
    tokens = [{"text": text, "weight": weight, "cut": cut} for text, weight, cut in [*weights, ("g", 0, True)]]
    assert marked(tokens) == "a⟦bc⟧⟦×0.5 d⟧e✂fg"


def test_tokens_of_a_row_that_is_not_there_are_refused(home: Home, cli: Cli) -> None:
    code, _, err = cli("tokens", "talks", "--model", "toy", "--row", 999)
    assert code == 1 and "talks has no row 999" in err


def test_a_model_is_imported_from_a_folder_and_deleted(home: Home, cli: Cli) -> None:
    assert cli("import-model", home.models / "toy", "--name", "copy")[0] == 0
    assert resolve(home, "copy").base == home.models / "copy"
    assert cli("delete", "model", "copy")[0] == 0
    assert cli("delete", "model", "copy")[0] == 1


def test_a_hub_model_offline_fails_with_a_way_out(home: Home, cli: Cli) -> None:
    code, _, err = cli("import-model", "hub:owner/name")
    assert code == 1 and "hub is not reached" in err and "add its folder" in err


# ---- jobs and chat -----------------------------------------------------------------------------------------


def test_a_job_runs_here_and_its_folder_runs_it_again(home: Home, job_file: Path, cli: Cli) -> None:
    code, out, _ = cli("run", job_file, "--set", "tuner.r=2", "output=first")
    assert code == 0 and "step 2  loss" in out
    result = load_yaml(out[out.index("job: ") :])
    assert (result["status"], result["model"], result["steps"]) == ("done", "first", 2)
    assert cli("run", home.jobs / result["job"], "--set", "output=second")[0] == 0
    assert resolve(home, "second").base == home.models / "toy"
    shown = cli("job", "show", result["job"])[1]
    assert "r: 2" in shown and "status: done" in shown
    assert cli("job", "resume", result["job"])[0] == 1
    assert cli("job", "delete", result["job"])[0] == 0 and not (home.jobs / result["job"]).exists()
    assert resolve(home, "first").adapter == home.models / "first"


def test_a_submitted_job_is_waited_for_without_an_app(home: Home, job_file: Path, cli: Cli) -> None:
    code, out, err = cli("submit", job_file, "--wait")
    assert code == 0, err
    job = out.splitlines()[0]
    assert "\nqueued\n" in out and "status: done" in out and "steps: 2" in out
    assert resolve(home, "taught").adapter == home.models / "taught"
    assert "starts" in cli("job", "log", job)[1]


def test_a_submitted_job_waits_in_the_queue_and_is_stopped_there(home: Home, job_file: Path, cli: Cli) -> None:
    job = cli("submit", job_file)[1].strip()
    assert "queued" in cli("list", "jobs")[1]
    assert cli("job", "stop", job) == (0, "Taken out of the queue.\n", "")


def test_models_answer_in_the_terminal(home: Home, cli: Cli) -> None:
    asked = ["chat", "toy", "--prompt", "Hello", "--set", "greedy=true", "max_new_tokens=5"]
    code, first, err = cli(*asked)
    assert code == 0 and "5 tokens" in first and "Loading toy" in err
    tail = first.rindex("tokens ·")
    assert cli(*asked)[1][:tail].split("\n")[:3] == first[:tail].split("\n")[:3]


def test_a_model_that_is_not_there_does_not_answer(home: Home, cli: Cli) -> None:
    code, _, err = cli("chat", "tyo", "--prompt", "Hello")
    assert code == 1 and "Did you mean toy?" in err


def test_a_wrong_sampling_setting_is_named(home: Home, cli: Cli) -> None:
    code, _, err = cli("chat", "toy", "--prompt", "Hello", "--set", "temprature=1")
    assert code == 1 and "Did you mean temperature?" in err


def test_another_home_is_chosen_by_option(home: Home, tmp_path: Path, cli: Cli) -> None:
    assert cli("--home", tmp_path / "elsewhere", "list", "models")[1] == "Nothing yet.\n"
    assert list((tmp_path / "elsewhere" / "models").iterdir()) == []


# ---- JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [command.name for command in COMMANDS] + list(JOBS.all()))
def test_every_command_says_how_it_is_used(name: str, cli: Cli) -> None:
    code, out, err = cli(*name.split(), "--help")
    assert (code, err) == (0, "") and out.startswith(f"Usage: llm-workbench {name}")
    for option in ("--home", "--json", "--verbose"):
        assert option in out
    commands = cli("--help")[1] if " " not in name else cli(name.split(maxsplit=1)[0], "--help")[1]
    assert f" {name.rsplit(maxsplit=1)[-1]} " in commands


def test_what_has_no_json_says_so(cli: Cli) -> None:
    code, out, err = cli("label", "round", "--name", "ann", "--json")
    assert (code, out) == (1, "") and "--json: Voting asks a person and has no JSON." in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("trian", "There is no command 'trian'. Did you mean train"),
        ("data shwo x", "There is no command 'shwo'. Did you mean show"),
        ("list modls", 'Did you mean "models"?'),
        ("run", "JOB is missing. `llm-workbench run --help`"),
        ("run job.yaml --st r=1", "Unknown option: --st. Did you mean --set?"),
        ("run job.yaml more", "There is nothing that 'more' could mean here."),
        ("data rows x --start one", 'Invalid value for --start: unable to convert "one" into int.'),
        ("tokens x --model a --model b", "--model specified multiple times"),
        ("train --max-lenght 3", "Unknown option: --max-lenght. Did you mean --max-length?"),
        ("train --objective.beat 3", "Did you mean --objective.beta?"),
        ("train --objective dop", 'Did you mean "dpo"?'),
        ("train --objective.beta 0.2", "--objective.beta: sft has no such setting. Choose dpo with --objective"),
        ("train --objective dpo --objective.beta -0.2", "--objective.beta: Input should be greater than 0"),
        ("train --epochs 0", "--epochs: Input should be greater than 0"),
        ("train --epochs 1", "--model: is missing. It says: The model to start from"),
        ("quantize --model a --quantizers nf5", "nf5"),
        ("prepare --recipe '{'", "not valid YAML"),
        ("merge merge.yaml --proof.datset x", "Did you mean --proof.dataset?"),
    ],
)
def test_a_wrong_command_line_exits_2_and_names_what_is_wrong(arguments: str, says: str, cli: Cli) -> None:
    code, out, err = cli(*shlex.split(arguments))
    assert (code, out) == (2, "") and err.startswith("error: ") and says in err
    assert cli(*shlex.split(arguments), "--json")[:2] == (2, "")


def test_a_job_is_run_by_its_settings_as_options(home: Home, cli: Cli) -> None:
    options = ["--model", "toy", "--dataset", "talks", "--output", "taught", "--max-steps", 2, "--batch-size", 2]
    code, out, err = cli("train", *options, "--tuner.r", 2, "--objective.learning-rate", "1e-3", "--json")
    assert code == 0, err
    settings = json.loads(cli("job", "show", json.loads(out)["job"], "--json")[1])["settings"]
    assert settings["tuner"]["method"] == "lora" and settings["tuner"]["r"] == 2
    assert settings["objective"]["learning_rate"] == 1e-3 and settings["max_steps"] == 2
    assert resolve(home, "taught").adapter == home.models / "taught"


def test_a_job_given_by_options_is_queued(home: Home, cli: Cli) -> None:
    options = ["--model", "toy", "--dataset", "pairs", "--objective", "dpo", "--objective.beta", "0.2"]
    code, out, _ = cli("train", *options, "--queue", "--json")
    assert code == 0 and json.loads(out)["status"] == "queued"
    job = Queue(home).get(json.loads(out)["job"]).job
    assert job and job.to_dict()["objective"]["beta"] == 0.2


def test_json_is_all_that_a_job_and_what_is_made_of_it_print(home: Home, job_file: Path, cli: Cli) -> None:
    def asked(*arguments: object) -> Any:
        code, out, err = cli(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    assert asked("new", "train", "--set", "model=toy")["model"] == "toy"
    job = asked("submit", job_file)
    assert job["status"] == "queued" and asked("job", "show", job["job"])["settings"]["output"] == "taught"
    assert "queue" in asked("job", "stop", job["job"])["said"]
    assert asked("job", "log", job["job"]) == {"job": job["job"], "log": ""}
    assert asked("job", "delete", job["job"])["deleted"]
    code, out, err = cli("run", job_file, "--json")
    made = json.loads(out)
    assert code == 0 and (made["status"], made["model"]) == ("done", "taught") and "step 2  loss" in err
    family = asked("family", "taught")
    parents = {family["nodes"][edge["parent"]]["name"] for edge in family["edges"] if edge["child"] == 0}
    assert family["nodes"][0]["name"] == "taught" and {"toy", "talks"} <= parents
    assert asked("card", "taught")["card"].startswith("---")
    (answer,) = asked("chat", "toy", "--prompt", "Hello", "--set", "greedy=true", "max_new_tokens=5")
    assert (answer["model"], answer["tokens"]) == ("toy", 5) and answer["text"]
    assert "--prompt" in cli("chat", "toy", "--json")[2]
    assert asked("import-model", home.models / "toy", "--name", "copy")["name"] == "copy"
    assert asked("ensemble", "both", "average", "toy", "copy")["name"] == "both"
    assert asked("delete", "model", "both") == {"deleted": "model", "name": "both"}


def test_json_is_all_that_commands_for_datasets_and_merges_print(home: Home, tmp_path: Path, cli: Cli) -> None:
    def asked(*arguments: object) -> Any:
        code, out, err = cli(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    recipe = tmp_path / "recipe.yaml"
    (tmp_path / "a.jsonl").write_text("\n".join(f'{{"prompt": "q{n}", "completion": "a{n}"}}' for n in range(4)))
    recipe.write_text(
        "name: made\nsource: {method: files, paths: [a.jsonl]}\nsteps: [{method: edit_rows, deleted: [0]}]"
    )
    assert asked("data", "run", recipe)["status"] == "done"
    assert asked("data", "show", "made", "--row", 1)["sides"]["conversation"].startswith("<|im_start|>")
    assert asked("data", "show", "made", "--model", "toy")["tokens"]
    assert asked("data", "restore", "made", "--step", 1, "--rows", 1)["rows"]["train"] == 4
    assert asked("data", "undo", "made")["rows"]["train"] == 3
    assert asked("data", "recipe", "made")["source"]["method"] == "files"
    assert asked("data", "card", "made")["name"] == "made" and len(asked("data", "steps", "made")) == 1
    assert asked("data", "rows", "made")[0]["source_row"] == 2 and asked("data", "rejected", "made") == []
    merge = tmp_path / "merge.yaml"
    merge.write_text("merge_method: linear\nmodels:\n- {model: toy, parameters: {weight: 1}}\ndtype: float32\n")
    assert asked("merge", merge, "--check", "--name", "m")["problems"] == []
    assert asked("merge", merge, "--for-mergekit")["merge_method"] == "linear"
    merged = asked("merge", merge, "--name", "m", "--proof.no-enabled", "--shard-gb", 1, "--set", "seed=3")
    settings = asked("job", "show", merged["job"])["settings"]
    assert (settings["seed"], settings["shard_gb"], settings["proof"]["enabled"]) == (3, 1, False)
    assert asked("merge-methods") and asked("merge-methods", "linear")


# ---- check -------------------------------------------------------------------------------------------------


def test_a_training_is_checked_before_it_starts(cli: Cli, home: Home, job_file: Path) -> None:
    code, out, told = cli("check", job_file)
    assert "Looking at the rows" in told and "Looking at" not in out
    assert code == 0 and "fits" in out and "weights:" in out and "Disk:" in out
    code, out, _ = cli("check", job_file, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["memory"]["fits"] and facts["memory"]["parts"]["weights"] > 0
    assert not list(home.jobs.glob("*-*"))


def test_what_does_not_fit_is_checked_with_settings_that_do(
    cli: Cli, home: Home, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_MEMORY_GB", "0.12")
    large = ("--set", "batch_size=64", "max_length=512")
    code, out, _ = cli("check", job_file, *large)
    assert code == 0 and "--fit writes settings that do." in out
    code, out, _ = cli("check", job_file, *large, "--fit")
    assert code == 0 and out.startswith("# ")
    fitting = load_yaml(out)
    assert fitting["batch_size"] * fitting["gradient_accumulation"] == 64 and fitting["batch_size"] < 64
    job_file.write_text(out)
    assert json.loads(cli("check", job_file, "--json")[1])["memory"]["fits"]


def test_every_problem_of_a_training_is_told_at_once(cli: Cli, home: Home, job_file: Path) -> None:
    code, _, said = cli("check", job_file, "--set", "model=nobody", "dataset=nothing", "tracker=wandb")
    assert code == 1 and all(name in said for name in ("model", "dataset", "tracker"))
