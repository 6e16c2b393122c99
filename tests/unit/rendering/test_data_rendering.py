"""What the model sees: ids, the mask of what is trained, and the warnings, checked by hand on a toy tokenizer."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from workbench.core.errors import UserError
from workbench.rendering.rendered import Rendered, Tokenizer, encode_rows, for_view, render, render_text
from workbench.rendering.templates import BUILT_IN, Template, TemplateStopped, get_template

PROSE = ["The wren sings in the hedge.", "Name a bird, please.", "assistant user system", "Hello! How are you today?"]
CHATML = get_template("chatml")
LLAMA2 = Template(
    "llama2",
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content | trim }} {{ eos_token }}{% endif %}{% endfor %}",
)
PLAIN = Template("plain", "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}")
THINKING = Template(
    "thinking",
    "{% for m in messages %}{% set c = m.content %}{% if m.role == 'assistant' and not loop.last %}"
    "{% set c = c.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + c + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def toy_backend(special: list[str]) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(PROSE * 4, trainer)
    return backend


def save(folder: Path, backend: tokenizers.Tokenizer, **tokens: Any) -> Path:
    folder.mkdir(exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **tokens}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    backend = toy_backend(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    folder = tmp_path_factory.mktemp("toy")
    (folder / "chat_template.jinja").write_text(CHATML.text)
    return save(
        folder,
        backend,
        bos_token="<|im_start|>",
        eos_token={"__type": "AddedToken", "content": "<|im_end|>"},
        pad_token="<|im_end|>",
    )


@pytest.fixture(scope="module")
def toy(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A tokenizer that begins texts with <s> by itself and knows nothing of ChatML."""
    backend = toy_backend(["<s>", "</s>"])
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return Tokenizer.load(save(tmp_path_factory.mktemp("llama"), backend, bos_token="<s>", eos_token="</s>"))


def trained_text(rendered: Rendered) -> list[str]:
    """The runs of trained text."""
    runs: list[str] = []
    last = False
    for piece, trained in zip(rendered.pieces, rendered.trained, strict=True):
        if trained:
            runs = [*runs[:-1], runs[-1] + piece] if last else [*runs, piece]
        last = trained
    return runs


def kinds(rendered: Rendered) -> set[str]:
    return {found.kind for found in rendered.warnings}


def test_the_special_tokens_are_read(toy: Tokenizer) -> None:
    assert (toy.bos, toy.eos, toy.tokens["pad_token"]) == ("<|im_start|>", "<|im_end|>", "<|im_end|>")
    assert toy.special_ids == {0, 1, 2} and not toy.adds_bos


def test_a_hand_made_mask(toy: Tokenizer) -> None:
    rendered = render([user("Hi"), answer("Yo")], toy, CHATML)
    assert rendered.text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n"
    start = rendered.text.index("Yo")
    end = rendered.text.rindex("\n")
    expected = [start <= begin and stop <= end for begin, stop in rendered.offsets]
    assert rendered.trained == expected and sum(expected) == len(toy.backend.encode("Yo").ids) + 1
    assert rendered.ids[expected.index(True) - 1] == toy.backend.token_to_id("Ċ")
    assert [piece for piece, special in zip(rendered.pieces, rendered.special, strict=True) if special] == [
        *("<|im_start|>", "<|im_end|>", "<|im_start|>", "<|im_end|>")
    ]
    assert rendered.warnings == [] and rendered.retained == len(rendered.ids)


def test_every_answer_of_several_turns(toy: Tokenizer) -> None:
    talk = [system("Be a bird."), user("a"), answer("a"), user("user a"), answer("assistant"), user("more?")]
    rendered = render(talk, toy, CHATML)
    assert trained_text(rendered) == ["a<|im_end|>", "assistant<|im_end|>"] and not rendered.warnings


def test_pieces_are_the_exact_text(toy: Tokenizer) -> None:
    talk = [user("Crane 🦜 é\t\u2028"), answer("\n 日本 🦜🦜 \u0301x\n")]
    rendered = render(talk, toy, CHATML)
    assert "".join(rendered.pieces) == rendered.text and len(rendered.pieces) == len(rendered.ids)
    assert trained_text(rendered) == ["\n 日本 🦜🦜 \u0301x\n<|im_end|>"]
    assert toy.backend.decode(rendered.ids, skip_special_tokens=False) == rendered.text


def test_all_tokens_can_be_trained(toy: Tokenizer) -> None:
    rendered = render([user("Hi"), answer("Yo")], toy, CHATML, train_on="all")
    assert all(rendered.trained)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (LLAMA2, [" a <|im_end|>", " The wren. <|im_end|>"]),
        (get_template("alpaca"), ["a<|im_end|>", "The wren.<|im_end|>"]),
        (PLAIN, [" a", "The wren.<|im_end|>"]),
    ],
)
def test_templates_without_a_generation_prompt_or_end(toy: Tokenizer, template: Template, expected: list[str]) -> None:
    rendered = render([user("s a"), answer("a"), user("b"), answer("The wren.")], toy, template)
    assert trained_text(rendered) == expected
    marks = {"template tokens are several tokens"} if template is LLAMA2 else set()
    assert kinds(rendered) == ({"no end-of-turn token", "EOS added"} if template is PLAIN else marks)


def test_a_template_that_rewrites_earlier_turns(toy: Tokenizer) -> None:
    talk = [user("q"), answer("<think>\nhm a\n</think>\n\na"), user("b"), answer("<think>\nx\n</think>\n\ns")]
    rendered = render(talk, toy, THINKING)
    assert trained_text(rendered) == ["a<|im_end|>", "<think>\nx\n</think>\n\ns<|im_end|>"]


def test_generation_markers_say_what_is_trained(toy: Tokenizer) -> None:
    marked = Template(
        "marked",
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}{{ eos_token }}{% endfor %}",
    )
    assert trained_text(render([user("a"), answer("a"), user("a"), answer("{% generation %}a")], toy, marked)) == [
        *("a", "{% generation %}a")
    ]


def test_what_is_proven_of_one_row_is_not_taken_for_another(toy: Tokenizer) -> None:
    """A prompt that closes the thought when asked to: the same text between the turns, another answer."""
    text = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + ':' }}{% if m.role == 'assistant' %}<think></think>"
        "{% endif %}{{ m.content + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant:"
        "{% if '/no_think' in messages[-1].content %}<think></think>{% endif %}{% endif %}"
    )
    switching = Template("switching", text)
    asked, told = [user("a"), answer("b")], [user("a /no_think"), answer("b")]
    for order in ([asked, told], [told, asked]):
        learned = [trained_text(render(talk, toy, switching)) for talk in order]
        assert learned == [["b<|im_end|>" if talk is told else "<think></think>b<|im_end|>"] for talk in order]
        switching = Template("switching", text + "{# anew #}")


def test_words_a_template_changes_are_trained_where_they_stand(toy: Tokenizer) -> None:
    for change, expected in (("upper", "WREN"), ("reverse", "nerw"), ("replace('w', 'r')", "rren")):
        changing = Template("u", "{% for m in messages %}{{ m.content | " + change + " }}{% endfor %}")
        assert trained_text(render([user("Wren"), answer("wren")], toy, changing)) == [f"{expected}<|im_end|>"]


def test_a_span_that_cannot_be_proven_is_refused(toy: Tokenizer) -> None:
    counting = Template("c", "{{ messages|length }}{% for m in messages %} {{ m.content|length }}{% endfor %}")
    with pytest.raises(UserError, match=r"cannot be proven.*depends on the turn's own words.*generation %"):
        render([user("q"), answer("wren")], toy, counting)
    assert render([user("q"), answer("wren")], toy, counting, train_on="all").retained_trained
    rows, report = encode_rows([{"messages": [user("q"), answer("a")]}], "conversation", toy, counting)
    assert not rows and "cannot be proven" in report.dropped[0][1]


def test_truncation(toy: Tokenizer) -> None:
    talk = [user("Hi"), answer("The wren sings in the hedge.")]
    whole = render(talk, toy, CHATML)
    first = whole.trained.index(True)
    cut = render(talk, toy, CHATML, max_length=first + 2)
    assert (cut.retained, cut.retained_trained, kinds(cut)) == (
        first + 2,
        2,
        {"answer cut off"},
    ) and cut.ids == whole.ids
    filled = render(talk, toy, CHATML, max_length=first)
    assert filled.retained_trained == 0 and filled.warnings[0].level == "error"
    assert "prompt alone fills" in filled.warnings[0].text
    assert kinds(render(talk, toy, CHATML, max_length=len(whole.ids) - 1)) == set()


def test_the_other_warnings(toy: Tokenizer, llama: Tokenizer) -> None:
    talk = [system("Be a bird."), user("q"), answer("a")]
    several = "template tokens are several tokens"
    assert kinds(render(talk, toy, LLAMA2)) == {"system prompt ignored", several}
    foreign = render(talk, llama, CHATML)
    assert kinds(foreign) == {"end of turn is not one token", "EOS added", "no BOS", several}
    assert foreign.text.endswith("<|im_end|></s>") and trained_text(foreign) == ["a<|im_end|></s>"]
    twice = Template("twice", "{{ bos_token }}{{ bos_token }}" + LLAMA2.text.removeprefix("{{ bos_token }}"))
    assert "double BOS" in kinds(render(talk, llama, twice))
    assert "control tokens in a message" in kinds(render([user("<|im_end|>"), answer("a")], toy, CHATML))
    assert kinds(render([user("q")], toy, CHATML)) == {"no answer"}


def test_plain_text(toy: Tokenizer, llama: Tokenizer) -> None:
    rendered = render_text("The wren.", toy)
    assert rendered.text == "The wren.<|im_end|>" and all(rendered.trained)
    assert render_text("The wren.<|im_end|>", toy).text == "The wren.<|im_end|>"
    assert render_text("The wren.", llama).ids == [*llama.backend.encode("The wren.").ids, 1]


def test_rows_for_training(toy: Tokenizer) -> None:
    refusing = Template(
        "r", "{% if messages[0].content == 'no' %}{{ raise_exception('not that') }}{% endif %}" + CHATML.text
    )
    talks = [[user("Hi"), answer("Yo")], [user("no"), answer("a")], [user("x " * 200), answer("a")]]
    rows, report = encode_rows([{"messages": talk} for talk in talks], "conversation", toy, refusing, max_length=60)
    one = render(talks[0], toy, refusing)
    labels = [at if trained else -100 for at, trained in zip(one.ids, one.trained, strict=True)]
    assert rows == [{"input_ids": one.ids, "labels": labels}]
    assert (report.rows, report.retained, [row for row, _ in report.dropped]) == (3, 1, [1, 2])
    assert "not that" in report.dropped[0][1] and "prompt alone" in report.dropped[1][1]
    assert (report.tokens, report.trained, report.cut) == (len(one.ids), sum(one.trained), 0) and report.longest > 200
    assert json.loads(json.dumps(report.to_dict()))["dropped"][0]["row"] == 1


def test_text_rows_and_other_kinds(toy: Tokenizer) -> None:
    rows, report = encode_rows([{"text": "The wren sings."}], "text", toy, CHATML, max_length=3)
    assert rows[0]["labels"] == rows[0]["input_ids"] and (report.cut, report.trained) == (1, 3)
    with pytest.raises(UserError, match="preference"):
        encode_rows([], "preference", toy, CHATML)


def test_an_endless_template_stops_the_encoding_at_once(toy: Tokenizer) -> None:
    endless = Template("e", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    with pytest.raises(TemplateStopped):
        encode_rows([{"messages": [user("a"), answer("b")]}] * 50, "conversation", toy, endless)


def test_240_rows_take_well_under_a_second(toy: Tokenizer) -> None:
    rows = [{"messages": [user(f"Name a bird {n}"), answer("The wren sings in the hedge. " * 5)]} for n in range(240)]
    render(rows[0]["messages"], toy, CHATML)
    started = time.process_time()
    encoded, _ = encode_rows(rows, "conversation", toy, CHATML, max_length=512)
    assert len(encoded) == 240 and time.process_time() - started < 1


def test_the_view(toy: Tokenizer) -> None:
    view = for_view(render([user("Hi"), answer("The wren sings.")], toy, CHATML, max_length=10))
    assert set(view) == {"tokens", "warnings", "summary", "note"} and view["note"] == "chatml"
    first = {"text": "<|im_start|>", "id": 1, "trained": False, "weight": 0.0, "special": True, "cut": False}
    assert view["tokens"][0] == first
    assert [token["cut"] for token in view["tokens"]].index(True) == 10
    assert dict(view["summary"])["Cut off"] == str(len(view["tokens"]) - 10)
    assert view["warnings"][0]["level"] == "error" and json.dumps(view)


def test_the_weights_of_turns_and_of_the_row_are_those_of_their_tokens(toy: Tokenizer) -> None:
    talk = [
        user("Hi"),
        answer("Yo"),
        user("a"),
        {**answer("b"), "weight": 0.5},
        user("a"),
        {**answer("c"), "weight": 0},
    ]
    for on, other in (("assistant", 0.0), ("all", 2.0)):
        rendered = render(talk, toy, CHATML, train_on=on, weight=2.0)  # type: ignore[arg-type]
        spans = {words: rendered.text.index(f"{words}<|im_end|>", 30) for words in ("Yo", "b", "c")}
        found = {
            words: {
                weight
                for (start, end), weight in zip(rendered.offsets, rendered.weights, strict=True)
                if at <= start and end <= at + len(f"{words}<|im_end|>")
            }
            for words, at in spans.items()
        }
        assert found == {"Yo": {2.0}, "b": {1.0}, "c": {0.0}} and rendered.weights[0] == other
        assert dict(for_view(rendered)["summary"])["Weights"] == "1 to 2"
    assert "Weights" not in dict(for_view(render(talk[:2], toy, CHATML))["summary"])
    unlearned = render([user("Hi"), {**answer("Yo"), "weight": 0.0}], toy, CHATML)
    assert unlearned.warnings[0].text == "The weight of every answer is 0: nothing to train on."
    assert render(talk, toy, CHATML, weight=0.0).warnings[0].text == "The row's weight is 0: nothing to train on."


def test_tokenizers_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no tokenizer.json.*Import the model again"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be read"):
        Tokenizer.load(tmp_path)


def test_the_ids_are_those_of_transformers(folder: Path, toy: Tokenizer) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    own = get_template("model", folder)
    for talk in ([user("Hi 🦜"), answer("Yo\n")], [system("S"), user("a"), answer("b"), user("c"), answer("d e")]):
        for template in (own, LLAMA2, THINKING):
            expected = theirs.apply_chat_template(talk, chat_template=template.text, tokenize=True)["input_ids"]
            assert render(talk, toy, template).ids == list(expected)
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "sky", "arguments": {"of": "Köln"}}}
    told = {"role": "tool", "content": "grey", "tool_call_id": "abcdefghi"}
    calling = [user("Rain?"), {"role": "assistant", "content": "", "tool_calls": [call]}, told, answer("No.")]
    tools = [{"type": "function", "function": {"name": "sky", "description": "d", "parameters": {"type": "object"}}}]
    for name in (*BUILT_IN[:2], "llama3", "mistral", "qwen", "vicuna", "zephyr"):
        template, knows = get_template(name), name in ("llama3", "mistral", "qwen")
        talk, given = (calling, tools) if knows else ([user("a"), answer("b")], [])
        expected = theirs.apply_chat_template(talk, given or None, chat_template=template.text, tokenize=False)
        assert template.render(talk, toy.tokens, tools=given) == expected
