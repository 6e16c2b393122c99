"""Masks of templates with generation markers: the tokens learned are those of transformers' own assistant mask."""

import functools
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from workbench.core.errors import UserError
from workbench.rendering.rendered import Tokenizer, render
from workbench.rendering.templates import Template

TRL = importlib.util.find_spec("trl")
assert TRL and TRL.origin
FOLDER = Path(TRL.origin).parent / "chat_templates"
MARKED = sorted(path.stem for path in FOLDER.glob("*_training.jinja"))
CONTROL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<think>", "</think>", "<end_of_turn>"]
TOOL = {"name": "weather", "description": "Of a place.", "parameters": {"type": "object", "properties": {}}}
WORDS = [
    *(
        "a",
        "A",
        "I",
        "yes",
        "Yes",
        "assistant",
        "user",
        "model",
        "think",
        "1",
        "é",
        "日本",
        "no\nyes",
        "\n\nso",
        "end  ",
    ),
    *("<|im_end|>", "{% generation %}", "{{ messages }}", "<think>", "</think>", "<|im_start|>assistant\n", "</s>"),
    *("<think>\nhm\n</think>\n\n7", "<tool_call>", "[INST]", "a <b>", '{"a": null}', "   x", "x" * 40),
]


@functools.cache
def tokenizer() -> tuple[Tokenizer, Any]:
    """A byte-level tokenizer without merges but for runs of line breaks, for us and for transformers."""
    import tempfile

    from transformers import AutoTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: at for at, letter in enumerate([*letters, "ĊĊ", "ĊĊĊ", "as", "ye", "yes", "Ġa"])}
    merges = [("Ċ", "Ċ"), ("ĊĊ", "Ċ"), ("a", "s"), ("y", "e"), ("ye", "s"), ("Ġ", "a")]
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(CONTROL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend.save(str(folder / "tokenizer.json"))
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        return Tokenizer.load(folder), AutoTokenizer.from_pretrained(folder)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Messages and tools: with a system prompt or none, thoughts, calls, repeated and one-letter answers."""
    words = st.sampled_from(WORDS)
    repeated = draw(words)
    answer = st.one_of(words, st.just(repeated), st.text("aé \n<>", min_size=1, max_size=6).filter(str.strip))
    messages = [{"role": "system", "content": draw(words)}] if draw(st.booleans()) else []
    tools = [{"type": "function", "function": TOOL}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(answer)})
        if tools and draw(st.booleans()):
            messages += _called(draw, draw(words))
        said = {"role": "assistant", "content": draw(answer)}
        thought = draw(st.sampled_from(["", "", "hm", draw(words)]))
        messages.append({**said, "reasoning_content": thought} if thought else said)
    return messages, tools


def _called(draw: st.DrawFn, words: str) -> Iterator[dict[str, Any]]:
    arguments = draw(st.sampled_from([{}, {"place": "Bonn"}, {"days": 2, "place": words}]))
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    yield {"role": "assistant", "content": draw(st.sampled_from(["", "Let me look."])), "tool_calls": [call]}
    yield {"role": "tool", "content": words, "tool_call_id": "abcdefghi", "name": "weather"}


def check(name: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> bool:
    """Whether the template takes the conversation; the two masks are then the same."""
    from jinja2 import TemplateError

    ours, theirs = tokenizer()
    text = (FOLDER / f"{name}.jinja").read_text("utf-8")
    try:
        expected = theirs.apply_chat_template(
            messages, tools or None, chat_template=text, return_assistant_tokens_mask=True, return_dict=True
        )
    except (TemplateError, TypeError) as refusal:
        with pytest.raises(UserError, match="cannot render this"):
            render(messages, ours, Template(name, text), tools=tools)
        assert str(refusal)
        return False
    rendered = render(messages, ours, Template(name, text), tools=tools)
    added = len(rendered.ids) - len(expected["input_ids"])  # an EOS token after an answer that has no end
    assert rendered.ids[: len(expected["input_ids"])] == expected["input_ids"] and 0 <= added <= 1
    theirs_whole = whole_characters(expected["assistant_masks"], rendered.offsets)
    assert rendered.trained[: len(expected["input_ids"])] == theirs_whole
    return True


def whole_characters(mask: list[int], offsets: list[tuple[int, int]]) -> list[bool]:
    """The mask with all tokens of a span's last character: transformers takes only the first of several."""
    whole: list[bool] = []
    for at, marked in enumerate(mask):
        whole.append(bool(marked) or (at > 0 and whole[-1] and offsets[at] == offsets[at - 1]))
    return whole


def test_there_are_templates_with_markers() -> None:
    assert len(MARKED) >= 31


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(conversation=conversations())
@pytest.mark.parametrize("name", MARKED)
def test_the_mask_is_that_of_transformers(name: str, conversation: Any) -> None:
    check(name, *conversation)


@pytest.mark.prove
@settings(
    max_examples=int(os.environ.get("WORKBENCH_EXAMPLES", "400")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(conversation=conversations())
@pytest.mark.parametrize("name", MARKED)
def test_the_mask_is_that_of_transformers_on_many_conversations(name: str, conversation: Any) -> None:
    check(name, *conversation)


@pytest.mark.parametrize("name", MARKED)
def test_a_marked_passage_has_the_weight_of_its_turn(name: str) -> None:
    """Where turns count differently, whose a passage is must be proven, also where a template marks several a turn."""
    template = Template(name, (FOLDER / f"{name}.jinja").read_text("utf-8"))
    said = {"role": "assistant", "reasoning_content": "Hm."}
    asked = {"role": "user", "content": "a"}
    messages = [asked, {**said, "content": "one", "weight": 0.5}, asked, {**said, "content": "two"}]
    try:
        rendered = render(messages, tokenizer()[0], template)
    except UserError as refusal:
        assert name == "llava_next_training", refusal  # it takes no content that is text
        return
    halves = rendered.text.index("a", rendered.text.rindex("one") + 3) if "one" in rendered.text else 0
    counted = {
        weight
        for (start, _), weight in zip(rendered.offsets, rendered.weights, strict=True)
        if weight and halves and start < halves
    }
    assert counted <= {0.5} and {weight for weight in rendered.weights if weight} == {0.5, 1.0}
