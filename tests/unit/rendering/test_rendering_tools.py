"""Rows with tools, pairs and prompts as the model sees them, and what is said about templates that do not fit them."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.encoding.token_view import row_token_view, token_view
from workbench.data.store.datasets import write_rows
from workbench.rendering.rendered import Rendered, Tokenizer, encode_rows, render, render_prompt
from workbench.rendering.templates import BUILT_IN, Template, TemplateStopped, custom_template, get_template

CONTROL = [
    *("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_RESULTS]", "[/TOOL_RESULTS]", "<start_of_turn>", "<end_of_turn>"),
]
PLAIN_TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Grey."}]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Of a place.", "parameters": {}}}]


def call(place: str, words: str = "") -> dict[str, Any]:
    function = {"name": "weather", "arguments": {"place": place}}
    return {"role": "assistant", "content": words, "tool_calls": [{"id": "abcdefghi", "function": function}]}


def told(words: str) -> dict[str, Any]:
    return {"role": "tool", "content": words, "tool_call_id": "abcdefghi"}


TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Rain?"},
    call("Bonn"),
    told('{"sky": "grey"}'),
    {"role": "assistant", "content": "No rain."},
    {"role": "user", "content": "And Rome?"},
    call("Rome"),
    told("sunny"),
    {"role": "assistant", "content": "Sun there."},
]


def toy(folder: Path, eos: str, special: list[str], bos: str = "<s>") -> Tokenizer:
    """A byte-level tokenizer that knows these control tokens and no merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = tokenizers.Tokenizer(models.BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(special)
    folder.mkdir(exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    config = {"eos_token": eos, **({"bos_token": bos} if bos else {})}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return Tokenizer.load(folder)


@pytest.fixture(scope="module")
def knows(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return toy(tmp_path_factory.mktemp("knows"), "</s>", CONTROL)


@pytest.fixture(scope="module")
def knows_little(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return toy(tmp_path_factory.mktemp("little"), "</s>", ["<s>", "</s>"])


def trained(rendered: Rendered) -> list[str]:
    """The runs of trained text."""
    runs: list[str] = []
    last = False
    for piece, is_trained in zip(rendered.pieces, rendered.trained, strict=True):
        if is_trained:
            runs = [*runs[:-1], runs[-1] + piece] if last else [*runs, piece]
        last = is_trained
    return runs


def kinds(rendered: Rendered) -> set[str]:
    return {found.kind for found in rendered.warnings}


CALLS = {
    "llama3": '{{"name": "weather", "parameters": {{"place": "{}"}}}}<|eot_id|>',
    "qwen": '<tool_call>\n{{"name": "weather", "arguments": {{"place": "{}"}}}}\n</tool_call><|im_end|>',
    "mistral": '[TOOL_CALLS] [{{"name": "weather", "arguments": {{"place": "{}"}}, "id": "abcdefghi"}}]</s>',
}
ENDS = {"llama3": "<|eot_id|>", "qwen": "<|im_end|>", "mistral": "</s>"}


@pytest.mark.parametrize("name", list(CALLS))
def test_tool_calls_are_trained_and_tool_results_are_not(name: str, knows: Tokenizer) -> None:
    rendered = render(TALK, knows, get_template(name), tools=TOOLS)
    first, second = (CALLS[name].format(place) for place in ("Bonn", "Rome"))
    expected = [first, f"No rain.{ENDS[name]}", second, f"Sun there.{ENDS[name]}"]
    assert [run.strip() for run in trained(rendered)] == expected
    assert "sunny" in rendered.text and "Of a place." in rendered.text and rendered.warnings == []


@pytest.mark.parametrize("name", ["qwen3", "qwen3_6", "qwen3_instruct_2507"])
def test_calls_of_templates_that_rewrite_earlier_turns(name: str, knows: Tokenizer) -> None:
    trl = importlib.util.find_spec("trl")
    assert trl and trl.origin
    template = Template("model", (Path(trl.origin).parent / "chat_templates" / f"{name}.jinja").read_text("utf-8"))
    rendered = render(TALK, knows, template, tools=TOOLS)
    runs = trained(rendered)
    assert [run[-10:] for run in runs] == ["<|im_end|>"] * 4 and rendered.warnings == []
    for run, word in zip(runs, ("Bonn", "No rain.", "Rome", "Sun there."), strict=True):
        assert word in run and "<|im_start|>" not in run


def test_words_beside_a_call_are_trained_with_it(knows: Tokenizer) -> None:
    talk = [*TALK[:2], call("Bonn", "Let me look."), told("x"), TALK[4]]
    rendered = render(talk, knows, get_template("qwen"), tools=TOOLS)
    assert trained(rendered)[0].startswith("Let me look.\n<tool_call>") and rendered.warnings == []
    assert kinds(render(talk, knows, get_template("llama3"), tools=TOOLS)) == {"words beside a tool call"}


def test_rows_with_tools_for_training(knows: Tokenizer) -> None:
    rows, report = encode_rows([{"messages": TALK, "tools": TOOLS}], "conversation", knows, get_template("qwen"))
    one = render(TALK, knows, get_template("qwen"), tools=TOOLS)
    learnt = [at for at in rows[0]["labels"] if at != -100]
    assert rows[0]["input_ids"] == one.ids and knows.backend.decode(learnt, False) == "".join(trained(one))
    assert report.trained == len(learnt) and not report.warnings


def test_a_template_that_leaves_tools_out(knows: Tokenizer) -> None:
    rendered = render(TALK, knows, get_template("zephyr"), tools=TOOLS)
    assert {"tool turns ignored", "tool calls ignored", "tools ignored"} <= kinds(rendered)
    assert [run.strip() for run in trained(rendered)] == ["No rain.</s>", "Sun there.</s>"]
    assert rendered.warnings[0].text.startswith("The template leaves out answer 1, 3")
    chatml = render(TALK, knows, get_template("chatml"), tools=TOOLS)
    assert kinds(chatml) == {"answer left out", "tool calls ignored", "tools ignored"} and "sunny" in chatml.text


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_template_is_masked_without_a_warning_by_a_tokenizer_that_knows_it(name: str, tmp_path: Path) -> None:
    template = get_template(name)
    marks = [*CONTROL, *(f"<|{role}|>" for role in ("system", "user", "assistant"))]
    eos = {"chatml": "<|im_end|>", "qwen": "<|im_end|>", "llama3": "<|eot_id|>", "gemma": "<end_of_turn>"}
    tokenizer = toy(tmp_path, eos.get(name, "</s>"), marks)
    talk = [*PLAIN_TALK, {"role": "user", "content": "Red?"}, {"role": "assistant", "content": "Blue."}]
    for system in ([], [{"role": "system", "content": "Say Grey. or Blue."}] if name != "gemma" else []):
        rendered = render([*system, *talk], tokenizer, template)
        assert rendered.warnings == []
        assert [run.strip() for run in trained(rendered)] == [f"{words}{tokenizer.eos}" for words in ("Grey.", "Blue.")]


def test_template_tokens_that_are_several_tokens(knows: Tokenizer, knows_little: Tokenizer, tmp_path: Path) -> None:
    several = "template tokens are several tokens"
    for name, mark in (("chatml", "<|im_start|>"), ("mistral", "[INST]"), ("gemma", "<start_of_turn>")):
        found = [
            found for found in render(PLAIN_TALK, knows_little, get_template(name)).warnings if found.kind == several
        ]
        assert found[0].level == "warning" and mark in found[0].text
        assert several not in kinds(render(PLAIN_TALK, knows, get_template(name)))
    assert "<|user|>" in str(render(PLAIN_TALK, knows, get_template("zephyr")).warnings)
    own = Template("model", get_template("zephyr").text)
    assert [found.level for found in render(PLAIN_TALK, knows, own).warnings] == ["info"]
    assert kinds(render(PLAIN_TALK, knows_little, get_template("vicuna"))) == set()


def test_an_end_of_turn_that_is_not_trained(knows: Tokenizer) -> None:
    late = custom_template(
        "{% for m in messages %}{{ '' if loop.first else '</s>' }}{{ m.role }}: {{ m.content }}{% endfor %}</s>"
    )
    rendered = render([*PLAIN_TALK, PLAIN_TALK[0]], knows, late)
    assert trained(rendered) == ["Grey.</s>"]
    beyond = custom_template(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if messages|length > 2 %}</s>{% endif %}"
    )
    talk = [*PLAIN_TALK, {"role": "assistant", "content": "Blue."}]
    assert "no end-of-turn token" in kinds(render(talk, knows, beyond))


def test_empty_answers(knows: Tokenizer) -> None:
    silent = custom_template("{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}")
    rendered = render(PLAIN_TALK, knows, silent)
    assert not any(rendered.trained) and rendered.warnings[0].kind == "answer left out"


def test_double_bos(knows: Tokenizer) -> None:
    twice = custom_template("<s>" + get_template("llama3").text)
    assert "double BOS" in kinds(render(PLAIN_TALK, knows, twice))


def test_a_pair_shows_both_sides(knows: Tokenizer) -> None:
    context = [*PLAIN_TALK, {"role": "user", "content": "Why?"}]
    pair = {
        "prompt": context,
        "chosen": [{"role": "assistant", "content": "Rain."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    }
    view = token_view(pair, knows, get_template("mistral"), 512)
    sides = {
        side["title"]: "".join(token["text"] for token in side["tokens"] if token["trained"]) for side in view["sides"]
    }
    assert {title: words.strip() for title, words in sides.items()} == {"chosen": "Rain.</s>", "rejected": "No.</s>"}
    assert view["tokens"] == view["sides"][0]["tokens"] and json.dumps(view)


@pytest.mark.parametrize("label", [True, False])
def test_an_unpaired_row(label: bool, knows: Tokenizer) -> None:
    row = {"prompt": PLAIN_TALK[:1], "completion": PLAIN_TALK[1:], "label": label}
    view = token_view(row, knows, get_template("mistral"), 512)
    assert "".join(token["text"] for token in view["tokens"] if token["trained"]).strip() == "Grey.</s>"
    assert view["sides"] == []


def test_a_prompt_ends_where_the_answer_begins(knows: Tokenizer) -> None:
    rendered = render_prompt(PLAIN_TALK[:1], knows, get_template("qwen"), tools=TOOLS)
    assert rendered.text.endswith("<|im_start|>assistant\n") and not any(rendered.trained) and not rendered.warnings
    assert kinds(render_prompt(PLAIN_TALK[:1], knows, get_template("qwen"), 5)) == {"prompt cut off"}
    assert token_view({"prompt": PLAIN_TALK[:1]}, knows, get_template("qwen"), 512)["warnings"] == []


@pytest.mark.parametrize(
    ("name", "talk", "what"),
    [("gemma", TALK[:1] + PLAIN_TALK, "the system prompt"), ("vicuna", TALK[1:5], "the tool turns")],
)
def test_a_refusal_says_what_is_refused(name: str, talk: list[Any], what: str, knows: Tokenizer) -> None:
    view = token_view({"messages": talk}, knows, get_template(name), 512)
    assert view["tokens"] == [] and view["warnings"][0]["level"] == "error"
    assert f"refuses {what}" in view["warnings"][0]["text"]


def test_faults_of_a_template_typed_in(knows: Tokenizer) -> None:
    view = token_view({"messages": PLAIN_TALK}, knows, custom_template("{% for %}"), 512)
    assert "line 1" in view["warnings"][0]["text"]
    endless = custom_template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    with pytest.raises(TemplateStopped):
        token_view({"messages": PLAIN_TALK}, knows, endless, 512)


def test_a_row_on_the_shelf(tmp_path: Path) -> None:
    from tests.toys import toy_model

    home = Home.at(tmp_path)
    toy_model(home)
    write_rows(home, "talks", "conversation", [{"messages": PLAIN_TALK}])
    write_rows(home, "words", "text", [{"text": "The wren."}])
    settings: dict[str, Any] = {"split": "train", "row": 1, "max_length": 64}
    view = row_token_view(home, "talks", "toy", template="custom", text="{{ messages[1].content }}", **settings)
    assert "".join(token["text"] for token in view["tokens"]) == "Grey.<|im_end|>" and view["note"] == "typed in"
    assert row_token_view(home, "words", "toy", template="model", **settings)["note"] == "plain text"
    with pytest.raises(UserError, match="has no row 2"):
        row_token_view(home, "talks", "toy", template="qwen", **{**settings, "row": 2})
