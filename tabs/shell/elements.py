"""HTML of the page that no script draws: text is escaped where it enters, and every piece the tabs share is made here.

Elements are htpy's. What leaves this module is `Markup`, which goes into other elements as it is.
"""

from collections.abc import Iterable, Sequence
from typing import cast

from htpy import (
    Element,
    Node,
    b,
    br,
    button,
    dd,
    div,
    dl,
    dt,
    form,
    fragment,
    h1,
    h2,
    h3,
    i,
    li,
    pre,
    span,
    strong,
    tbody,
    td,
    th,
    thead,
    tr,
    ul,
)
from htpy import table as table_element
from markupsafe import Markup

_SIGNS = {ord(sign): f"&#{ord(sign)};" for sign in "$`{}\\"}
LINE_BREAK = br.__html__()


def render_html(*nodes: Node) -> Markup:
    """The nodes as HTML that neither the browser, nor Handlebars, nor a JS template literal can run."""
    return cast(Markup, fragment[nodes].__html__().translate(_SIGNS))


def chip(status: str, text: str = "") -> Markup:
    """Small coloured label; status: queued, running, done, failed, stopped, interrupted, or anything neutral."""
    word = "".join(letter for letter in status.lower() if letter.isascii() and letter.isalpha())
    return render_html(span(f".wb-chip.is-{word}")[text or status])


def empty(title: str, sentence: str = "", next_step: str = "") -> Markup:
    """What an empty place says: what belongs here, in a sentence, and what to do next."""
    lines = (("title", title), ("text", sentence), ("next", next_step))
    return render_html(div(".wb-empty")[[div(f".wb-empty-{kind}")[text] for kind, text in lines if text]])


def facts(rows: Iterable[tuple[str, object]]) -> Markup:
    """A list of names and values."""
    return render_html(dl(".wb-kv")[[(dt[name], dd[_text(value)]) for name, value in rows]])


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """A table; numbers are set to the right, cells that are `Markup` (chips, say) are kept as they are."""
    cells = [list(row) for row in rows]
    right = [bool(cells) and all(_is_number(row[index]) for row in cells) for index in range(len(columns))]
    head = [th(class_=_side(flag))[name] for name, flag in zip(columns, right, strict=True)]
    body = [tr[[td(class_=_side(_is_number(value)))[_text(value)] for value in row]] for row in cells]
    return render_html(
        div(".wb-table-box", tabindex="0", role="group", aria_label="Table")[
            table_element(".wb-table")[thead[tr[head]], tbody[body]]
        ]
    )


def error_box(message: str, remedy: str = "") -> Markup:
    """A failure and what to do about it."""
    return render_html(div(".wb-error", role="alert")[strong[message], div[remedy]])


def middle_cut(text: str, longest: int) -> str:
    """At most `longest` characters, cut in the middle: what tells long names apart stands at their ends."""
    if len(text) <= longest:
        return text
    head = longest // 2
    return f"{text[:head]}…{text[len(text) - (longest - head - 1) :]}"


def local_time(moment: str) -> Markup:
    """A moment (ISO 8601, UTC), which the page's script says in the reader's language and zone."""
    return render_html(Element("wb-time")(datetime=moment)[f"{moment[:16].replace('T', ' ')} UTC"])


def hint(text: Node) -> Markup:
    """A muted sentence of help."""
    return render_html(div(".wb-hint")[text])


def note(text: str, kind: str = "warn") -> Markup:
    """A sentence that stands out; kind: warn or ok."""
    return render_html(div(f".wb-note.is-{kind}", role="status")[text])


def heading(text: str, subtitle: str = "") -> Markup:
    """The heading of a section, with a muted sentence beneath."""
    return render_html(h2(".wb-h")[text], hint(subtitle) if subtitle else None)


def result_box(*nodes: Node) -> Markup:
    """The pieces of a result, one beneath the other."""
    return render_html(div(".wb-result")[nodes])


def sentence_list(sentences: Iterable[str]) -> Markup:
    """What a result says, in sentences."""
    return render_html(ul(".wb-sentences")[[li[sentence] for sentence in sentences]])


def row_card(turns: Iterable[tuple[str, str, str]], origin: str | None = None) -> Markup:
    """A dataset's row: (role, what it is called, text) of each turn, and where the row came from."""
    lines = [(dt(class_=f"is-{role}")[label], dd[text]) for role, label, text in turns]
    return render_html(div(".wb-row")[dl[lines], None if origin is None else hint(origin)])


def rejected_card(title: str, reason: str, raw: str) -> Markup:
    """A row that could not be read: where it stands, why, and how it begins."""
    return render_html(div(".wb-row.wb-dr-bad")[div(".wb-dr-head")[b[title], span[reason]], pre[raw]])


def step_words(state: str, mark: str, heard: str, title: str, text: str) -> Markup:
    """A step of several: its mark in a circle, title and sentence; `heard` is for screen readers, before the title."""
    circle = span(".wb-step-mark", aria_hidden="true")[mark]
    named = h3(".wb-h")[span(".wb-only-read")[heard], title]
    return render_html(div(f".wb-step-words.is-{state}")[circle, div[named, hint(text)]])


def header(device_text: str, job_text: str = "", job_status: str = "running", logged_in: bool = False) -> Markup:
    """The bar at the top: brand, device, the running job if there is one, the light/dark switch, and the way out."""
    job = chip(job_status, job_text) if job_text else chip("idle", "No job running")
    return _bar([job, span(".wb-chip.is-device")[device_text]], logged_in)


def role_header(logged_in: bool) -> Markup:
    """The bar at the top for somebody who may see neither device nor jobs."""
    return _bar([], logged_in)


def _bar(chips: list[Node], logged_in: bool) -> Markup:
    switch: dict[str, str | bool] = {"data-wb-theme": True, "title": "Light or dark", "aria-label": "Light or dark"}
    right: list[Node] = [
        *chips,
        button(".wb-theme", switch, type="button"),
        form(method="post", action="logout")[button(".wb-button")["Log out"]] if logged_in else None,
    ]
    brand = h1(".wb-brand")[i, span["LLM Workbench"]]
    return render_html(div(".wb-header")[brand, div(".wb-header-right")[right]])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _side(is_number: bool) -> str | None:
    return "is-number" if is_number else None


def _text(value: object) -> str:
    """A value as text; `Markup` stays what it is."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else "" if value is None else str(value)
