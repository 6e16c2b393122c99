"""Taking HTML, and Markdown if wished, out of texts."""

from typing import ClassVar

import pyarrow as pa
from pydantic import Field

from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork
from workbench.data.recipes.turns import rewrite, scan
from workbench.data.text.expressions import matches
from workbench.data.text.html_and_markdown import (
    MARKDOWN,
    MARKUP_CANDIDATE,
    outside_code,
    read_entities,
    tags_of,
    without_html,
    without_markdown,
)
from workbench.rows.split_rows import Rows, TurnScope


@STEPS.register
class Markup(Step):
    """Takes HTML tags, comments, scripts and entities out of texts, and Markdown if wished; code stays as it is.

    Tags are those of https://html.spec.whatwg.org/multipage/indices.html#elements-3; List<int> and the like stay,
    and so do tool calls and tools: markup in an argument is data.
    """

    method: ClassVar[str] = "markup"
    title: ClassVar[str] = "HTML and Markdown"
    group: ClassVar = "Text"
    version: ClassVar[int] = 2

    html: bool = Field(True, title="HTML tags", description="Take out HTML tags; paragraphs and lists become lines.")
    entities: bool = Field(True, title="HTML entities", description="Turn entities such as &amp; into characters.")
    markdown: bool = Field(
        False, title="Markdown", description="Take out emphasis, headings and the addresses of links."
    )
    part: TurnScope = Field("all", title="Turns", description="Which turns are cleaned.")

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if not (self.html or self.entities or self.markdown):
            problems.add("html", "nothing is taken out.", "Choose at least one of HTML, entities and Markdown.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        def find(texts: pa.Array) -> dict[int, list[str]]:
            hits = set(matches(texts, MARKUP_CANDIDATE)) | (set(matches(texts, MARKDOWN)) if self.markdown else set())
            old = {index: texts[index].as_py() for index in sorted(hits)}
            return {index: _gone(text, new) for index, text in old.items() if (new := self.cleaned(text)) != text}

        matched_rows = scan(rows, self.part, work, self.title, find, calls=False)
        return rewrite(rows, matched_rows, self.part, self.cleaned, _reason, calls=False)

    def cleaned(self, text: str) -> str:
        """One text as this step writes it."""
        if self.html:
            text = without_html(text, self.entities)
        elif self.entities:
            text = outside_code(text, read_entities)
        return without_markdown(text) if self.markdown else text


def _gone(old: str, new: str) -> list[str]:
    """The tags that went, or else the words."""
    remaining = set(new.split())
    return tags_of(old) or [word for word in old.split() if word not in remaining] or [old[:200]]


def _reason(pieces: list[str]) -> str:
    return f"{len(pieces):,} piece{'s' * (len(pieces) != 1)} of markup taken out."
