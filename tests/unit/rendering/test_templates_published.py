"""The templates that come with the workbench write what their models' own templates write."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from workbench.core.errors import UserError
from workbench.rendering.templates import BUILT_IN, CUSTOM, TEMPLATE_NAMES, Template, custom_template, get_template

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
SYSTEM = {"role": "system", "content": "Be brief."}
ASKED = {"role": "user", "content": " Hi there\n"}
SAID = {"role": "assistant", "content": "Hello! "}
MORE = {"role": "user", "content": "The weather?"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "abcdefghi",
            "type": "function",
            "function": {"name": "weather", "arguments": {"place": "Köln", "days": 2}},
        }
    ],
}
TOLD = {"role": "tool", "content": '{"sky": "grey"}', "tool_call_id": "abcdefghi", "name": "weather"}
LAST = {"role": "assistant", "content": "Grey."}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": 'The "weather".',
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
        },
    }
]
TALKS: list[list[dict[str, Any]]] = [
    [ASKED],
    [ASKED, SAID],
    [SYSTEM, ASKED, SAID, MORE],
    [SYSTEM, ASKED, SAID, MORE, LAST],
    [SYSTEM, ASKED, CALL, TOLD, LAST],
    [ASKED, {**CALL, "content": "Let me see."}, TOLD, TOLD, LAST, MORE],
]


def published(name: str) -> Template:
    """A template as its model's makers wrote it, from the copies TRL keeps."""
    found = importlib.util.find_spec("trl")
    assert found and found.origin
    return Template(name, (Path(found.origin).parent / "chat_templates" / f"{name}.jinja").read_text("utf-8"))


def written(template: Template, talk: list[dict[str, Any]], tools: Any, prompt: bool) -> str:
    """The text, or the words of the refusal."""
    try:
        return template.render(talk, TOKENS, prompt, tools)
    except UserError as error:
        return f"refused: {error.message.split('this: ')[1]}"


@pytest.mark.parametrize(("name", "original"), [("llama3", "llama3_1"), ("gemma", "gemma"), ("qwen", "qwen2_5")])
@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("tools", [(), TOOLS, [*TOOLS, *TOOLS]])
@pytest.mark.parametrize("prompt", [False, True])
def test_as_published(name: str, original: str, talk: list[dict[str, Any]], tools: Any, prompt: bool) -> None:
    theirs = written(published(original), talk, tools, prompt)
    assert written(get_template(name), talk, tools, prompt) == theirs


def test_gemma_refuses_a_system_prompt_and_tools() -> None:
    with pytest.raises(UserError, match="System role not supported"):
        get_template("gemma").render([SYSTEM, ASKED])
    with pytest.raises(UserError, match="must alternate"):
        get_template("gemma").render([ASKED, CALL, TOLD])


def test_mistral() -> None:
    template = get_template("mistral")
    assert template.render([SYSTEM, ASKED, SAID, MORE], TOKENS) == (
        "<s>[INST]  Hi there\n[/INST] Hello!</s>[INST] Be brief.\n\nThe weather?[/INST]"
    )
    assert template.render([SYSTEM, MORE, LAST], TOKENS) == "<s>[INST] Be brief.\n\nThe weather?[/INST] Grey.</s>"
    assert template.render([MORE, CALL, TOLD, LAST], TOKENS, tools=TOOLS) == (
        '<s>[AVAILABLE_TOOLS] [{"type": "function", "function": {"name": "weather", "description": "The \\"weather\\"."'
        ', "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}}}][/AVAILABLE_TOOLS]'
        '[INST] The weather?[/INST][TOOL_CALLS] [{"name": "weather", "arguments": {"place": "Köln", "days": 2}, '
        '"id": "abcdefghi"}]</s>[TOOL_RESULTS] {"content": {"sky": "grey"}, "call_id": "abcdefghi"}[/TOOL_RESULTS]'
        " Grey.</s>"
    )
    with pytest.raises(UserError, match="length 9"):
        template.render([MORE, CALL, {**TOLD, "tool_call_id": "1"}], TOKENS)
    with pytest.raises(UserError, match="must alternate"):
        template.render([ASKED, MORE], TOKENS)


def test_zephyr() -> None:
    assert get_template("zephyr").render([SYSTEM, MORE, LAST], TOKENS, True) == (
        "<|system|>\nBe brief.</s>\n<|user|>\nThe weather?</s>\n<|assistant|>\nGrey.</s>\n<|assistant|>\n"
    )


def test_vicuna() -> None:
    template = get_template("vicuna")
    own = (
        "<s>A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
        "detailed, and polite answers to the user's questions. USER: The weather? ASSISTANT:"
    )
    assert template.render([MORE], TOKENS, True) == own
    assert template.render([SYSTEM, MORE, LAST, MORE], TOKENS) == (
        "<s>Be brief. USER: The weather? ASSISTANT: Grey.</s>USER: The weather? "
    )
    with pytest.raises(UserError, match="no tool"):
        template.render([MORE, LAST, TOLD], TOKENS)


def test_alpaca() -> None:
    preamble = (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    )
    template = get_template("alpaca")
    assert template.render([MORE], TOKENS, True) == (f"<s>{preamble}### Instruction:\nThe weather?\n\n### Response:\n")
    assert template.render([SYSTEM, MORE, LAST], {"eos_token": "</s>"}) == (
        "Be brief.\n\n### Instruction:\nThe weather?\n\n### Response:\nGrey.</s>\n\n"
    )


def test_one_typed_in() -> None:
    assert get_template(CUSTOM, text="{{ messages[0].content }}!").render([MORE]) == "The weather?!"
    assert custom_template("{{ tools[0].function.name }}").render([MORE], tools=TOOLS) == "weather"
    assert CUSTOM not in TEMPLATE_NAMES and TEMPLATE_NAMES[1:] == BUILT_IN
    with pytest.raises(UserError, match="is empty"):
        get_template(CUSTOM)
    with pytest.raises(UserError, match="longer than"):
        custom_template("x" * 1_000_001)
    with pytest.raises(UserError, match="line 1"):
        custom_template("{% for %}").render([MORE])
