"""Chat templates: what they render, and that none can do harm or hold anything up."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.core.errors import UserError
from workbench.rendering import templates
from workbench.rendering.templates import (
    RENDERER,
    TEMPLATE_NAMES,
    Template,
    TemplateStopped,
    get_template,
    model_template,
)

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello!"},
]


def rendered(text: str) -> str:
    return Template("test", text).render(TALK, {"eos_token": "</s>"})


def test_chatml() -> None:
    expected = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello!<|im_end|>\n"
    )
    assert get_template("chatml").render(TALK) == expected
    asked = get_template("chatml").render(TALK[:2], add_generation_prompt=True)
    assert expected.startswith(asked) and asked.endswith("<|im_start|>assistant\n")


def test_alpaca_ends_every_answer_with_eos() -> None:
    template = get_template("alpaca")
    text = template.render([*TALK, TALK[1]], {"eos_token": "</s>"}, add_generation_prompt=True)
    assert text == (
        "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello!</s>\n\n### Instruction:\nHi\n\n### Response:\n"
    )
    assert template.render(TALK[1:]).endswith("### Instruction:\nHi\n\n### Response:\nHello!\n\n")


def test_the_models_own_template(tmp_path: Path) -> None:
    assert model_template(tmp_path) is None
    fallback = get_template("model", tmp_path)
    assert fallback.name == "chatml" and "no template of its own" in fallback.note
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps({"chat_template": "one"}))
    assert get_template("model", tmp_path).render(TALK) == "one"
    both = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": "two"}]
    config.write_text(json.dumps({"chat_template": both}))
    assert get_template("model", tmp_path).render(TALK) == "two"
    (tmp_path / "chat_template.jinja").write_text("three")
    assert get_template("model", tmp_path).render(TALK) == "three"
    with pytest.raises(UserError, match="Choose one of: model, alpaca, chatml"):
        get_template("../secret")
    assert TEMPLATE_NAMES[0] == "model" and {"alpaca", "chatml"} < set(TEMPLATE_NAMES)


def test_damaged_template_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        model_template(tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        model_template(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("x" * 1_000_001)
    with pytest.raises(UserError, match="larger than"):
        model_template(tmp_path)


def test_what_templates_may_use() -> None:
    assert rendered("{{ messages[0] | tojson }}") == '{"role": "system", "content": "Be brief."}'
    assert rendered("{% generation %}a{% endgeneration %}{{ eos_token }}{{ bos_token }}") == "a</s>"
    assert (
        rendered("{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}{{ m.role }}{% endfor %}")
        == "system"
    )
    assert len(rendered("{{ strftime_now('%Y') }}")) == 4
    assert rendered("{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{{ ns.a }}{{ dict(b=1).b }}") == "21"
    assert rendered("{{ '{0.__class__}'.format(1) }}") == ""
    assert rendered("{% if tools is none and documents is none %}x{% endif %}") == "x"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__['os'].popen('id').read() }}",
        "{{ messages.append(1) }}",
        "{{ namespace(__class__=1) }}",
        "{% include '/etc/passwd' %}",
        "{{ open('/etc/passwd') }}",
        "{% for %}",
        "{{ missing.a.b }}",
        "{{ 1 / 0 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_escapes_and_faults_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="cannot render this"):
        rendered(text)


def test_a_templates_own_refusal_is_passed_on() -> None:
    with pytest.raises(UserError, match="only user turns"):
        rendered("{{ raise_exception('only user turns') }}")


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(99999) %}{{ 'twenty characters ..' }}{% endfor %}",
        "{{ 'a' * 1000001 }}",
        "{{ 'a' * 10**10 }}",
        "{% set n = namespace(s='ab') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    ],
)
def test_huge_output_is_stopped(text: str) -> None:
    with pytest.raises(UserError, match=r"longer than|memory|did not end"):
        rendered(text)
    assert rendered("fine") == "fine"


def test_an_endless_template_is_stopped_and_the_next_one_renders() -> None:
    started = time.monotonic()
    with pytest.raises(TemplateStopped, match="did not end within 2 seconds"):
        rendered("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    assert time.monotonic() - started < 10
    assert rendered("{{ messages[1].content }}") == "Hi"


def test_a_killed_process_is_replaced() -> None:
    assert rendered("a") == "a"
    process = RENDERER._process
    assert process
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert rendered("b") == "b"


def _in_child(answers: "multiprocessing.Queue[str]") -> None:
    answers.put(rendered("{{ messages[1].content }}"))


def test_a_forked_child_has_a_process_of_its_own() -> None:
    assert rendered("a") == "a"
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_in_child, args=(answers,))
    child.start()
    assert answers.get(timeout=60) == "Hi"
    child.join(10)
    assert rendered("b") == "b"


def test_a_row_rendered_several_times_is_heard_of_between_the_renderings(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.rendering import template_worker

    said: list[dict[str, Any]] = []
    monkeypatch.setattr(template_worker.REPLIES, "add", said.append)
    monkeypatch.setattr(template_worker.REPLIES, "send", lambda: None)
    monkeypatch.setattr(template_worker, "SILENT_SECONDS", -1.0)
    monkeypatch.setattr(template_worker, "limit_time", lambda _: None)
    text = get_template("chatml").text + "{# anew #}"
    request = {"template": text, "tokens": {}, "rows": [{"messages": TALK, "masked": True}]}
    (answer,) = template_worker.answer_rows(request)
    assert len(answer["answers"]) == 1 and said == [{}] * len(said) and len(said) >= 3
    lines = iter(("{}", "{}", '{"text": "a"}', None))
    process: Any = SimpleNamespace(next_line=lambda _: next(lines))
    assert templates._answer(process) == {"text": "a"}
    with pytest.raises(ValueError, match="Expecting value"):
        templates._answer(process)


def test_an_answer_held_back_takes_no_time_from_the_next_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rendering may take its two seconds, whatever was written before it and not sent yet."""
    from workbench.rendering import template_worker

    clock = [0.0]
    sent: list[float] = []
    monkeypatch.setattr(template_worker.time, "monotonic", lambda: clock[0])
    replies = template_worker.Replies()
    monkeypatch.setattr(template_worker, "REPLIES", replies)
    monkeypatch.setattr(template_worker.sys, "stdout", SimpleNamespace(write=len, flush=lambda: sent.append(clock[0])))

    def render(seconds: float) -> None:
        replies.alive()
        clock[0] += seconds
        replies.add({"text": "a"})

    for seconds in (0.2, 1.9, 0.1, 0.1, 0.1, 1.9, 0.24, 1.9):
        render(seconds)
    silences = [after - before for before, after in zip([0.0, *sent], sent, strict=False)]
    assert max(silences) <= templates.SECONDS + template_worker.SILENT_SECONDS
    assert templates.SILENT_SECONDS == template_worker.SILENT_SECONDS
    waited: list[float] = []
    process: Any = SimpleNamespace(next_line=lambda seconds: waited.append(seconds) or '{"text": "a"}')
    assert templates._answer(process) == {"text": "a"}
    assert waited == [templates.SECONDS + template_worker.SILENT_SECONDS]
