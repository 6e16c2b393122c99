"""Finding the format of rows from a sample of them.

A richer format never gives way to a poorer one because some rows do not fit it: those rows and their reasons are
shown. Prompts alone and plain text are taken only where no answer, role or label stands beside.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from workbench.core.errors import UserError
from workbench.core.foreign_configuration import single_object_of
from workbench.data.reading.column_account import turns_in
from workbench.data.reading.columns import is_empty
from workbench.data.reading.format import (
    FORMATS,
    Format,
    Row,
    columns_beside,
    columns_of,
    filled_columns,
    values_of,
)
from workbench.data.reading.lines import ReadRow
from workbench.data.reading.refused_layouts import refusal_of
from workbench.data.reading.unread_columns import are_texts, doubts, may_be_answered

TIERS = {"preference": 3, "unpaired": 3, "conversation": 2, "text": 1, "prompts": 1}
BESIDE = ("label", "answer", "conversation")
REASONS = 3
ASIDE = ("keep", "leave_out")
CHECKED_ROWS = 20


@dataclass(frozen=True)
class Detection:
    """The format found (None if none fits), why, and every format that could be meant, best first.

    `failures` are the reasons, each once, why rows of the sample do not fit it.
    """

    format: Format | None
    reason: str
    candidates: list[Format]
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Trial:
    format: Format
    reason: str
    total: int
    converted: int
    claimed: int
    failures: list[str]

    def merit(self) -> tuple[bool, int, bool, int, int, int]:
        """Not poor, what its kind says, half of the sample readable, columns explained, rank, rows read."""
        form = self.format
        return (
            not form.poor, TIERS[form.kind], self.converted * 2 >= self.total, self.claimed, form.rank, self.converted,
        )  # fmt: skip


def detect(rows: Iterable[Row]) -> Detection:
    """Tries every format on a sample of rows and takes the richest that their columns mean."""
    sample = [row for row in rows if isinstance(row, dict)]
    if not sample:
        return Detection(None, "There are no rows to look at.", [])
    if reason := refusal_of(sample):
        return Detection(None, reason, [])
    columns = filled_columns(sample) or columns_of(sample)
    trials = [trial for form in FORMATS if (trial := _try(form, columns, sample))]
    trials = sorted(trials, key=_Trial.merit, reverse=True)
    candidates = [trial.format for trial in trials]
    if not trials:
        layout, remedy = single_object_of(sample[0]) if len(sample) == 1 else ("", "")
        names = ", ".join(columns_of(sample)) or "none"
        failure = f"This is {layout}, not a dataset. {remedy}" if layout else f"No format knows these columns: {names}."
        return Detection(None, failure, [])
    best = trials[0]
    if best.format.poor and (doubt := _doubt(best.format, columns, sample)):
        return Detection(None, doubt, candidates)
    reason = f"{best.reason} {best.converted} of the first {best.total} rows can be read."
    return Detection(best.format, reason, candidates, best.failures)


def completed(form: Format, sample: list[Row]) -> Format:
    """A format chosen by hand, with the settings that were not given filled in from a sample."""
    columns = filled_columns(sample)
    guessed = form.guess(columns, sample)[0]
    beside = {
        name: column for name, column in columns_beside(columns, sample).items() if name in type(form).model_fields
    }
    settings = {name: getattr(form, name) for name in form.model_fields_set}
    detected = guessed.settings() if guessed else {**form.settings(), **beside}
    return _without_repeated(type(form).parse({**detected, **settings}), sample)


def with_columns(form: Format, changes: dict[str, str]) -> Format:
    """The format with what `changes` say: a setting and its column, or a column and `keep` or `leave_out`.

    Raises `SpecError` for what is neither.
    """
    settings = form.settings()
    lists = dict(zip(ASIDE, (list(settings["keep_columns"]), list(settings["leave_out"])), strict=True))
    for name, value in changes.items():
        if value in lists:
            settings |= {setting: "" for column, setting in form.used.items() if column == name}
            lists[value].append(name)
    named = {name: value for name, value in changes.items() if value not in lists}
    return type(form).parse({**settings, "keep_columns": lists["keep"], "leave_out": lists["leave_out"], **named})


def _try(form: type[Format], columns: list[str], sample: list[Row]) -> _Trial | None:
    guessed, reason = form.guess(columns, sample)
    if guessed is None:
        return None
    claimed = len(set(guessed.columns_used()) & set(columns))
    items = guessed.gather_items(iter([ReadRow(line, row) for line, row in enumerate(sample, 1)]))
    failures = [_failure(guessed, item.data) for item in items if isinstance(item, ReadRow)]
    reasons = list(dict.fromkeys(filter(None, failures)))[:REASONS]
    whole = _without_repeated(guessed, sample)
    return _Trial(whole, reason, len(failures), failures.count(""), claimed, reasons)


def _failure(form: Format, row: Row) -> str:
    try:
        form.convert(row)
    except UserError as error:
        return str(error)
    return ""


def _doubt(form: Format, columns: list[str], sample: list[Row]) -> str:
    """Why rows may be more than prompts or plain text; '' where they are nothing else."""
    beside = [name for name in columns if name not in form.used and _may_be_more(form, name, values_of(sample, name))]
    if not beside:
        return ""
    names = ", ".join(map(repr, beside))
    return f"These could be {form.title.lower()}, but {names} beside may be more than that."


def _may_be_more(form: Format, name: str, values: list[object]) -> bool:
    """Whether a column may hold answers, labels or turns; beside prompts every text of its own may be an answer."""
    return may_be_answered(name, values, BESIDE) or (form.kind == "prompts" and are_texts(name, values))


def _without_repeated(form: Format, sample: list[Row]) -> Format:
    """The format with those columns kept that it would ask about, but that only repeat what it reads."""
    asked = {name for row in sample for name in row if form.fate(name).use == "undecided"} | doubts(form, sample).keys()
    repeated = [name for name in sorted(asked) if _is_repeated(form, name, sample)]
    if not repeated:
        return form
    return type(form).parse({**form.settings(), "keep_columns": [*form.keep_columns, *repeated]})


def _is_repeated(form: Format, column: str, sample: list[Row]) -> bool:
    """Whether all texts of a column are texts of the rows read from it."""
    rows = [row for row in sample if not is_empty(row.get(column))][:CHECKED_ROWS]
    for row in rows:
        if _failure(form, row):
            return False
        read = {turn["content"].strip() for turn in _turns(form.convert(row))}
        if not (texts := _texts(row[column])) or not texts <= read:
            return False
    return bool(rows)


def _turns(row: Row) -> list[Row]:
    return [turn for value in row.values() if isinstance(value, list) for turn in value if "content" in turn]


def _texts(value: object) -> set[str]:
    """The texts of a cell: itself, or those of its messages."""
    if isinstance(value, str):
        return {value.strip()}
    texts = [turn.get("content", turn.get("value")) for turn in turns_in(value)]
    return {str(text).strip() for text in texts} if isinstance(value, list) and len(texts) == len(value) else set()
