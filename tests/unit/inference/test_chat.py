"""Chatting: the engine on toy models, and the service with its real process."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.chatting import ASKED, GREEDY, load, say
from tests.toys import EXACT, toy_adapter, toy_model
from tests.waiting import end_processes_of, until
from workbench.chat.conversation import Pane
from workbench.chat.service import ChatService
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.data.encoding.token_view import token_view
from workbench.inference import engine as engine_module
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.inference.transformers_model import TransformersRuntime
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")
END_OF_TURN, WORD = 2, 50


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.at(tmp_path_factory.mktemp("chat"))
    toy_model(home)
    toy_model(home, "other", seed=1)
    toy_adapter(home, "a", seed=1)
    toy_adapter(home, "b", seed=2)
    return home.root


@pytest.fixture
def home(toys: Path, own_home: Path) -> Home:
    shutil.copytree(toys, own_home)
    return Home.at(own_home)


@pytest.fixture
def engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    return Engine(home)


@torch.inference_mode()
def logits(engine: Engine, name: str) -> torch.Tensor:
    model = engine.model(name).torch_model()
    return model(input_ids=torch.tensor([engine.model(name).prompt_ids(ASKED)])).logits.clone()


def test_the_prompt_is_what_a_trained_row_begins_with(engine: Engine, home: Home) -> None:
    row = {"messages": [*ASKED, {"role": "assistant", "content": "It is so."}]}
    folder = home.models / "toy"
    view = token_view(row, Tokenizer.load(folder), get_template("model", folder), 512)["tokens"]
    prompt = load(engine, "toy").model("toy").prompt_ids(ASKED)
    assert [token["id"] for token in view if not token["trained"]][: len(prompt)] == prompt
    assert view[len(prompt)]["trained"]


# ---- which weights answer ----------------------------------------------------------------------------------


def test_the_base_answers_as_alone_while_adapters_are_loaded(engine: Engine, home: Home) -> None:
    alone = load(Engine(home), "toy")
    expected, text = logits(alone, "toy"), say(alone, "toy")
    load(engine, "a", "toy", "b")
    for before in ("", "a", "b", "a"):
        if before:
            assert not torch.allclose(logits(engine, before), expected, atol=0.1)
        assert torch.equal(logits(engine, "toy"), expected)
        assert say(engine, "toy") == text


def test_every_adapter_answers_as_alone(engine: Engine, home: Home) -> None:
    alone = {name: logits(load(Engine(home), name), name) for name in ("a", "b")}
    load(engine, "toy", "a", "b")
    for name in ("b", "a", "toy", "a", "b"):
        if name in alone:
            assert torch.equal(logits(engine, name), alone[name])
    assert not torch.equal(alone["a"], alone["b"])


def test_answers_made_in_turns_are_those_made_one_by_one(engine: Engine) -> None:
    load(engine, "toy", "a", "b")
    alone = {name: say(engine, name) for name in ("toy", "a", "b")}
    streams = {name: engine.answering(name).open(ASKED, GREEDY) for name in alone}
    while any(not stream.finish for stream in streams.values()):
        for stream in streams.values():
            if not stream.finish:
                stream.advance()
    assert {name: stream.text for name, stream in streams.items()} == alone
    assert len(set(alone.values())) == 3


def test_a_name_that_came_to_mean_other_weights_answers_with_those(engine: Engine, home: Home) -> None:
    load(engine, "toy", "a")
    old, named = logits(engine, "a"), engine.answering("a").weights()
    toy_adapter(home, "a", seed=9)
    load(engine, "toy", "a")
    assert not torch.allclose(logits(engine, "a"), old, atol=0.1)
    assert torch.equal(logits(engine, "a"), logits(load(Engine(home), "a"), "a"))
    assert engine.answering("a").weights() != named


def test_the_pane_says_which_weights_answer(engine: Engine) -> None:
    load(engine, "toy")
    assert "toy · no adapter · " in engine.answering("toy").weights()
    load(engine, "toy", "a")
    assert "toy · adapters off · " in engine.answering("toy").weights()
    assert "toy + adapter a on · " in engine.answering("a").weights()


def transformers_of(engine: Engine) -> TransformersRuntime:
    assert isinstance(engine.weights, TransformersRuntime)
    return engine.weights


def test_bases_no_longer_asked_for_are_let_go(engine: Engine) -> None:
    load(engine, "toy", "other")
    assert len(transformers_of(engine)._bases) == 2
    load(engine, "other")
    assert len(transformers_of(engine)._bases) == 1 and say(engine, "other")


# ---- how it answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoding", [GREEDY, GREEDY.model_copy(update={"repetition_penalty": 1.5})])
@pytest.mark.parametrize("name", ["toy", "a"])
def test_streamed_greedy_is_generated_greedy(decoding: Decoding, name: str, engine: Engine) -> None:
    load(engine, "toy", "a")
    prompt = torch.tensor([engine.model(name).prompt_ids(ASKED)])
    made = (
        engine.model(name)
        .torch_model()
        .generate(
            input_ids=prompt,
            eos_token_id=sorted(engine.model(name).stops),
            pad_token_id=2,
            **decoding.generate_arguments(),
        )
    )
    text = engine.model(name).tokenizer.decode(made[0, prompt.shape[1] :], skip_special_tokens=True)
    assert say(engine, name, decoding) == text != ""


def test_the_same_seed_gives_the_same_text(engine: Engine) -> None:
    load(engine, "toy")
    warm = Decoding(temperature=1.5, max_new_tokens=24, seed=3)
    assert say(engine, "toy", warm) == say(engine, "toy", warm)
    assert say(engine, "toy", warm) != say(engine, "toy", warm.model_copy(update={"seed": 4}))


def test_a_batch_is_repeatable_and_follows_its_seed(engine: Engine) -> None:
    load(engine, "a")
    warm = Decoding(temperature=1.5, max_new_tokens=12, seed=3)
    first, second, other = (
        [
            answer.text
            for answer in engine.answering("a").answer_batch([ASKED] * 3, warm.model_copy(update={"seed": seed}))
        ]
        for seed in (3, 3, 4)
    )
    assert first == second != other


def test_a_batch_says_the_same_as_a_stream(engine: Engine) -> None:
    load(engine, "toy")
    longer = [{"role": "user", "content": "Tell me of the red apple and of the quiet lake, at some length."}]
    answers = engine.answering("toy").answer_batch([ASKED, longer], GREEDY)
    assert [answer.text for answer in answers] == [say(engine, "toy", messages=m).strip() for m in (ASKED, longer)]


def ending_with(engine: Engine, token: int, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Makes the toy say `token` after so many words."""
    model = engine.model("toy").torch_model()
    prompt, forward = len(engine.model("toy").prompt_ids(ASKED)), model.forward
    seen = {"length": 0}

    def forced(*args: Any, **given: Any) -> Any:
        out = forward(*args, **given)
        ids = given["input_ids"]
        seen["length"] = ids.shape[1] if ids.shape[1] > 1 else seen["length"] + 1
        out.logits[:, -1] = -100.0
        out.logits[:, -1, token if seen["length"] - prompt >= after else WORD] = 100.0
        return out

    monkeypatch.setattr(model, "forward", forced)


@pytest.mark.parametrize(
    ("token", "after", "limit", "finish", "tokens"),
    [(END_OF_TURN, 3, 24, "eos", 3), (WORD, 3, 5, "length", 5), (END_OF_TURN, 0, 24, "error", 0)],
)
def test_an_answer_says_how_it_ended(
    token: int, after: int, limit: int, finish: str, tokens: int, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(engine, "toy")
    ending_with(engine, token, monkeypatch, after)
    answer = engine.answering("toy").answer_batch([ASKED], GREEDY.model_copy(update={"max_new_tokens": limit}))[0]
    assert (answer.finish, answer.tokens) == (finish, tokens)


@pytest.mark.parametrize(("after", "finish", "made"), [(3, "eos", 3), (99, "length", 24)])
def test_a_stream_says_how_it_ended(
    after: int, finish: str, made: int, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(engine, "toy")
    ending_with(engine, END_OF_TURN, monkeypatch, after)
    stream = engine.answering("toy").open(ASKED, GREEDY)
    while not stream.finish:
        stream.advance()
    assert (stream.finish, len(stream.generated_ids)) == (finish, made)


def test_the_end_of_turn_of_the_template_stops_an_answer(home: Home, engine: Engine) -> None:
    """Also where model and tokenizer name another end token."""
    import json

    for file, key, value in (
        ("generation_config.json", "eos_token_id", 0),
        ("tokenizer_config.json", "eos_token", "<|endoftext|>"),
    ):
        path = home.models / "toy" / file
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    load(engine, "toy")
    assert engine.model("toy").tokenizer.eos_token_id == 0
    assert engine.model("toy").stops == {0, END_OF_TURN}


def test_a_conversation_that_is_too_long_is_refused(engine: Engine) -> None:
    load(engine, "toy")
    with pytest.raises(UserError, match="toy takes 512") as caught:
        engine.answering("toy").open([{"role": "user", "content": "red apple " * 400}], GREEDY)
    assert "Start a new one" in caught.value.remedy


def test_an_answer_ends_where_the_model_ends(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, "toy")
    monkeypatch.setattr(
        engine.model("toy").torch_model().config,
        "max_position_embeddings",
        len(engine.model("toy").prompt_ids(ASKED)) + 5,
    )
    ending_with(engine, WORD, monkeypatch, 0)
    stream = engine.answering("toy").open(ASKED, GREEDY)
    while not stream.finish:
        stream.advance()
    assert (stream.finish, len(stream.generated_ids)) == ("length", 5)


def test_a_character_of_several_tokens_appears_whole(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, "toy")
    stream = engine.answering("toy").open(ASKED, GREEDY)
    ids = iter(engine.model("toy").tokenizer("né 🙂", add_special_tokens=False)["input_ids"])
    monkeypatch.setattr(stream, "_choose", lambda _: next(ids, END_OF_TURN))
    parts = []
    while not stream.finish:
        parts.append(stream.advance(1))
    assert "".join(parts) == "né 🙂" and not any("\ufffd" in part for part in parts)


# ---- the service and its process ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(toys: Path) -> Iterator[ChatService]:
    """One service with one process for all of these tests: importing torch is what costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(toys))
        made = ChatService(Home.at(toys))
        yield made
        made.close()
        end_processes_of(toys)


LONG = Decoding(temperature=2, max_new_tokens=450)
SHORT = Decoding(temperature=2, max_new_tokens=8)


def settled(service: ChatService, chat: str) -> list[dict[str, Any]]:
    return until(lambda: view["panes"] if not (view := service.poll({"chat": chat}))["busy"] else None, 120, chat)


def streaming(service: ChatService, chat: str) -> list[Pane]:
    panes = service.chat(chat).panes
    until(
        lambda: all(len(pane.messages) > 1 and pane.messages[-1]["content"] for pane in panes), 120, "the first words"
    )
    return panes


def answers(panes: list[dict[str, Any]]) -> list[str]:
    return [pane["messages"][-1]["text"] for pane in panes]


def test_two_panes_answer_side_by_side(service: ChatService) -> None:
    service.send("two", ["toy", "a"], " Hello ", "", SHORT)
    panes = settled(service, "two")
    assert [pane["state"] for pane in panes] == ["done", "done"]
    assert all(pane["messages"][0] == {"role": "user", "text": "Hello", "stats": ""} for pane in panes)
    assert all(answers(panes)) and len(set(answers(panes))) == 2
    assert "adapters off" in panes[0]["weights"] and "adapter a on" in panes[1]["weights"]
    assert all("tokens/s" in pane["messages"][1]["stats"] for pane in panes)


def test_a_conversation_goes_on_and_another_choice_begins_anew(service: ChatService) -> None:
    for _ in range(2):
        service.send("on", ["toy"], "Hello", "", SHORT)
        panes = settled(service, "on")
    assert [message["role"] for message in panes[0]["messages"]] == ["user", "assistant"] * 2
    service.send("on", ["a"], "Hello", "", SHORT)
    assert len(settled(service, "on")[0]["messages"]) == 2


def test_a_system_prompt_reaches_the_model_and_is_not_shown(service: ChatService) -> None:
    service.send("system", ["toy"], "Hello", "Be brief.", SHORT)
    shown = settled(service, "system")[0]["messages"]
    assert [message["role"] for message in shown] == ["user", "assistant"]
    assert service.chat("system").panes[0].messages[0] == {"role": "system", "content": "Be brief."}


def test_words_appear_while_the_answer_is_made_and_stop_ends_it(service: ChatService) -> None:
    service.send("stop", ["toy", "b"], "Hello", "", LONG)
    panes = streaming(service, "stop")
    service.stop("stop")
    settled(service, "stop")
    assert {pane.state for pane in panes} <= {"stopped", "done"} and "stopped" in {pane.state for pane in panes}
    assert all(pane.messages[-1]["content"] for pane in panes)


def test_answering_again_takes_the_next_seed_and_comes_back_with_the_first(service: ChatService) -> None:
    service.send("again", ["toy"], "Hello", "", SHORT)
    first = answers(settled(service, "again"))
    service.regenerate("again", SHORT)
    panes = settled(service, "again")
    assert answers(panes) != first and len(panes[0]["messages"]) == 2
    service.clear("again")
    service.send("again", ["toy"], "Hello", "", SHORT)
    assert answers(settled(service, "again")) == first


def test_a_cleared_chat_is_empty_and_what_still_comes_of_it_is_dropped(service: ChatService) -> None:
    service.send("clear", ["toy"], "Hello", "", LONG)
    streaming(service, "clear")
    service.clear("clear")
    assert service.poll({"chat": "clear"})["panes"] == []
    service.send("clear", ["a"], "Again", "", SHORT)
    panes = settled(service, "clear")
    assert [message["role"] for message in panes[0]["messages"]] == ["user", "assistant"]
    assert panes[0]["messages"][0]["stats"] == "" and "8 tokens" in panes[0]["messages"][1]["stats"]


def test_nothing_is_drawn_when_nothing_changed(service: ChatService) -> None:
    service.send("still", ["toy"], "Hello", "", SHORT)
    settled(service, "still")
    drawn = service.poll({"chat": "still"})
    query = {"chat": "still", "edition": drawn["edition"], "version": drawn["version"], "ends": [[2, 99]]}
    assert service.poll(query) == {"version": drawn["version"], "busy": False}


Ask = Callable[[ChatService], None]


@pytest.mark.parametrize(
    ("models", "text", "says"),
    [
        ([], "Hello", "0 are chosen. Choose 1 to 4"),
        (["toy"] * 5, "Hello", "5 are chosen. Choose 1 to 4"),
        (["tyo"], "Hello", "Did you mean toy?"),
        (["toy"], " \n", "message: is empty"),
    ],
)
def test_a_message_that_cannot_be_sent_says_why(models: list[str], text: str, says: str, service: ChatService) -> None:
    with pytest.raises(SpecError) as caught:
        service.send("refused", models, text, "", SHORT)
    assert says in str(caught.value) and service.chat("refused").panes == []


def test_everything_wrong_with_a_message_is_told_at_once(service: ChatService) -> None:
    with pytest.raises(SpecError) as caught:
        service.send("refused", [], "", "", SHORT)
    assert {problem.field for problem in caught.value.problems} == {"models", "message"}


def test_nothing_can_be_answered_again_before_a_message(service: ChatService) -> None:
    with pytest.raises(UserError, match="nothing to answer"):
        service.regenerate("fresh", SHORT)


def test_a_conversation_too_long_for_the_model_is_said_in_its_pane(service: ChatService) -> None:
    service.send("long", ["toy"], "red apple " * 400, "", SHORT)
    pane = settled(service, "long")[0]
    assert pane["state"] == "error" and "Start a new one" in pane["error"]


def test_one_message_at_a_time(service: ChatService) -> None:
    service.send("busy", ["toy"], "Hello", "", LONG)
    with pytest.raises(UserError, match="still being written"):
        service.send("busy", ["toy"], "Hello", "", SHORT)
    with pytest.raises(UserError, match="still being written"):
        service.regenerate("busy", SHORT)
    service.stop("busy")
    settled(service, "busy")


def test_a_killed_chat_process_is_told_in_every_chat_and_started_again(service: ChatService) -> None:
    service.send("killed", ["toy", "a"], "Hello", "", LONG)
    service.send("beside", ["b"], "Hello", "", LONG)
    streaming(service, "killed")
    assert service._process
    psutil.Process(service._process.pid).kill()
    service._process.wait()
    service.send("next", ["toy"], "Hello", "", SHORT)
    for chat in ("killed", "beside"):
        panes = settled(service, chat)
        assert all(pane["state"] == "error" and "chat process was killed" in pane["error"] for pane in panes)
    assert settled(service, "next")[0]["state"] == "done"
    service.send("killed", ["toy", "a"], "Hello", "", SHORT)
    assert [pane["state"] for pane in settled(service, "killed")] == ["done", "done"]
