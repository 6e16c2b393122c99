"""Many answers by vLLM: a stand-in of its server is started, asked, watched and ended as the real one would be."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.running import carried, carry, context, wrong_with
from tests.toys import toy_adapter, toy_home
from tests.vllm_stand_in import VERSION, behave, environment, lines
from tests.waiting import until
from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.ensembles.engine import EnsembleEngine
from workbench.inference.decoding import Decoding
from workbench.inference.engines import vllm_engine
from workbench.inference.inference_engine import ENGINES
from workbench.inference.stream import PromptTooLong
from workbench.inference.vllm_adapters import reason_against_adapter, served_rank
from workbench.inference.vllm_server import ServerPlan, VllmServer
from workbench.jobs.events import EventLog
from workbench.jobs.job import JobStopped
from workbench.jobs.queue import Queue
from workbench.preferences import sessions
from workbench.preferences.jobs.generate import Generate
from workbench.rendering.rendered import render_prompt
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.synthesis.jobs.make_data import MakeData
from workbench.synthesis.replies import Request
from workbench.synthesis.writer import ShelfWriter

ASKED = [{"role": "user", "content": "Tell me."}]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = toy_home(tmp_path_factory.mktemp("vllm"))
    toy_adapter(home, "first")
    return home


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment with the stand-in, on a machine with a GPU as far as the engine sees."""
    folder = environment(tmp_path / "env")
    monkeypatch.setenv("WORKBENCH_VLLM", str(folder))
    monkeypatch.setattr(vllm_engine, "hardware_from_os", lambda: Hardware(device="cuda"))
    return folder


def session(name: str, **settings: Any) -> Generate:
    common = {"prompts": "talks", "limit": 8, "models": ["toy", "first"], "engine": "vllm"}
    return Generate.parse({"session": name, **common, **settings})


def pids(folder: Path) -> set[int]:
    """The processes of all servers that were started."""
    return {pid for started in lines(folder, "started.jsonl") for pid in started["pids"]}


def is_over(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_ended(folder: Path) -> None:
    started = pids(folder)
    assert started
    until(lambda: all(map(is_over, started)), what="the server and all it started end")


def test_a_session_is_answered_by_one_server_with_its_adapters(shelf: Home, installed: Path) -> None:
    view = carry(shelf, session("answered", decoding={"top_k": 5, "seed": 7, "max_new_tokens": 9}))
    (started,) = lines(installed, "started.jsonl")
    options = started["options"]
    assert options[:2] == ["serve", str(shelf.models / "toy")] and started["key"]
    assert options[-3:] == ["8", "--lora-modules", f"adapter-0={shelf.models / 'first'}"] and "--enable-lora" in options
    asked = lines(installed, "asked.jsonl")
    assert {body["model"] for body in asked} == {"base", "adapter-0"} and len(asked) == 16
    first = next(body for body in asked if body["seed"] == 7)
    assert (first["max_tokens"], first["top_k"], first["top_p"], first["stop_token_ids"]) == (9, 5, 0.95, [2])
    rendered = render_prompt(
        prompt_of(shelf), Tokenizer.load(shelf.models / "toy"), get_template("model", shelf.models / "toy")
    )
    assert first["prompt"] == rendered.ids
    assert {body["seed"] for body in asked} == set(range(7, 15))
    notes = [event["text"] for event in EventLog(view.folder / "events.jsonl").read()[0] if event["type"] == "note"]
    assert all(f"tokens by vLLM {VERSION}, " in note and "tokens/s" in note for note in notes) and len(notes) == 2
    assert sessions.get_session(shelf, "answered").prompts == 8
    assert_ended(installed)


def prompt_of(home: Home) -> list[dict[str, str]]:
    from workbench.data.store.prompts import prompts_of

    return prompts_of(home, "talks", 1)[0]


def test_its_key_is_in_no_command_line_and_no_log(
    shelf: Home, installed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server = VllmServer(ServerPlan(installed / "bin/vllm", shelf.models / "toy"))
    try:
        assert all(word.startswith("Starting vLLM for toy") for word in server.start())
        key = server.headers["Authorization"].removeprefix("Bearer ")
        shown = " ".join(word for pid in pids(installed) for word in psutil.Process(pid).cmdline())
        assert len(key) > 20 and key not in shown and key not in caplog.text + server.last_words() and caplog.text
        assert server.version == VERSION and server.longest == 512
    finally:
        server.close()
    assert_ended(installed)


def test_a_server_that_crashes_is_started_again_and_asked_only_for_what_is_missing(
    shelf: Home, installed: Path
) -> None:
    behave(installed, die_after=5)
    carry(shelf, session("crashed"))
    asked = [(body["model"], body["seed"]) for body in lines(installed, "asked.jsonl")]
    assert len(lines(installed, "started.jsonl")) == 2
    assert set(asked) == {(model, seed) for model in ("base", "adapter-0") for seed in range(8)}
    assert sessions.get_session(shelf, "crashed").complete
    assert_ended(installed)


def test_a_server_that_crashes_again_is_told_with_its_last_lines_and_the_job_goes_on_with_what_it_had(
    shelf: Home, installed: Path
) -> None:
    behave(installed, die_after=10, always=True)
    job = session("torn", engine={"method": "vllm", "concurrency": 4}, batch_size=4)
    view = carried(shelf, job)
    assert view.status == "failed" and view.state.error and "illegal memory access" in view.state.error
    assert "ended twice" in view.state.error and sessions.get_session(shelf, "torn").prompts == 4
    behave(installed)
    before = len(lines(installed, "asked.jsonl"))
    resumed = Queue(shelf).get(view.id)
    job.run(context(shelf, resumed.folder.name, resume=True))
    again = lines(installed, "asked.jsonl")[before:]
    assert {body["seed"] for body in again} == {4, 5, 6, 7} and sessions.get_session(shelf, "torn").prompts == 8
    assert_ended(installed)


def test_a_stop_takes_the_open_requests_back_and_ends_the_server(shelf: Home, installed: Path) -> None:
    behave(installed, wait=60)
    engine = EnsembleEngine(shelf, runs=ENGINES.parse("vllm"))
    list(engine.load(["toy"]))

    def stop(_: int) -> None:
        raise JobStopped

    try:
        with pytest.raises(JobStopped):
            engine.answering("toy").answer_batch([ASKED] * 3, Decoding(), stop)
    finally:
        engine.close()
    assert_ended(installed)


@pytest.mark.parametrize(
    ("behaviour", "minutes", "says"),
    [({"starts": 0}, 5, "CUDA out of memory"), ({"silent": True}, 0.01, "was not ready after")],
)
def test_a_server_that_does_not_start_is_told_with_its_last_lines(
    behaviour: dict[str, Any], minutes: float, says: str, shelf: Home, installed: Path
) -> None:
    behave(installed, **behaviour)
    engine = EnsembleEngine(shelf, runs=ENGINES.parse({"method": "vllm", "start_minutes": minutes}))
    try:
        with pytest.raises(UserError, match=says) as error:
            list(engine.load(["toy"]))
        assert "loading weights [key]" in error.value.message
    finally:
        engine.close()
    assert_ended(installed)


def test_a_server_ends_with_a_job_that_is_killed(shelf: Home, installed: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from workbench.inference.vllm_server import *\n"
        "server = VllmServer(ServerPlan(Path(sys.argv[1]), Path(sys.argv[2])))\n"
        "list(server.start()); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, installed / "bin/vllm", shelf.models / "toy"], check=False)
    assert_ended(installed)


def test_a_prompt_without_room_gets_no_answer_and_the_others_do(shelf: Home, installed: Path) -> None:
    engine = EnsembleEngine(shelf, runs=ENGINES.parse("vllm"))
    try:
        list(engine.load(["toy"]))
        model = engine.answering("toy")
        long = [{"role": "user", "content": "good " * 600}]
        failed, answer = model.answer_batch([long, ASKED], Decoding())
        assert failed.finish == "error" and answer.finish == "eos" and answer.tokens == 5
        with pytest.raises(PromptTooLong):
            model.open(long, Decoding())
        stream = model.open(ASKED, Decoding(seed=3))
        assert stream.advance() == stream.text and stream.text.endswith("for base 3") and stream.finish == "eos"
    finally:
        engine.close()


def test_a_judge_s_expected_scores_come_from_the_likeliest_tokens(shelf: Home, installed: Path) -> None:
    engine = EnsembleEngine(shelf, runs=ENGINES.parse("vllm"))
    list(engine.load(["toy"]))
    writer, replies = ShelfWriter(engine, "toy"), []
    try:
        requests = [Request(f"a/{n}", ASKED, Decoding(), scored=True) for n in range(3)]
        writer.write(requests, lambda told: replies.extend(reply for _, reply in told), Task())
    finally:
        writer.close()
    assert [reply.score for reply in replies] == [pytest.approx(4.428, abs=0.01)] * 3
    assert_ended(installed)


def test_rows_are_made_by_it_and_it_is_named_with_its_speed(shelf: Home, installed: Path) -> None:
    settings = {"maker": "answers", "dataset": "talks", "model": "toy", "limit": 6, "output": "made"}
    view = carry(shelf, MakeData.parse({**settings, "engine": "vllm"}))
    assert view.state.result["dataset"] == "made" and len(lines(installed, "asked.jsonl")) >= 6
    notes = [event["text"] for event in EventLog(view.folder / "events.jsonl").read()[0] if event["type"] == "note"]
    assert any(f"toy: 30 tokens by vLLM {VERSION}, " in note for note in notes), notes
    assert_ended(installed)


# ---- before the start --------------------------------------------------------------------------------------


def test_where_it_is_not_installed_the_choice_says_how(
    shelf: Home, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ENGINES.get("vllm").unavailable() == "" and wrong_with(shelf, session("fine")) == ""
    monkeypatch.setattr(vllm_engine, "hardware_from_os", lambda: Hardware(device="cpu"))
    assert "NVIDIA GPU" in ENGINES.get("vllm").unavailable()
    monkeypatch.setenv("WORKBENCH_VLLM", str(installed / "elsewhere"))
    assert "there is no bin/vllm" in ENGINES.get("vllm").unavailable()
    monkeypatch.delenv("WORKBENCH_VLLM")
    found = wrong_with(shelf, session("none"))
    assert "engine: vLLM cannot run here." in found and "pip install vllm" in found and "WORKBENCH_VLLM" in found
    assert wrong_with(shelf, session("none", engine="transformers")) == ""


def test_adapters_that_vllm_would_compute_otherwise_are_refused(shelf: Home, tmp_path: Path) -> None:
    assert reason_against_adapter(shelf.models / "first") == "" and served_rank([shelf.models / "first"]) == 8
    toy_adapter(shelf, "dora", use_dora=True)
    toy_adapter(shelf, "uneven", rank_pattern={"q_proj": 2})
    assert "DoRA" in reason_against_adapter(shelf.models / "dora")
    assert "ranks or alphas" in reason_against_adapter(shelf.models / "uneven")
    assert served_rank([]) == 8
