"""GGUF models in the chat engine: how tokens are chosen, threads counted, and what is in memory."""

from pathlib import Path

import pytest
import torch
from transformers import TopPLogitsWarper

from tests.chatting import ASKED, GREEDY, load, say
from tests.toy_gguf import gguf_home, toy_gguf
from tests.toys import EXACT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.inference import cpu_budget
from workbench.inference import engine as engine_module
from workbench.inference.engine import Engine
from workbench.inference.sampling_stream import Stream, TopP

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return gguf_home(tmp_path_factory, own_home)


@pytest.fixture
def engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    return Engine(home)


# ---- how tokens are chosen and threads counted -------------------------------------------------------------


@pytest.mark.parametrize("top_p", [0.1, 0.9, 0.999])
@pytest.mark.parametrize("spread", [0.01, 1, 6])
def test_top_p_keeps_what_transformers_keeps(spread: float, top_p: float) -> None:
    torch.manual_seed(1)
    scores = torch.randn(1, 5000) * spread
    scores[0, ::3] = -torch.inf  # as top-k leaves them
    whole = TopPLogitsWarper(top_p)
    assert torch.equal(TopP(whole)(torch.zeros(1, 1), scores), whole(torch.zeros(1, 1), scores))


@pytest.mark.parametrize(
    ("used", "ours", "threads"), [([0, 0], 0, 2), ([95, 95], 190, 2), ([100, 100], 0, 1), ([90, 80], 60, 1)]
)
def test_threads_are_the_cores_others_leave(
    used: list[float], ours: float, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cpu_budget.Spare(2)
    monkeypatch.setattr(cpu_budget, "LOOK_EVERY_SECONDS", 0)
    monkeypatch.setattr(made._process, "cpu_affinity", lambda: [1, 2], raising=False)
    monkeypatch.setattr(made._process, "cpu_percent", lambda: ours)
    monkeypatch.setattr(cpu_budget.psutil, "cpu_percent", lambda percpu: [100, *used, 100])
    assert made.threads() == threads


def test_the_number_of_threads_changes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, "toy-f32")
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(engine.gguf._spare, "threads", lambda threads=threads: threads)
        stream = engine.answering("toy-f32").open(
            [{"role": "user", "content": "Tell me of the red apple. " * 44}], GREEDY
        )
        assert isinstance(stream, Stream)
        stream.logits()
        stream.generated_ids.append(50)
        found.append(stream.logits())
    assert torch.equal(*found)


# ---- what is in memory -------------------------------------------------------------------------------------


def test_one_file_is_in_memory_once_and_dropped_when_no_longer_asked_for(home: Home, engine: Engine) -> None:
    toy_gguf(home, name="second", source="other")
    load(engine, "toy-f32", "second")
    kept = engine.gguf._models.copy()
    assert len(kept) == 2
    load(engine, "toy-f32")
    assert list(engine.gguf._models.values()) == [kept[engine.model("toy-f32").digest]]
    with pytest.raises(UserError, match="not loaded"):
        engine.answering("second").weights()
    load(engine, "toy")
    assert not engine.gguf._models and not engine.gguf._names


def test_memory_is_given_back(engine: Engine) -> None:
    import gc
    import weakref

    load(engine, "toy-f32")
    stream = engine.answering("toy-f32").open(ASKED, GREEDY)
    stream.advance(2)
    model, context = weakref.ref(engine.model("toy-f32").model), weakref.ref(stream._context)
    load(engine, "toy")
    assert stream.advance(1) is not None and model()  # an answer under way keeps its model
    del stream
    gc.collect()
    assert model() is None and context() is None


def test_a_name_that_came_to_mean_another_file_answers_with_that(home: Home, engine: Engine) -> None:
    load(engine, "toy-f32")
    before, said = engine.answering("toy-f32").weights(), say(engine, "toy-f32")
    toy_gguf(home, source="other")
    load(engine, "toy-f32")
    assert engine.answering("toy-f32").weights() != before and say(engine, "toy-f32") != said


def test_the_pane_says_which_file_answers(engine: Engine) -> None:
    load(engine, "toy-f32")
    assert engine.answering("toy-f32").weights().startswith("toy-f32 · GGUF F32 · ")


def test_a_file_that_is_none_is_said_and_the_engine_goes_on(home: Home, engine: Engine) -> None:
    path = home.models / "toy-f32" / "model.gguf"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError):
        load(engine, "toy-f32")
    load(engine, "toy")
    assert say(engine, "toy") is not None
