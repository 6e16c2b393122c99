"""A GGUF beside others: with an adapter on it, against its source, in Label and Compare."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.chatting import GREEDY, LONGER, load, say
from tests.running import run, wrong_with
from tests.toy_gguf import gguf_home, toy_gguf, toy_lora
from tests.toys import EXACT
from tests.waiting import end_processes_of, until
from workbench.chat.service import ChatService
from workbench.compression import token_parity
from workbench.compression.jobs.parity import Parity
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.inference import engine as engine_module
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.inference.sampling_stream import Stream
from workbench.models.jobs.fold_adapter import Fold
from workbench.models.model_references import ANSWERS
from workbench.models.shelf import delete_model
from workbench.preferences.jobs.generate import Generate

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return gguf_home(tmp_path_factory, own_home)


@pytest.fixture
def engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    return Engine(home)


# ---- adapters ----------------------------------------------------------------------------------------------


def folded_gguf(home: Home, adapter: str, name: str) -> None:
    job = Fold(adapter=adapter)
    run(home, job)
    toy_gguf(home, source=job.output_name, name=name)


def logits(engine: Engine, name: str) -> torch.Tensor:
    stream = engine.answering(name).open(LONGER, GREEDY)
    assert isinstance(stream, Stream)
    return stream.logits()


@pytest.mark.parametrize(
    "changes",
    [{}, {"use_rslora": True}, {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"down_proj": 3}}],
    ids=["plain", "rslora", "patterns"],
)
def test_an_adapter_on_a_gguf_answers_as_when_folded_in(changes: Any, home: Home, engine: Engine) -> None:
    toy_lora(home, "lora", **changes)
    folded_gguf(home, "lora", "folded-f32")
    load(engine, "toy-f32", "toy-f32+lora", "folded-f32", "lora")
    both = [logits(engine, name) for name in ("toy-f32+lora", "folded-f32", "lora")]
    assert (both[0] - both[1]).abs().max() < 0.02 * both[1].abs().max()
    assert (both[0] - logits(engine, "toy-f32")).abs().max() > 0.1 * both[1].abs().max()
    assert say(engine, "toy-f32+lora") == say(engine, "folded-f32") == say(engine, "lora") != say(engine, "toy-f32")
    assert "toy-f32 · GGUF F32 + adapter lora on · " in engine.answering("toy-f32+lora").weights()
    assert len(engine.gguf._models) == 2


@pytest.mark.parametrize(
    ("adapter", "changes", "says"),
    [
        ("toy", {}, "is no adapter"),
        ("strange", {"base": "other"}, "was not made from that"),
        ("dora", {"use_dora": True}, "uses DoRA"),
        ("missing", None, "There is no model 'missing'"),
    ],
)
def test_an_adapter_that_cannot_be_added_is_refused(adapter: str, changes: Any, says: str, home: Home) -> None:
    if changes:
        toy_lora(home, adapter, **changes)
    with pytest.raises(UserError, match=says):
        ANSWERS.resolve(home, f"toy-f32+{adapter}")


def test_a_whole_model_takes_an_adapter_after_a_plus_too(engine: Engine) -> None:
    load(engine, "toy+a", "a")
    assert say(engine, "toy+a") == say(engine, "a")
    assert engine.answering("toy+a").weights() == engine.answering("a").weights()


def test_a_gguf_needs_nothing_of_its_source_on_the_shelf(home: Home, engine: Engine) -> None:
    delete_model(home, "a")
    delete_model(home, "toy")
    load(engine, "toy-f32")
    assert say(engine, "toy-f32")


# ---- parity ------------------------------------------------------------------------------------------------


def test_a_faithful_gguf_agrees_to_the_last_token(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    result = run(home, Parity(model="toy-f32", prompts="talks", number=6, tokens=16))
    assert (result["source"], result["type"], result["source_dtype"]) == ("toy", "F32", "float32")
    assert result["prompts"] == result["written_alike"] == result["read_alike"] == result["same_answers"] == 6
    assert result["agreement"] == 1 and not result["differences"] and result["tokens"] > 12
    assert result["sentences"] == [
        "6 of 6 prompts are read as the same tokens.",
        "6 of 6 answers are the same to the end; 100.0 % of the tokens come before a difference.",
    ]


def test_a_gguf_of_other_weights_is_found_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    toy_gguf(home, name="wrong", source="other")
    result = run(home, Parity(model="wrong", source="toy", prompts="talks", number=3, tokens=16))
    assert result["same_answers"] == 0 and result["agreement"] < 0.5
    first = result["differences"][0]
    assert first["token"] == 1 and first["gap"] > 0 and first["source"] != first["gguf"] and first["before"] == ""
    assert "the conversion may be at fault" in result["sentences"][-1]


def test_another_template_and_other_tokens_are_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    toy_gguf(home, name="turned", template="{% for m in messages %}{{ m['content'] }}{% endfor %}")
    result = run(home, Parity(model="turned", number=3, tokens=4))
    assert (result["written_alike"], result["read_alike"], result["same_answers"]) == (0, 3, 3)
    assert any("in a chat it reads something else" in said for said in result["sentences"])
    monkeypatch.setattr(engine_module.GgufRuntime, "load", renamed(engine_module.GgufRuntime.load))
    result = run(home, Parity(model="turned", number=3, tokens=4))
    assert (result["read_alike"], result["agreement"], result["tokens"]) == (0, 0, 0)
    assert "the tokenizers differ" in result["sentences"][1]


def renamed(load: Any) -> Any:
    """Loading, after which llama.cpp reads text as the tokens next to the right ones."""

    def loaded(self: Any, names: Any) -> Iterator[str]:
        yield from load(self, names)
        for model in self._models.values():
            model.tokenize = lambda text, right=model.tokenize: [token + 1 for token in right(text)]

    return loaded


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": "toy"}, "'toy' is a whole model. Choose a GGUF file."),
        ({"model": "toy-f32", "source": "toy-f32"}, "is a GGUF file"),
        ({"model": "toy-f32", "source": "tyo"}, "Did you mean toy"),
        ({"model": "toy-f32", "prompts": "nothing"}, "nothing"),
    ],
)
def test_a_parity_check_that_cannot_be_is_refused(settings: Any, says: str, home: Home) -> None:
    assert says in wrong_with(home, Parity(**settings))


def test_near_ties_of_a_float_file_are_no_fault() -> None:
    figures = {"prompts": 4, "written_alike": 4, "read_alike": 4, "same_answers": 3, "agreement": 0.7, "near_ties": 1}
    assert "That is what to expect of F16" in token_parity.parity_sentences(figures, "F16")[-1]
    assert "the conversion may be at fault" in token_parity.parity_sentences({**figures, "near_ties": 0}, "F16")[-1]
    assert "Rounding to Q4_K_M" in token_parity.parity_sentences({**figures, "near_ties": 0}, "Q4_K_M")[-1]


# ---- in Label and Compare ----------------------------------------------------------------------------------


def test_a_gguf_is_compared_in_a_labelling_session(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.preferences.sessions import get_session

    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    warm = Decoding(temperature=2, max_new_tokens=8)
    models = ["toy", "toy-f32", "toy-f32+a"]
    run(home, Generate(session="three", models=models, prompts="talks", limit=4, batch_size=2, decoding=warm))
    made = get_session(home, "three")
    assert made.models == models and made.prompts == 4 and made.complete and made.usable > 0


def test_names_that_can_answer(home: Home) -> None:
    for name in ("toy", "toy-f32", "a", "toy-f32+a", "toy+a", " toy + a "):
        ANSWERS.resolve(home, name)
    for name in ("toy-f32+", "+a", "toy-f32+toy-f32", "../toy+a", "a+a", "toy+a+a", "@endpoint"):
        with pytest.raises(UserError):
            ANSWERS.resolve(home, name)


def test_the_chat_process_runs_ggufs_beside_other_models(home: Home) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(home.root))
        service = ChatService(home)
        try:
            service.send("two", ["toy-f32", "toy", "toy-f32+a"], "Hello", "", Decoding(temperature=2, max_new_tokens=8))
            panes = settled(service)
            assert [pane["state"] for pane in panes] == ["done"] * 3, [pane["error"] for pane in panes]
            assert "GGUF F32" in panes[0]["weights"] and "+ adapter a on" in panes[2]["weights"]
            assert all("tokens/s" in pane["messages"][1]["stats"] for pane in panes)
            service.send("two", ["toy-f32"], "Hello", "", Decoding(temperature=5, top_p=1, max_new_tokens=450))
            until(lambda: [m for m in service.chat("two").panes[0].messages if m["role"] == "assistant"], 60, "words")
            service.stop("two")
            assert settled(service)[0]["state"] in ("stopped", "done")
            with pytest.raises(SpecError, match="'toy' is no adapter: it is a whole model"):
                service.send("two", ["toy-f32+toy"], "Hello", "", GREEDY)
        finally:
            service.close()
            end_processes_of(home.root)


def settled(service: ChatService) -> list[dict[str, Any]]:
    return until(lambda: view["panes"] if not (view := service.poll({"chat": "two"}))["busy"] else None, 120, "answers")
