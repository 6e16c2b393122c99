"""Masks of templates without generation markers: what is learned is what their twins with markers say.

TRL has for a template as its makers published it, and for one with markers, the same text. The twins count some of what
the generation prompt writes to the answer; that is never learned here, as a model is given it.
"""

import importlib.util
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.rendering.test_masks_marked import conversations
from workbench.core.errors import UserError
from workbench.rendering.templates import Conversation, Layout, Template

TRL = importlib.util.find_spec("trl")
assert TRL and TRL.origin
FOLDER = Path(TRL.origin).parent / "chat_templates"
PICTURES = {"idefics3", "llava_next", "smolvlm"}  # they write no content that is text
TWINS = sorted({path.stem.removesuffix("_training") for path in FOLDER.glob("*_training.jinja")} - PICTURES)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
THINK = ("<think>", "<think>\n\n</think>")
PROMPTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("deepseek_r1_distill", "deepseekv3"), ("<｜Assistant｜>", "<｜tool▁outputs▁end｜>")),
    **dict.fromkeys(("gptoss", "muse_glimmer"), ("<|start|>assistant",)),
    **{name: THINK for name in TWINS if name.startswith(("nemotron", "qwen3_5", "qwen3_6", "qwen3_8"))},
}
MORE: dict[str, tuple[str, ...]] = {"diffusion_gemma": ("<|tool_response>",)}


def template(name: str) -> Template:
    return Template(name, (FOLDER / f"{name}.jinja").read_text("utf-8"))


def by_turn(layout: Layout) -> dict[int, str]:
    """What stands from the beginning of a turn's first span to the end of its last."""
    bounds: dict[int, tuple[int, int]] = {}
    for start, end, turn in layout.answers:
        bounds[turn] = (bounds.get(turn, (start, end))[0], end)
    return {turn: layout.text[start:end].strip() for turn, (start, end) in bounds.items()}


def check(name: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> None:
    asked = [Conversation(messages, tools, owners=True)]
    (ours,), (theirs,) = (template(each).lay_out(asked, TOKENS) for each in (name, f"{name}_training"))
    if isinstance(ours, UserError) or isinstance(theirs, UserError):
        return
    beside = any(turn["content"] and turn.get("tool_calls") for turn in messages)
    tags_alone = any(turn["content"] in ("<think>", "</think>") for turn in messages)
    assert not ours.unproven or (name == "diffusion_gemma" and beside) or tags_alone
    # A tag alone may be just what the prompt writes.
    if tags_alone or ours.unproven or theirs.unproven or ours.text != theirs.text:
        return
    learned = by_turn(ours)
    left_out = {turn for turn, message in enumerate(messages) if message["role"] == "assistant"} - learned.keys()
    assert not any(messages[turn]["content"] for turn in left_out), "only an answer without words is left out"
    for turn, expected in by_turn(theirs).items() if not left_out else ():
        own = learned[turn]
        for more in MORE.get(name, ()):
            own = own.removesuffix(more)
        assert expected.endswith(own), (expected, own)
        assert expected.removesuffix(own).strip() in ("", *PROMPTED.get(name, ())), (expected, own)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(conversation=conversations())
@pytest.mark.parametrize("name", TWINS)
def test_the_mask_is_that_of_the_marked_twin(name: str, conversation: Any) -> None:
    check(name, *conversation)


@pytest.mark.prove
@settings(
    max_examples=int(os.environ.get("WORKBENCH_EXAMPLES", "400")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(conversation=conversations())
@pytest.mark.parametrize("name", TWINS)
def test_the_mask_is_that_of_the_marked_twin_on_many_conversations(name: str, conversation: Any) -> None:
    check(name, *conversation)


UNMARKED = sorted(
    path.stem for path in FOLDER.glob("*.jinja") if not path.stem.endswith("_training") and path.stem not in PICTURES
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(conversation=conversations())
@pytest.mark.parametrize("name", UNMARKED)
def test_answers_hold_their_words_and_nobody_elses(name: str, conversation: Any) -> None:
    """Every turn's words replaced by words of its own: they stand in its span, and no others do."""
    messages, tools = conversation
    told = [{**turn, "content": f"w{place}w"} if turn["content"] else turn for place, turn in enumerate(messages)]
    (layout,) = template(name).lay_out([Conversation(told, tools)], TOKENS)
    if isinstance(layout, UserError) or layout.unproven:
        return
    spans = by_turn(layout)
    for place, turn in enumerate(told):
        holders = [other for other, text in spans.items() if f"w{place}w" in text]
        assert holders == ([place] if turn["role"] == "assistant" and f"w{place}w" in layout.text else [])


@pytest.mark.prove
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(conversation=conversations())
@pytest.mark.parametrize("name", UNMARKED)
def test_what_was_proven_before_changes_nothing(name: str, conversation: Any) -> None:
    warm = template(name)
    cold = Template(name, warm.text + "{# " + uuid.uuid4().hex + " #}")
    laid = [each.lay_out([Conversation(*conversation)], TOKENS)[0] for each in (warm, cold)]
    assert laid[0] == laid[1] or all(isinstance(each, UserError) for each in laid)
