"""Settings as people type them: in any order, twice by mistake, not filled in, or in files that are no text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.toys import toy_home
from workbench.__main__ import main
from workbench.cli.jobs import _is_placeholder
from workbench.cli.shared import families, joined_settings, nested_settings
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.spec import load_yaml
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner, has_runner

JOB = "method: train\nmodel: toy\ndataset: talks\noutput: taught\nmax_steps: 1\n"


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


@given(st.permutations(["tuner=qlora", "tuner.r=3", "objective.beta=0.2", "objective=dpo", "seed=1"]))
def test_settings_mean_the_same_in_any_order(texts: list[str]) -> None:
    assert nested_settings(texts) == {
        "tuner": {"method": "qlora", "r": 3}, "objective": {"method": "dpo", "beta": 0.2}, "seed": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "texts",
    [["r=1", "r=2"], ["t=a", "t=b"], ["t=a", "t.method=b"], ["t.r=1", "t={r: 2}"], ["r=1", "r.s=2"]],
)  # fmt: skip
def test_a_setting_given_twice_is_refused(texts: list[str]) -> None:
    with pytest.raises(UserError, match="is given twice"):
        nested_settings(texts)


@pytest.mark.parametrize("text", ["r", "=1", "t..r=1", ".r=1"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no setting"):
        nested_settings([text])


def test_another_method_brings_its_own_settings() -> None:
    base = {"tuner": {"method": "qlora", "r": 16, "quant": "nf4"}, "seed": 0}
    assert joined_settings(base, {"tuner": {"method": "lora", "r": 3}})["tuner"] == {"method": "lora", "r": 3}
    assert joined_settings(base, {"tuner": {"r": 3}})["tuner"] == {"method": "qlora", "r": 3, "quant": "nf4"}
    assert joined_settings(base, {"tuner": "lora"}) == {"tuner": "lora", "seed": 0}


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "t: {r: 1, r: 2}\n", "- {x: 1, x: 1}\n", "a: 1\n" * 5000])
def test_a_key_given_twice_in_yaml_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(SpecError, match=r"line \d+, column \d+: .*is given twice\. Leave one"):
        load_yaml(text)
    assert load_yaml("a: {r: 1}\nb: {r: 1}\n") == {"a": {"r": 1}, "b": {"r": 1}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (JOB.encode("utf-16"), "is UTF-16 text"),
        (b"\x80\x02}q\x00.", "is no UTF-8 text"),
        (b"\xef\xbb\xbfmethod: nothing", "nothing"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [["run"], ["submit"], ["merge"], ["data", "run"]])
def test_files_that_are_no_text_are_told(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], data: bytes, said: str
) -> None:
    path = tmp_path / "given.yaml"
    path.write_bytes(data)
    if said == "nothing" and command[0] not in ("run", "submit"):
        return
    assert main([*command, str(path)]) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_placeholders_are_named_until_they_are_filled_in(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "generate"]) == 0
    path = tmp_path / "job.yaml"
    path.write_text(capsys.readouterr().out)
    assert main(["run", str(path)]) == 1
    error = capsys.readouterr().err
    for field in ("session", "models", "prompts"):
        assert f"{field}: is not filled in." in error
    assert main(["run", str(path), "--set", "session=s", "models=[a, b]"]) == 1
    assert capsys.readouterr().err.startswith("error: prompts: is not filled in.")


@pytest.mark.parametrize(
    ("family", "method"), [(family, method.method) for family, registry in families().items() for method in registry]
)
def test_new_writes_every_method_of_every_family(family: str, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", f"{family}:{method}"]) == 0
    data = load_yaml(capsys.readouterr().out)
    assert data.pop("method") == method
    if family == "job":
        assert data.pop("format") == 1
    registered = families()[family].get(method)
    assert data.keys() == {field.alias or name for name, field in registered.model_fields.items()}
    filled = {name: value for name, value in data.items() if not _is_placeholder(value) and value != ["…", "… "]}
    problems = []
    try:
        families()[family].parse({"method": method, **filled})
    except SpecError as error:
        problems = error.problems
    assert {problem.field for problem in problems} == data.keys() - filled.keys()


def test_new_says_where_a_name_is_not_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "lora"]) == 0 and "method: lora" in capsys.readouterr().out
    assert main(["new", "lorra"]) == 1 and "Did you mean lora" in capsys.readouterr().err
    shared = {m.method for m in families()["source"]} & {m.method for m in families()["export"]} - set(JOBS.all())
    for name in shared:
        assert main(["new", name]) == 1 and f"source:{name}" in capsys.readouterr().err


def test_submit_says_when_nothing_runs_the_job(
    tmp_path: Path, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = toy_home(own_home)
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    assert main(["submit", str(path)]) == 0
    assert "Nothing runs it yet" in capsys.readouterr().err and not has_runner(home)
    queue = Queue(home)
    queue.stop(queue.all()[-1].id)
    runner = Runner(home, queue, warm=False)
    assert runner._is_mine()
    try:
        assert has_runner(home)
    finally:
        runner.halt()


def test_two_jobs_never_make_the_same_thing(own_home: Path) -> None:
    home = toy_home(own_home)
    queue, job = Queue(home), JOBS.parse(load_yaml(JOB))
    first = queue.submit(job)
    with pytest.raises(SpecError, match=r"output: 'taught' is being made by the job"):
        queue.submit(job)
    assert len(queue.all()) == 1
    queue.stop(first)
    queue.submit(job)


def test_every_job_that_makes_something_new_says_what() -> None:
    silent = {kind.method for kind in JOBS if kind.outputs is JOBS.get("push-gguf").outputs}
    assert silent == {
        "backup", "cost", "doctor", "extend-session", "find-learning-rate", "likeness", "measure", "parity", "prepare",
        "push-dataset", "push-gguf",
    }  # fmt: skip
