"""Personal data and secrets: masked, or the rows taken out."""

from collections import Counter
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import judged, rewrite, scan
from workbench.data.text.expressions import compiled_problem, matches, matches_in
from workbench.data.text.personal_data import FINDERS, PII_CANDIDATE, KindSpan, masked, spans
from workbench.rows.split_rows import Rows, TurnScope

NAMES = {
    "email": "e-mail address", "phone": "phone number", "ip": "IP address", "card": "card number", "iban": "IBAN",
    "national_id": "national ID number", "key": "secret key",
}  # fmt: skip


@STEPS.register
class Pii(Step):
    """Masks e-mail addresses, phone, card, bank and national ID numbers, IP addresses and keys, or drops their rows.

    Patterns with check digits where there are some, by the rules of https://arthurdejong.org/python-stdnum/. Names
    and street addresses are not found. Thoughts, arguments of tool calls with their keys and descriptions of tools are
    looked at too.
    """

    method: ClassVar[str] = "pii"
    title: ClassVar[str] = "Personal data and secrets"
    group: ClassVar = "Text"
    version: ClassVar[int] = 4

    email: bool = Field(True, title="E-mail addresses", description="Find e-mail addresses.")
    phone: bool = Field(
        True, title="Phone numbers",
        description="Find phone numbers: international, North American, or with a leading zero.",
    )  # fmt: skip
    ip: bool = Field(
        True, title="IP addresses", description="Find IP addresses but those that mean the machine itself."
    )
    card: bool = Field(True, title="Payment cards", description="Find payment card numbers.")
    iban: bool = Field(True, title="Bank accounts (IBAN)", description="Find international bank account numbers.")
    national_id: bool = Field(
        True, title="National IDs",
        description="Find identity, social security, health and tax numbers of some forty states by their check "
        "digits.",
    )  # fmt: skip
    key: bool = Field(
        True, title="Secret keys", description="Find keys and tokens known by how they begin, and private keys."
    )
    own: dict[str, str] = Field(
        default_factory=dict, title="Own patterns",
        description="Patterns of your own: a name for the mask and a regular expression (RE2).",
    )  # fmt: skip
    action: Annotated[
        Literal["mask", "drop", "flag"],
        Display(labels={
            "mask": "mask it", "drop": "take the row out", "flag": "flag the row for review",
        }),
    ] = Field(
        "mask", title="What is found",
        description="Write [EMAIL] and the like in its place, take the row out, or flag it for review.",
    )  # fmt: skip
    part: TurnScope = Field("all", title="Turns", description="Which turns are searched.")

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if not self._kinds() and not self.own:
            problems.add("email", "nothing is looked for.", "Choose at least one kind of data.")
        for name, pattern in self.own.items():
            fault = compiled_problem(pattern)
            if fault:
                problems.add(("own", name), f"{pattern!r} {fault}", "RE2 has no lookaround or back-references.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        counts: Counter[str] = Counter()

        def find(texts: pa.Array) -> dict[int, list[str]]:
            spans_by_text = self._find(texts)
            for some in spans_by_text.values():
                counts.update(kind for _, _, kind, _ in some)
            return {index: [piece for _, _, _, piece in some] for index, some in spans_by_text.items()}

        matched_rows = scan(rows, self.part, work, self.title, find, keys=True)
        if self.action == "mask":
            outcome = rewrite(rows, matched_rows, self.part, self._mask, self._reason, keys=True)
        else:
            outcome = judged(
                self.action, {at: Verdict(self._reason(got), tuple(got)) for at, got in matched_rows.items()}
            )
        totals = [f"{count:,} × {NAMES.get(kind, kind)}" for kind, count in sorted(counts.items())]
        outcome.notes = [f"Found {', '.join(totals)}."] if totals else []
        return outcome

    def _kinds(self) -> list[str]:
        return [kind for kind in FINDERS if getattr(self, kind)]

    def _find(self, texts: pa.Array) -> dict[int, list[tuple[int, int, str, str]]]:
        """By position: the spans of a text with the pieces they cover."""
        hits = set(matches(texts, PII_CANDIDATE)) if self._kinds() else set()
        for pattern in self.own.values():
            hits |= set(matches(texts, pattern))
        spans_by_text = {}
        for index in sorted(hits):
            text = texts[index].as_py()
            some = [(first, last, kind, text[first:last]) for first, last, kind in self._spans(text)]
            if some:
                spans_by_text[index] = some
        return spans_by_text

    def _spans(self, text: str) -> list[KindSpan]:
        return spans(text, self._kinds(), self._own(text) if self.own else ())

    def _own(self, text: str) -> list[KindSpan]:
        spans: list[KindSpan] = []
        for name, pattern in self.own.items():
            reached = 0
            for piece in matches_in(pa.array([text]), pattern)[0]:
                first = text.index(piece, reached)
                reached = first + len(piece)
                spans.append((first, reached, name))
        return spans

    def _mask(self, text: str) -> str:
        return masked(text, self._spans(text))

    def _reason(self, pieces: list[str]) -> str:
        kinds = Counter(self._kind_of(piece) for piece in pieces)
        totals = ", ".join(f"{count} × {NAMES.get(kind, kind)}" for kind, count in kinds.items())
        return f"{'Masked' if self.action == 'mask' else 'Found'}: {totals}."

    def _kind_of(self, piece: str) -> str:
        spans = self._spans(piece)
        return spans[0][2] if spans else "personal data"
