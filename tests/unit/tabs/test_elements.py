"""HTML of the page: text of people and models is escaped in every piece, and what is HTML already goes through once."""

from collections.abc import Callable

import pytest
from htpy import b
from markupsafe import Markup

from tabs.shell import elements

HOSTILE = "<img src=x onerror=\"alert('1')\">${alert(2)}{{alert(3)}}`+alert(4)+`\\u0024"
ESCAPED = (
    "&lt;img src=x onerror=&#34;alert(&#39;1&#39;)&#34;&gt;&#36;&#123;alert(2)&#125;&#123;&#123;alert(3)&#125;&#125;"
    "&#96;+alert(4)+&#96;&#92;u0024"
)
PIECES: list[Callable[[str], Markup]] = [
    elements.render_html,
    lambda text: elements.chip("done", text),
    lambda text: elements.empty(text, text, text),
    lambda text: elements.facts([(text, text)]),
    lambda text: elements.table([text], [[text]]),
    lambda text: elements.error_box(text, text),
    elements.hint,
    elements.note,
    lambda text: elements.heading(text, text),
    lambda text: elements.result_box(text, [text]),
    lambda text: elements.sentence_list([text]),
    lambda text: elements.row_card([(text, text, text)], text),
    lambda text: elements.rejected_card(text, text, text),
    lambda text: elements.header(text, text, logged_in=True),
]


@pytest.mark.parametrize("piece", PIECES)
def test_no_piece_lets_text_become_html_or_a_template(piece: Callable[[str], Markup]) -> None:
    drawn = piece(HOSTILE)
    assert isinstance(drawn, Markup) and ESCAPED in drawn
    assert "<img" not in drawn and not set("$`{}\\") & set(drawn)


def test_a_status_becomes_one_class() -> None:
    assert elements.chip('x" onclick="y', "text") == '<span class="wb-chip is-xonclicky">text</span>'


def test_pieces_go_into_others_as_they_are_and_text_made_of_them_does_not() -> None:
    chip = elements.chip("done", "a & b")
    assert f"<td>{chip}</td>" in elements.table(["x"], [[chip]])
    assert f"<dd>{chip}</dd>" in elements.facts([("x", chip)])
    assert elements.result_box(chip, b["$"]) == f'<div class="wb-result">{chip}<b>&#36;</b></div>'
    assert "<span" not in elements.hint(f"{chip} is text now")


def test_a_column_of_numbers_stands_to_the_right() -> None:
    drawn = elements.table(["n", "mixed", "flag"], [[1, "x", True], [2.34567, 3, False]])
    assert '<th class="is-number">n</th><th>mixed</th><th>flag</th>' in drawn
    assert '<td class="is-number">2.346</td><td class="is-number">3</td><td>False</td>' in drawn


def test_what_is_missing_is_left_out() -> None:
    assert elements.facts([("x", None)]) == '<dl class="wb-kv"><dt>x</dt><dd></dd></dl>'
    assert elements.heading("Runs") == '<h2 class="wb-h">Runs</h2>'
    assert elements.row_card([("user", "user", "hi")]) == (
        '<div class="wb-row"><dl><dt class="is-user">user</dt><dd>hi</dd></dl></div>'
    )
    assert "Log out" not in elements.header("CPU") and "No job running" in elements.header("CPU")
