"""What is learned with published templates, written down by hand: the text, with ⟦ ⟧ around what is learned.

The templates are those of TRL's folder, our own built-in ones, and in tests/templates those of other model families
as their makers published them.
"""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from workbench.rendering.templates import BUILT_IN, Conversation, Layout, Template, get_template

OURS = Path(__file__).parents[2] / "templates"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TOOLS = [{"type": "function", "function": {"name": "add", "description": "d", "parameters": {"type": "object"}}}]
CALL = {"id": "abcdefghi", "type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": 3}}}

TOLD = {"role": "tool", "content": "5", "tool_call_id": "abcdefghi"}


def user(words: str) -> dict[str, Any]:
    return {"role": "user", "content": words}


def said(words: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": words, **more}


TALKS: dict[str, list[dict[str, Any]]] = {
    "twice": [user("a"), said("a"), user("a"), said("a")],
    "thought": [user("1+1?"), said("2", reasoning_content="One."), user("2+3?"), said("5", reasoning_content="Add.")],
    "think": [user("1+1?"), said("<think>\nOne.\n</think>\n\n2"), user("2+3?"), said("<think>\nAdd.\n</think>\n\n5")],
    "call": [user("2+3?"), said("", tool_calls=[CALL]), TOLD, said("It is 5.")],
}
CHATML = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n⟦a<|im_end|>⟧\n"
THINKS = "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n"
LLAMA3 = HEADER.format("user") + "a<|eot_id|>" + HEADER.format("assistant") + "⟦a<|eot_id|>⟧"
COHERE = "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>a<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
GEMMA = "<start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\n⟦a<end_of_turn>⟧\n"
ASKED_CALL = "<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n"
QWEN_CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call><|im_end|>'
QWEN_TOLD = "<|im_start|>user\n<tool_response>\n5\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
R1 = "<｜User｜>1+1?<｜Assistant｜>⟦\n\n2<｜end▁of▁sentence｜>⟧<｜User｜>2+3?<｜Assistant｜>"

FACTS: list[tuple[str, str, str]] = [
    # chat markup of OpenAI's old ChatML and those who took it over
    ("chatml", "twice", CHATML * 2),
    ("qwen", "twice", CHATML * 2),
    ("qwen2_5", "twice", CHATML * 2),
    ("qwen3_instruct_2507", "twice", CHATML * 2),
    ("smollm2", "twice", CHATML * 2),
    ("internlm2", "twice", "<s>" + CHATML * 2),
    ("yi", "twice", CHATML * 2),
    ("lfm2", "twice", "<s>" + CHATML * 2),
    (
        "phi4",
        "twice",
        CHATML.replace("\n", "<|im_sep|>", 1).replace("assistant\n", "assistant<|im_sep|>").replace("\n", "") * 2,
    ),
    ("qwen", "call", f"{ASKED_CALL}⟦{QWEN_CALL}⟧\n{QWEN_TOLD}⟦It is 5.<|im_end|>⟧\n"),
    ("qwen2_5", "call", f"{ASKED_CALL}⟦{QWEN_CALL}⟧\n{QWEN_TOLD}⟦It is 5.<|im_end|>⟧\n"),
    # thoughts: Qwen3 strips those of earlier turns and writes the last; QwQ and R1 open them in the prompt
    ("qwen3", "twice", CHATML + CHATML.replace("⟦a", "⟦<think>\n\n</think>\n\na")),
    *(
        (
            "qwen3",
            talk,
            f"{THINKS}⟦2<|im_end|>⟧\n<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n"
            "⟦<think>\nAdd.\n</think>\n\n5<|im_end|>⟧\n",
        )
        for talk in ("thought", "think")
    ),
    *(
        (
            "qwen3_5_think",
            talk,
            f"{THINKS}⟦2<|im_end|>⟧\n<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n"
            "<think>\n⟦Add.\n</think>\n\n5<|im_end|>⟧\n",
        )
        for talk in ("thought", "think")
    ),
    (
        "qwq",
        "think",
        f"{THINKS}⟦2<|im_end|>⟧\n<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n"
        "<think>\n⟦Add.\n</think>\n\n5<|im_end|>⟧\n",
    ),
    ("deepseek_r1_distill", "think", f"<s>{R1}⟦\n\n5<｜end▁of▁sentence｜>⟧"),
    ("deepseekv3", "twice", "<s>" + "<｜User｜>a<｜Assistant｜>⟦a<｜end▁of▁sentence｜>⟧" * 2),
    (
        "deepseekv3",
        "call",
        "<｜User｜>2+3?<｜Assistant｜>⟦<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n"
        '{"a": 2, "b": 3}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>⟧<｜tool▁outputs▁begin｜>'
        "<｜tool▁output▁begin｜>5<｜tool▁output▁end｜><｜tool▁outputs▁end｜>⟦It is 5.<｜end▁of▁sentence｜>⟧",
    ),
    ("deepseek_v2", "twice", "<s>" + "User: a\n\nAssistant:⟦ a</s>⟧" * 2),
    ("glm4moe", "twice", "[gMASK]<sop>" + "<|user|>\na<|assistant|>⟦\n<think></think>\na⟧" * 2),
    (
        "glm4moe",
        "thought",
        "[gMASK]<sop><|user|>\n1+1?<|assistant|>⟦\n<think></think>\n2⟧<|user|>\n2+3?<|assistant|>"
        "⟦\n<think>Add.</think>\n5⟧",
    ),
    ("glm4", "twice", "[gMASK]<sop>" + "<|user|>\na<|assistant|>⟦\na⟧" * 2),
    (
        "gptoss",
        "twice",
        "<|start|>user<|message|>a<|end|><|start|>assistant⟦<|channel|>final<|message|>a<|end|>⟧"
        "<|start|>user<|message|>a<|end|><|start|>assistant⟦<|channel|>final<|message|>a<|return|>⟧",
    ),
    (
        "gptoss",
        "thought",
        "<|start|>user<|message|>1+1?<|end|><|start|>assistant⟦<|channel|>final<|message|>2<|end|>⟧"
        "<|start|>user<|message|>2+3?<|end|><|start|>assistant⟦<|channel|>analysis<|message|>Add.<|end|>"
        "<|start|>assistant<|channel|>final<|message|>5<|return|>⟧",
    ),
    # Meta, Google, Mistral
    ("llama2", "twice", "<s>[INST] a [/INST]⟦ a </s>⟧" * 2),
    *((name, "twice", LLAMA3 * 2) for name in ("llama3", "trl/llama3", "llama3_1", "llama3_2")),
    (
        "llama3",
        "call",
        "2+3?<|eot_id|>"
        + HEADER.format("assistant")
        + '⟦{"name": "add", "parameters": {"a": 2, "b": 3}}<|eot_id|>⟧'
        + HEADER.format("ipython")
        + '"5"<|eot_id|>'
        + HEADER.format("assistant")
        + "⟦It is 5.<|eot_id|>⟧",
    ),
    *((name, "twice", "<s>" + GEMMA * 2) for name in ("gemma", "trl/gemma", "gemma3")),
    ("mistral", "twice", "<s>" + "[INST] a[/INST]⟦ a</s>⟧" * 2),
    (
        "mistral",
        "call",
        '[INST] 2+3?[/INST]⟦[TOOL_CALLS] [{"name": "add", "arguments": {"a": 2, "b": 3}, "id": '
        '"abcdefghi"}]</s>⟧[TOOL_RESULTS] {"content": 5, "call_id": "abcdefghi"}[/TOOL_RESULTS]⟦ It is 5.</s>⟧',
    ),
    ("mistral_v1", "twice", "<s>" + "[INST] a [/INST]⟦a</s>⟧ " * 2),
    *((name, "twice", "<s>" + "[INST]a[/INST]⟦a</s>⟧" * 2) for name in ("mistral_nemo", "mistral_small")),
    # Microsoft: an unfinished conversation ends with EOS
    *(
        (
            name,
            "twice",
            "<|user|>\na<|end|>\n<|assistant|>\n⟦a<|end|>⟧\n<|user|>\na<|end|>\n<|assistant|>\n⟦a<|end|>\n</s>⟧",
        )
        for name in ("phi3", "phi3_5")
    ),
    # Cohere, IBM, AI2, TII, Stability, LG, Upstage, OpenBMB, OpenChat
    *((name, "twice", "<s>" + f"{COHERE}⟦a<|END_OF_TURN_TOKEN|>⟧" * 2) for name in ("command_r", "cohere")),
    (
        "granite3",
        "twice",
        "<|start_of_role|>user<|end_of_role|>a<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>⟦a<|end_of_text|>⟧\n" * 2,
    ),
    ("olmo", "twice", "</s>" + "<|user|>\na\n<|assistant|>\n⟦a</s>⟧\n" * 2),
    ("tulu3", "twice", "<|user|>\na\n<|assistant|>\n⟦a</s>⟧\n<|user|>\na\n<|assistant|>\n⟦a</s>⟧"),
    ("falcon3", "twice", "<|user|>\na\n<|assistant|>\n⟦a</s>⟧\n<|user|>\na\n<|assistant|>\n⟦a</s>⟧"),
    ("stablelm_2", "twice", "<|user|>\na</s>\n<|assistant|>\n⟦a</s>⟧\n" * 2),
    ("zephyr_beta", "twice", "<|user|>\na</s>\n<|assistant|>\n⟦a</s>⟧\n" * 2),
    ("zephyr", "twice", "<|user|>\na</s>\n<|assistant|>\n⟦a</s>⟧\n" * 2),
    ("exaone", "twice", "[|system|][|endofturn|]\n" + "[|user|]a\n[|assistant|]⟦a[|endofturn|]⟧\n" * 2),
    ("solar", "twice", "### User:\na\n\n### Assistant:\n⟦a⟧" * 2),
    ("minicpm", "twice", "<用户>a<AI>⟦a⟧" * 2),
    ("openchat", "twice", "<s>" + "GPT4 Correct User: a<|end_of_turn|>GPT4 Correct Assistant:⟦ a<|end_of_turn|>⟧" * 2),
    ("vicuna", "twice", "USER: a ASSISTANT:⟦ a</s>⟧" * 2),
    ("alpaca", "twice", "### Instruction:\na\n\n### Response:\n⟦a</s>⟧\n\n" * 2),
]


def template_named(name: str) -> Template:
    """A built-in template, one of tests/templates, or TRL's."""
    if name in BUILT_IN:
        return get_template(name)
    trl = importlib.util.find_spec("trl")
    assert trl and trl.origin
    own = OURS / f"{name}.jinja"
    path = own if own.is_file() else Path(trl.origin).parent / "chat_templates" / f"{name.removeprefix('trl/')}.jinja"
    return Template(name, path.read_text("utf-8"))


def marked(layout: Layout) -> str:
    pieces, done = [], 0
    for start, end, _ in layout.answers:
        pieces += [layout.text[done:start], "⟦", layout.text[start:end], "⟧"]
        done = end
    return "".join([*pieces, layout.text[done:]])


@pytest.mark.parametrize(("name", "talk", "expected"), FACTS, ids=[f"{name}-{talk}" for name, talk, _ in FACTS])
def test_what_is_learned(name: str, talk: str, expected: str) -> None:
    tools = TOOLS if talk == "call" else []
    (layout,) = template_named(name).lay_out([Conversation(TALKS[talk], tools)], TOKENS)
    assert isinstance(layout, Layout) and not layout.unproven
    # what stands before the first user turn, such as a date or the tools, is not learned and not stated here
    shown = marked(layout)
    assert shown[-len(expected) :] == expected and "⟦" not in shown[: -len(expected)]


def test_the_facts_are_about_many_templates() -> None:
    texts = {template_named(name).text for name, _, _ in FACTS}
    assert len(texts) >= 40 and {path.stem for path in OURS.glob("*.jinja")} <= {name for name, _, _ in FACTS}
