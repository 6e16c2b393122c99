"""GGUF models in the chat engine: the same text, tokens and words as the model they were made from."""

from pathlib import Path

import pytest
import torch

from tests.chatting import ASKED, GREEDY, LONGER, load, say
from tests.toy_gguf import gguf_home, toy_gguf
from tests.toys import EXACT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.inference import engine as engine_module
from workbench.inference.decoding import Decoding
from workbench.inference.engine import Engine
from workbench.inference.sampling_stream import Stream

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, own_home: Path) -> Home:
    return gguf_home(tmp_path_factory, own_home)


@pytest.fixture
def engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(engine_module, "detect_hardware", lambda: EXACT)
    return Engine(home)


# ---- the same as the model it was made from ----------------------------------------------------------------


def test_prompt_and_logits_are_the_source_s(engine: Engine) -> None:
    load(engine, "toy", "toy-f32")
    for messages in (ASKED, LONGER, [{"role": "system", "content": "Be brief."}, *ASKED]):
        ids = engine.model("toy").prompt_ids(messages)
        assert engine.model("toy-f32").prompt_ids(messages) == ids
        expected = engine.model("toy").torch_model()(input_ids=torch.tensor([ids])).logits[:, -1]
        made = engine.answering("toy-f32").open(messages, GREEDY).logits()
        assert (made - expected).abs().max() < 0.005  # llama.cpp remembers keys and values in 16 bits


@pytest.mark.parametrize(
    "decoding",
    [
        GREEDY,
        GREEDY.model_copy(update={"repetition_penalty": 1.3}),
        Decoding(temperature=1.2, top_k=30, top_p=0.9, max_new_tokens=24, seed=3),
        Decoding(temperature=1.5, top_p=1, max_new_tokens=24, seed=4, repetition_penalty=1.2),
    ],
)
def test_settings_and_seeds_mean_what_they_mean_for_the_source(decoding: Decoding, engine: Engine) -> None:
    load(engine, "toy", "toy-f32")
    assert say(engine, "toy-f32", decoding) == say(engine, "toy", decoding) != ""


def test_a_batch_says_what_streams_say(engine: Engine) -> None:
    load(engine, "toy-f32")
    asked = [ASKED, LONGER, [{"role": "user", "content": "Tell me of the red apple number 3."}]] * 4
    heard: list[int] = []
    answers = engine.answering("toy-f32").answer_batch(asked, GREEDY, heard.append)
    assert [answer.text for answer in answers] == [say(engine, "toy-f32", messages=one).strip() for one in asked]
    assert set(heard) == set(range(12))


def test_a_batch_follows_its_seed_and_its_answers_differ(engine: Engine) -> None:
    load(engine, "toy-f32")
    warm = Decoding(temperature=2, max_new_tokens=12, seed=3)
    first, second, other = (
        [
            answer.text
            for answer in engine.answering("toy-f32").answer_batch([ASKED] * 3, warm.model_copy(update={"seed": seed}))
        ]
        for seed in (3, 3, 9)
    )
    assert first == second != other and len(set(first)) == 3


def test_answers_made_in_turns_are_those_made_one_by_one(engine: Engine) -> None:
    load(engine, "toy", "toy-f32")
    asked = {("toy-f32", 0): ASKED, ("toy", 0): ASKED, ("toy-f32", 1): LONGER}
    alone = {key: say(engine, key[0], messages=messages) for key, messages in asked.items()}
    streams = {key: engine.answering(key[0]).open(messages, GREEDY) for key, messages in asked.items()}
    while any(not stream.finish for stream in streams.values()):
        for stream in streams.values():
            if not stream.finish:
                stream.advance(1)
    assert {key: stream.text for key, stream in streams.items()} == alone


# ---- prompts, ends and lengths -----------------------------------------------------------------------------


def test_the_prompt_begins_with_bos_only_if_the_template_writes_it(home: Home, engine: Engine) -> None:
    plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    toy_gguf(home, name="with", template="{{ bos_token }}" + plain, add_bos=True)
    toy_gguf(home, name="without", template=plain, add_bos=True)
    load(engine, "with", "without")
    (begun, bare) = (engine.model(name).prompt_ids(ASKED) for name in ("with", "without"))
    assert begun == [1, *bare] and 1 not in bare


def test_a_template_that_refuses_or_never_ends_is_said(home: Home, engine: Engine) -> None:
    toy_gguf(home, name="strict", template="{{ raise_exception('no system role') }}")
    toy_gguf(
        home, name="endless", template="{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )
    load(engine, "strict", "endless")
    with pytest.raises(UserError, match=r"one in strict.*no system role") as caught:
        engine.answering("strict").open(ASKED, GREEDY)
    assert "without a system prompt" in caught.value.remedy
    with pytest.raises(UserError, match=r"one in endless.*did not end"):
        engine.answering("endless").open(ASKED, GREEDY)


def test_a_file_without_a_template_gets_chatml(home: Home, engine: Engine) -> None:
    toy_gguf(home, name="bare", template="")
    load(engine, "toy", "bare")
    assert engine.model("bare").prompt_ids(ASKED) == engine.model("toy").prompt_ids(ASKED)


def test_ends_of_the_file_and_of_the_template_stop_an_answer(engine: Engine) -> None:
    load(engine, "toy-f32")
    assert engine.model("toy-f32").stops == {0, 2}  # <|endoftext|> and <|im_end|>
    stream = engine.answering("toy-f32").open(ASKED, GREEDY.model_copy(update={"max_new_tokens": 200}))
    while not stream.finish:
        stream.advance()
    assert stream.finish == "eos" and "<|im_end|>" not in stream.text


def test_an_answer_stops_at_the_limit_and_tells_its_pace(engine: Engine) -> None:
    load(engine, "toy-f32")
    stream = engine.answering("toy-f32").open(ASKED, GREEDY.model_copy(update={"max_new_tokens": 3}))
    while not stream.finish:
        stream.advance(1)
    assert (stream.finish, len(stream.generated_ids)) == ("length", 3) and stream.seconds > 0 and stream.note == ""


def test_a_conversation_that_is_too_long_is_refused(engine: Engine) -> None:
    load(engine, "toy-f32")
    long = [{"role": "user", "content": "red apple " * 400}]
    with pytest.raises(UserError, match="toy-f32 takes 512") as caught:
        engine.answering("toy-f32").open(long, GREEDY)
    assert "Start a new one" in caught.value.remedy
    first, second = engine.answering("toy-f32").answer_batch([long, ASKED], GREEDY)
    assert (first.finish, first.text, first.tokens) == ("error", "", 0) and second.text


def test_a_long_prompt_is_read_in_parts_between_which_it_can_be_stopped(engine: Engine) -> None:
    load(engine, "toy-f32")
    long = [{"role": "user", "content": "Tell me of the red apple. " * 36 + "Of the quiet lake?"}]
    stream = engine.answering("toy-f32").open(long, GREEDY)
    assert isinstance(stream, Stream) and 256 < len(stream.prompt) < 480
    assert stream.advance() == "" and stream.generated_ids == []
    assert stream.note == f"Reading the conversation: 256 of {len(stream.prompt)} tokens"
    while not stream.finish:
        stream.advance()
    (whole,) = engine.answering("toy-f32").answer_batch([long], GREEDY)
    assert stream.note == "" and stream.text.strip() == whole.text != ""


def test_an_answer_ends_where_the_model_ends(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, "toy-f32")
    room = 512 - len(engine.model("toy-f32").prompt_ids(ASKED))
    stream = engine.answering("toy-f32").open(ASKED, GREEDY.model_copy(update={"max_new_tokens": 4000}))
    monkeypatch.setattr(stream, "_choose", lambda _: 50)
    while not stream.finish:
        stream.advance(64)
    assert (stream.finish, len(stream.generated_ids)) == ("length", room)


def test_a_character_of_several_tokens_appears_whole(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, "toy-f32")
    stream = engine.answering("toy-f32").open(ASKED, GREEDY)
    ids = iter(engine.model("toy-f32").model.tokenize("né 🙂"))
    monkeypatch.setattr(stream, "_choose", lambda _: next(ids, 2))
    parts = []
    while not stream.finish:
        parts.append(stream.advance(1))
    assert "".join(parts) == "né 🙂" and not any("\ufffd" in part for part in parts)
