"""Keeping rows in chosen languages."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, DropOrFlag, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import judged, slices
from workbench.data.text.languages import detector, is_language_code, language_name, languages_unavailable, sample_of
from workbench.rows.split_rows import Rows, TurnScope


@STEPS.register
class Language(Step):
    """Keeps rows in these languages, told by fastText's small model from their first 200 characters.

    https://fasttext.cc/docs/en/language-identification.html. Code and web addresses are left out.
    """

    method: ClassVar[str] = "language"
    title: ClassVar[str] = "Language"
    group: ClassVar = "Which rows stay"
    version: ClassVar[int] = 2

    languages: list[str] = Field(
        default=["en"], title="Languages", description="ISO codes of the languages to keep: en, de, zh, …."
    )
    confidence: Annotated[float, Display(limit="min")] = Field(
        0.5, ge=0, le=1, title="Confidence",
        description="How sure the detector must be: higher counts more rows as unclear.",
    )  # fmt: skip
    unclear: Annotated[Literal["keep", "drop"], Display(labels={"keep": "keep", "drop": "take out"})] = Field(
        "keep", title="Unclear rows",
        description="What becomes of rows with too few words to tell, or with mixed languages.",
    )  # fmt: skip
    part: TurnScope = Field("all", title="Turns", description="Which turns are looked at.")
    action: DropOrFlag = Field("drop", title="Other languages", description="What becomes of rows in other languages.")

    @classmethod
    def unavailable(cls) -> str:
        return languages_unavailable()

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if not self.languages:
            problems.add("languages", "there are none.", "Name at least one, such as en.")
        for index, code in enumerate(self.languages):
            if not is_language_code(code):
                problems.add(
                    ("languages", index), f"{code!r} is no language this model knows.", "Use codes as en, de, zh."
                )

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        detect, verdicts = detector(), {}
        for start, some in slices(rows, work, self.title):
            for index, text in enumerate(some.texts(self.part).to_pylist(), start):
                if index % 1000 == 0:
                    work.task.check_stop()
                sample = sample_of(text)
                verdict = (
                    self._verdict(*detect(sample)) if sample else self._unclear("Too few words to tell a language.")
                )
                if verdict:
                    verdicts[index] = verdict
        return judged(self.action, verdicts)

    def _verdict(self, code: str, sure: float) -> Verdict | None:
        if sure < self.confidence:
            return self._unclear(f"No clear language: {language_name(code)} with confidence {sure:.2f}.")
        if code in self.languages:
            return None
        wanted = " or ".join(map(language_name, self.languages))
        return Verdict(f"{language_name(code)} with confidence {sure:.2f}, not {wanted}.")

    def _unclear(self, reason: str) -> Verdict | None:
        return Verdict(reason) if self.unclear == "drop" else None
