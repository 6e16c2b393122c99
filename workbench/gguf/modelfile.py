"""What lies beside a GGUF: a Modelfile for Ollama and a card that says how to run it.

Ollama's own template language cannot run a model's Jinja template. The template is rendered in the sandbox around
marked messages; if the pieces between them are regular, they are written down for Ollama, else Ollama is left to
recognize the template inside the file. https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.core.cards import render_card
from workbench.core.errors import UserError
from workbench.core.units import human_count, human_size
from workbench.rendering.templates import Template
from workbench.rows.canonical import Message

SYSTEM, USER, ANSWER = "SYSTEMWORDS", "USERWORDS", "ANSWERWORDS"


@dataclass(frozen=True)
class Pieces:
    """The texts around messages; `head` stands where there is no system message."""

    head: str
    before_system: str
    after_system: str
    before_user: str
    after_user: str
    before_answer: str
    after_answer: str

    def render(self, messages: Sequence[Message], prompt: bool) -> str:
        system = messages[0]["role"] == "system"
        rendered = "" if system else self.head
        around = {
            "system": (self.before_system, self.after_system),
            "user": (self.before_user, self.after_user),
            "assistant": (self.before_answer, self.after_answer),
        }
        for message in messages:
            before, after = around[message["role"]]
            rendered += before + message["content"] + after
        return rendered + (self.before_answer if prompt else "")

    def for_ollama(self) -> str:
        """As a template in Go's language."""
        return (
            f"{{{{ if .System }}}}{self.before_system}{{{{ .System }}}}{self.after_system}{{{{ else }}}}{self.head}"
            f'{{{{ end }}}}{{{{ range .Messages }}}}{{{{ if eq .Role "user" }}}}{self.before_user}{{{{ .Content }}}}'
            f'{self.after_user}{{{{ else if eq .Role "assistant" }}}}{self.before_answer}{{{{ .Content }}}}'
            f"{self.after_answer}{{{{ end }}}}{{{{ end }}}}{self.before_answer}"
        )


def template_pieces(template: Template, tokens: Mapping[str, str]) -> Pieces | None:
    """The pieces of a regular template, or None. Begin-of-text is left out: Ollama adds it."""
    special_tokens = {**tokens, "bos_token": ""}

    def render(messages: list[Message], prompt: bool = False) -> str:
        return template.render(messages, special_tokens, prompt)

    try:
        pieces = _taken_apart(render)
        talk = [*_talk(SYSTEM), *_talk(), *_talk()[:1]]
        same = all(
            pieces.render(conversation, prompt) == render(conversation, prompt)
            for conversation in (talk, talk[1:], talk[:2], talk[:3])
            for prompt in (True, False)
        )
    except (UserError, ValueError):
        return None
    unsafe = any("{{" in piece or '"""' in piece for piece in vars(pieces).values())
    return pieces if same and not unsafe else None


def _talk(system: str = "") -> list[Message]:
    asked: list[Message] = [{"role": "user", "content": USER}, {"role": "assistant", "content": ANSWER}]
    return [{"role": "system", "content": system}, *asked] if system else asked


def _taken_apart(render: Any) -> Pieces:
    """Cuts rendered conversations at their marks; raises `ValueError` where one is missing or there twice."""
    asked = _talk()[:1]
    opening, after_user = _cut(render(asked), USER)
    before_answer = render(asked, True).removeprefix(opening + USER + after_user)
    _, after_answer = _cut(render(_talk()), ANSWER)
    twice = render([*_talk(), *asked])
    before_user = twice.split(ANSWER)[1].removeprefix(after_answer).split(USER)[0]
    before_system, rest = _cut(render(_talk(SYSTEM)[:2]), SYSTEM)
    return Pieces(
        opening.removesuffix(before_user), before_system, rest.split(USER)[0].removesuffix(before_user), before_user,
        after_user, before_answer, after_answer,
    )  # fmt: skip


def _cut(words: str, mark: str) -> tuple[str, str]:
    before, after = words.split(mark)
    return before, after


def modelfile(template: str, tokens: Mapping[str, str], stops: Sequence[str] = ()) -> str:
    """The Modelfile of a GGUF beside it.

    tokens: its special tokens by name, as far as they are known. stops: the texts of all tokens that end an answer;
    without them EOS.
    """
    lines = ["FROM ./model.gguf"]
    needs_eos = "eos_token" in template and not tokens.get("eos_token")
    pieces = (
        template_pieces(Template("model", template, "the model's own"), tokens) if template and not needs_eos else None
    )
    if pieces:
        lines.append(f'TEMPLATE """{pieces.for_ollama()}"""')
    for end in stops or filter(None, [tokens.get("eos_token", "")]):
        lines.append(f"PARAMETER stop {json.dumps(end, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def gguf_card(
    name: str, info: Mapping[str, Any], size: int, sentences: Sequence[str], parents: Sequence[str], licence: str = ""
) -> str:
    """README.md of a GGUF: type, size, how to run it, what is worth knowing, what it was made from."""
    front: dict[str, Any] = {"library_name": "gguf", "pipeline_tag": "text-generation"}
    if licence:
        front["license"] = licence
    front["tags"] = ["gguf", "llama-cpp", "llm-workbench"]
    rows = [
        ("Type", str(info["type"])), ("Size", human_size(size)), ("Weights", human_count(info["parameters"])),
        ("Architecture", str(info["architecture"])), ("Context", f"{info['context_length']:,} tokens"),
    ]  # fmt: skip
    return render_card("gguf", front=front, name=name, rows=rows, sentences=sentences, parents=parents)
