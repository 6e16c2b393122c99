"""Fitting an ensemble that picks among its members' answers as people voted."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.lineage import Parent
from workbench.jobs.job import JOBS, Job, JobContext, Output
from workbench.jobs.page import JobPage
from workbench.models.shelf import check_free
from workbench.preferences.session_reference import SessionRef

if TYPE_CHECKING:
    from workbench.ensembles.methods._features import Candidate, Features
    from workbench.preferences.stacking_fit import AnswerKey
    from workbench.preferences.standing_votes import StandingVote

    Asked = tuple[list[dict[str, str]], Candidate]

LEAST_VOTES = 8


@JOBS.register
class FitStacking(Job):
    """Fits a small model on a session's votes that picks the best of its models' answers, as an ensemble."""

    method: ClassVar[str] = "fit-stacking"
    title: ClassVar[str] = "Fit a stacking ensemble"
    page: ClassVar[JobPage | None] = JobPage(
        "merge", section="ensembles", button="Fit on votes", order=61, fold="Fit one on votes",
        needs=(SessionRef(), 1),
        empty=("No labelling session yet", "A stacking ensemble learns from votes which answer to take.",
               "Make a session in the Label tab and vote."),
    )  # fmt: skip

    session: Annotated[str, SessionRef()] = Field(
        title="Labelling session",
        description="The session whose models become the members, and whose votes are fitted.",
    )  # fmt: skip
    output: str = Field(title="Output name", description="Name of the ensemble on the shelf.")
    regularisation: Annotated[float, ADVANCED] = Field(
        1.0, ge=0.001, le=1000, title="L2 regularisation",
        description="Weight of the penalty on squared coefficients: larger trusts the votes less.",
    )  # fmt: skip
    folds: Annotated[int, ADVANCED] = Field(
        10, ge=2, le=100, title="Folds",
        description="Parts the prompts are cut into, each held out once to measure on: more measure better and take "
        "longer.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed", description="Decides which prompts are in which fold."
    )

    def label(self) -> str:
        return f"Fit {self.output}"

    def facts(self, home: Home) -> list[list[str]]:
        from workbench.preferences.sessions import is_closed

        try:
            if not is_closed(home, self.session):
                return [["Session", f"{self.session}, still open"], ["Makes", self.output]]
            return [
                ["Session", self.session],
                ["Members", ", ".join(members_of(home, self.session))],
                ["Decided votes", str(len(decided(home, self.session)))],
                ["Makes", self.output],
            ]
        except UserError as error:
            return [["Session", error.message]]

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output)]

    def credentials(self) -> tuple[Credential, ...]:
        return ("labels",)

    def check(self, home: Home, problems: Problems) -> None:
        from workbench.ensembles.methods.stacking import Stacking
        from workbench.ensembles.shelf import check_members
        from workbench.preferences.sessions import is_closed

        check_free(home, self.output, problems)
        try:
            if not is_closed(home, self.session):
                problems.add("session", "is open: what its votes say is not shown yet.", "Close it in the Label tab.")
                return
            check_members(home, Stacking, members_of(home, self.session), problems, "session")
            votes = decided(home, self.session)
        except UserError as error:
            problems.collect("session", error)
            return
        if len(votes) < LEAST_VOTES or len({vote.prompt_index for vote in votes}) < 2:
            problems.add(
                "session",
                f"{len(votes)} of its votes chose an answer.",
                f"Vote on: at least {LEAST_VOTES} on two prompts or more are needed, some hundred to learn anything.",
            )

    def run(self, ctx: JobContext) -> dict[str, Any]:
        from workbench.ensembles.methods import _features
        from workbench.ensembles.shelf import create_ensemble
        from workbench.preferences import stacking_fit
        from workbench.preferences.export import session_digest

        members, votes = members_of(ctx.home, self.session), decided(ctx.home, self.session)
        labels = Parent(kind="labels", name=self.session, digest=session_digest(ctx.home, self.session), role="labels")
        names = _features.names(members)
        design = stacking_fit.feature_differences(votes, self._features(ctx, members, votes), names)
        prompts = [vote.prompt_index for vote in votes]
        right = stacking_fit.held_out_picks(design, prompts, self.regularisation, self.folds, self.seed)
        assessment = stacking_fit.verdict(votes, right)
        theta = stacking_fit.fit(design, self.regularisation)
        method = {"method": "stacking", "coefficients": dict(zip(names, theta.tolist(), strict=True))}
        made_by = {**self.to_dict(), "job": ctx.folder.name}
        create_ensemble(ctx.home, self.output, method, members, made_by, [labels], assessment)
        ctx.note(assessment["verdict"])
        return {"model": self.output, **assessment}

    def _features(
        self, ctx: JobContext, members: list[str], votes: "list[StandingVote]"
    ) -> "dict[AnswerKey, Features]":
        """The features of every answer in these votes. One member after another, so that one base is in memory."""
        from workbench.ensembles.methods import _features
        from workbench.inference.engine import Engine

        answers = voted_answers(ctx.home, self.session, votes)
        values: dict[AnswerKey, Features] = {key: {} for key in answers}
        engine, total = Engine(ctx.home), len(members) * len(answers)
        for index, member in enumerate(members):
            for doing in engine.load([member]):
                ctx.task.update(index * len(answers), total, doing)
            for completed, (key, (messages, answer)) in enumerate(answers.items(), index * len(answers)):
                ctx.task.check_stop()
                ctx.task.update(completed, total, f"{member} reads the answers")
                values[key] |= _features.of_likelihood(engine, member, messages, answer)
                if answer.member == member:
                    values[key] |= _features.of_text(engine, members, answer)
        ctx.task.update(total, total, "Fitting")
        return values


def members_of(home: Home, session: str) -> list[str]:
    """The models compared in a session, each once; raises `UserError` when there is no such session."""
    from workbench.preferences.sessions import get_session, model_of

    return list(dict.fromkeys(map(model_of, get_session(home, session).models)))


def decided(home: Home, session: str) -> "list[StandingVote]":
    """The votes that chose an answer; ties say nothing about which one to take."""
    from workbench.preferences.standing_votes import effective_votes

    return [vote for vote in effective_votes(home, session) if vote.outcome != 0.5]


def voted_answers(home: Home, session: str, votes: "list[StandingVote]") -> "dict[AnswerKey, Asked]":
    """(prompt, answer) of the answers in these votes, by the prompt's place and whose the answer is."""
    import sqlalchemy as sa

    from workbench.ensembles.methods._features import Candidate
    from workbench.preferences import sessions, store, tables

    wanted = {(vote.prompt_index, name) for vote in votes for name in (vote.model_a, vote.model_b)}
    with store.reading(home) as db:
        mine = tables.prompts.c.session_id == sessions.find_session(db, session).id
        query = sa.select(tables.answers, tables.prompts.c.position, tables.prompts.c.messages).join(
            tables.prompts, tables.prompts.c.id == tables.answers.c.prompt_id
        )
        rows = db.execute(query.where(mine).order_by(tables.answers.c.id)).all()
    return {
        (row.position, row.model): (row.messages, Candidate(sessions.model_of(row.model), row.text, row.finish))
        for row in rows
        if (row.position, row.model) in wanted
    }
