"""Cards come from templates: what is put in cannot become Markdown or HTML, and nothing is left out in silence."""

import jinja2
import pytest

from workbench.core.cards import render_card

EVIL = "x | y_z *b*\n```\n# Owned <script>alert(1)</script>"


def gguf(**values: object) -> str:
    front = {"library_name": "gguf", "license": EVIL}
    return render_card("gguf", **{"front": front, "name": "a", "rows": [], "sentences": [], "parents": [], **values})


def test_values_are_escaped_for_markdown_and_the_front_matter_is_yaml() -> None:
    card = gguf(name=EVIL, rows=[(EVIL, EVIL)], sentences=[EVIL], parents=[EVIL])
    body = card.split("---\n", 2)[2].replace("```sh", "", 1).replace("\n```\n", "\n", 1)
    assert "<script>" not in body and "```" not in body
    assert body.splitlines()[1].startswith("# x \\| y\\_z \\*b\\*") and "\n# Owned" not in body
    assert "license: '" in card.split("---\n")[1] or "license: |" in card.split("---\n")[1]


def test_lists_and_numbers() -> None:
    card = gguf(rows=[("Context", 8192)], sentences=["one", "two"])
    assert "| Context | 8,192 |\n" in card
    assert card.endswith("## Worth knowing\n\n- one\n- two\n")
    assert "Made from" not in card


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_card("gguf", front={}, name="a")


def test_a_template_reaches_no_further_than_its_values() -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        render_card("../templates/chatml", front={})
