"""The prompts that models are asked with: templates in assets/prompts, or a person's own text in their place."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from workbench.core.assets import ASSETS
from workbench.core.errors import UserError, suggestion
from workbench.rendering.templates import RENDERER, TemplateStopped

FOLDER = ASSETS / "prompts"
MOST_TEMPLATE_CHARACTERS, MOST_PROMPT_CHARACTERS = 20_000, 200_000  # characters

# What each template is given. Those that a text of one's own may leave out are in brackets.
VARIABLES: dict[str, tuple[str, ...]] = {
    "self_instruct": ("examples", "(wanted)"),
    "evolve": ("prompt", "(operation)"),
    "evolve_no_gain": ("first", "second"),
    "answer": ("prompt",),
    "few_shot": ("prompt", "examples"),
    "chain_of_thought": ("prompt",),
    "judge": ("prompt", "(answer)"),
}


@dataclass(frozen=True)
class Prompt:
    """One template. `own` marks a text that was given in place of the one in assets/prompts."""

    name: str
    text: str = field(repr=False)
    own: bool = False

    @property
    def digest(self) -> str:
        """The first 16 digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def provenance(self) -> dict[str, Any]:
        """What a row's metadata says of it."""
        return {"template": f"own {self.name}" if self.own else self.name, "digest": self.digest}

    def render(self, **values: Any) -> str:
        """The prompt with these values (JSON types) in it; raises `UserError`.

        It is rendered in jinja2's sandbox, in the process that renders chat templates: 2 seconds, 1 GB at most.
        """
        request = {"template": self.text, "tokens": values, "rows": [{"messages": []}]}
        try:
            (answer,) = RENDERER.ask(request, self.name)
        except TemplateStopped:
            raise self._wrong("was stopped: it took more than 2 seconds, or too much memory") from None
        if "error" in answer:
            raise self._wrong(f"cannot be rendered: {answer['error']}")
        text: str = answer["text"].strip()
        if not text:
            raise self._wrong("renders to nothing")
        if len(text) > MOST_PROMPT_CHARACTERS:
            raise self._wrong(f"renders to more than {MOST_PROMPT_CHARACTERS:,} characters")
        return text

    def _wrong(self, complaint: str) -> UserError:
        return UserError(f"The prompt template {self.name!r} {complaint}.", "Change its text.", "template")


def get_prompt(name: str, own: str = "") -> Prompt:
    """The template of that name, or a person's own text in its place; raises `UserError`."""
    if own.strip():
        check_prompt(name, own)
        return Prompt(name, own, own=True)
    path = FOLDER / f"{name}.jinja"
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The prompt template {path.name} cannot be read: {error}.", "Restore assets/prompts."
        ) from None
    check_prompt(name, text)
    return Prompt(name, text)


def check_prompt(name: str, text: str) -> None:
    """Raises `UserError` when it is too long, no Jinja, uses names it is not given, or leaves out what it must use."""
    from jinja2 import TemplateSyntaxError, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if len(text) > MOST_TEMPLATE_CHARACTERS:
        raise UserError(
            f"The template is longer than {MOST_TEMPLATE_CHARACTERS:,} characters.", "Shorten it.", "template"
        )
    environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(text)
    except (TemplateSyntaxError, RecursionError) as error:
        where = f"line {error.lineno}: {error.message}" if isinstance(error, TemplateSyntaxError) else "nested too deep"
        raise UserError(f"The template {name!r} is no Jinja: {where}.", "Correct it.", "template") from None
    nodes_of_names = list(tree.find_all(nodes.Name))
    assigned = {node.name for node in nodes_of_names if node.ctx != "load"} | {"loop", *environment.globals}
    _names(name, {node.name for node in nodes_of_names if node.ctx == "load"}, assigned)


def _names(name: str, used: set[str], assigned: set[str]) -> None:
    expected = VARIABLES[name if name in VARIABLES else name.split("_", maxsplit=1)[0]]
    variables = [variable.strip("()") for variable in expected]
    for variable in sorted(used - assigned - {*variables}):
        raise UserError(
            f"The template uses {variable!r}, which it is not given.", suggestion(variable, variables), "template"
        )
    for variable in expected:
        if not variable.startswith("(") and variable not in used:
            remedy = f"Write {{{{ {variable} }}}} where it belongs."
            raise UserError(f"The template does not use {variable!r}.", remedy, "template")
