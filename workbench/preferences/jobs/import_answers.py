"""A labelling session of answers that were made elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_name
from workbench.core.paths import SERVER_PATH, read_text_file
from workbench.data.store.dataset_reference import DatasetRef, resolve_dataset
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.new_session import AskedOfVoters, KnownQuestions, VotesPerPair, check_new_session

if TYPE_CHECKING:
    from workbench.preferences.imported_answers import AnsweredPrompt, ImportedAnswers


@JOBS.register
class ImportAnswers(Job):
    """Opens a blind labelling session on answers that are there: those of a file, or of a preference dataset's rows."""

    method: ClassVar[str] = "import-answers"
    title: ClassVar[str] = "Judge imported answers"
    uses_device: ClassVar[bool] = False
    resumable: ClassVar[bool] = True

    session: str = Field(title="Session name", description="Name of the new labelling session.")
    dataset: Annotated[str, DatasetRef("preference")] = Field(
        "", title="Preference dataset",
        description="Its rows are judged again, blind: the answers go under the names 'chosen' and 'rejected'.",
    )  # fmt: skip
    files: Annotated[list[str], SERVER_PATH, Display(control="hidden")] = Field(
        [], max_length=100, title="Files",
        description="Files of JSON Lines with a prompt and its answers by name in each, instead.",
    )  # fmt: skip
    answers: Annotated[str, Display(control="text")] = Field(
        "", max_length=500_000, title="Answers",
        description='Or written here, a line each: {"prompt": "…", "answers": {"model-a": "…", "model-b": "…"}}. The '
        "prompt may be messages.",
    )  # fmt: skip
    limit: Annotated[int, Display(limit="max")] = Field(
        200, ge=1, le=10_000, title="Number of prompts", description="How many prompts are taken, from the first on."
    )
    votes_per_pair: VotesPerPair = 1
    labelling: AskedOfVoters = Field(default_factory=LabellingSettings)
    checks: KnownQuestions = ""

    def label(self) -> str:
        return f"Answers for {self.session}"

    def blind(self, home: Home) -> bool:
        """Until the session is closed: its answers name whose they are."""
        from workbench.preferences.blinding import is_blind

        return is_blind(home, self.session)

    def facts(self, home: Home) -> list[list[str]]:
        return [["Session", self.session], ["Answers from", self._source]]

    @property
    def _source(self) -> str:
        return self.dataset or ", ".join(Path(path).name for path in self.files) or "imported answers"

    def outputs(self) -> list[Output]:
        return [Output("session", "sessions", self.session)]

    def credentials(self) -> tuple[Credential, ...]:
        return ("labels",)

    def check(self, home: Home, problems: Problems) -> None:
        from workbench.preferences.sessions import list_sessions

        try:
            safe_name(self.session, "session")
            if any(session.name == self.session for session in list_sessions(home)):
                problems.add("session", f"{self.session!r} exists already.", "Choose another name.")
        except UserError as error:
            problems.collect("session", error)
        found: list[AnsweredPrompt] = []
        try:
            found = self._imported(home).prompts
        except UserError as error:
            problems.collect("answers", error)
        check_new_session(self.labelling, len(found[0].answers) if found else 0, self.checks, problems)

    def _imported(self, home: Home) -> "ImportedAnswers":
        """What is judged. Raises `UserError` unless exactly one source is given, and for what it says wrongly."""
        from workbench.preferences.check_files import MOST_FILE_BYTES
        from workbench.preferences.imported_answers import answers_of_pairs, read_answers

        texts = [read_text_file(path, "files", MOST_FILE_BYTES) for path in self.files] or [self.answers]
        given = [name for name in ("dataset", "files", "answers") if getattr(self, name)]
        if not given:
            raise UserError("There are no answers.", "Choose a preference dataset, or give a file or lines.", "answers")
        if len(given) > 1:
            raise UserError(f"There are answers in {' and '.join(given)}.", "Leave all but one empty.", given[-1])
        if self.dataset:
            resolve_dataset(home, self, "dataset")
            return answers_of_pairs(home, self.dataset, self.limit)
        found = read_answers("\n".join(texts), self.limit, given[0])
        if not found.prompts:
            raise UserError("There are no answers.", "Write a prompt with its answers on each line.", given[0])
        return found

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.preferences import sessions
        from workbench.preferences.attention import add_attention_checks
        from workbench.preferences.check_files import read_checks
        from workbench.preferences.quality_checks import add_checks

        imported = self._imported(ctx.home)
        found = imported.prompts
        for sentence in imported.left_out:
            ctx.note(sentence)
        if not ctx.resume or not any(session.name == self.session for session in sessions.list_sessions(ctx.home)):
            made_by = {"method": self.method, "dataset": self.dataset, "limit": self.limit, "job": ctx.folder.name}
            sessions.create_session(
                ctx.home,
                self.session,
                list(found[0].answers),
                self._source,
                made_by,
                self.votes_per_pair,
                self.labelling,
            )
            add_checks(ctx.home, self.session, read_checks(self.checks))
        for place, each in enumerate(found):
            ctx.task.check_stop()
            sessions.add_answers(ctx.home, self.session, place, each.prompt, each.answers)
            ctx.task.update(place + 1, len(found), "Taking in the answers")
        add_attention_checks(ctx.home, self.session)
        info = sessions.finish_session(ctx.home, self.session)
        return {"session": self.session, "prompts": len(found), "pairs": info.usable}
