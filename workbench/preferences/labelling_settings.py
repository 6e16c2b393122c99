"""What a labelling session asks of the people who judge, and how its pairs are chosen."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator

from workbench.core.display import Display
from workbench.core.spec import Spec

STRENGTHS = {1: "slightly", 2: "clearly", 3: "much"}
"""The grades of a vote by their number; 0 is a vote without a grade."""
MOST_ASPECTS = 8
MOST_GUIDELINE_CHARACTERS = 20_000
MOST_VOTERS = 500
MOST_NAME_CHARACTERS = 80
Language = Literal["en", "de", "fr", "es"]
LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}


class LabellingSettings(Spec):
    """Guidelines, kinds of votes, checks and who may vote; guidelines here are the first version."""

    guidelines: Annotated[str, Display(control="markdown", group="Guidelines")] = Field(
        "", max_length=MOST_GUIDELINE_CHARACTERS, title="Guidelines",
        description="What makes an answer better, in Markdown; shown with a key while people judge.",
    )  # fmt: skip
    graded: Annotated[bool, Display(group="Votes")] = Field(
        False, title="Graded votes",
        description="A vote also says by how much the answer is better: slightly, clearly or much.",
    )  # fmt: skip
    aspects: Annotated[list[str], Display(group="Votes")] = Field(
        [], max_length=MOST_ASPECTS, title="Aspects",
        description="Each is judged by itself besides the vote, such as helpfulness or correctness.",
    )  # fmt: skip
    rationale: Annotated[Literal["off", "optional", "required"], Display(group="Votes")] = Field(
        "off", title="Reasons", description="Whether people write why they voted as they did."
    )
    edits: Annotated[bool, Display(group="Votes")] = Field(
        False, title="Edit answers",
        description="People may rewrite an answer into a better one: it becomes the chosen answer, with its author.",
    )  # fmt: skip
    ranking: Annotated[bool, Display(group="Votes")] = Field(
        False, title="Rank all answers",
        description="Three or more answers to a prompt are put in order at once, instead of pairs.",
    )  # fmt: skip
    pair_choice: Annotated[
        Literal["random", "balanced", "informative"], Display(group="Order of pairs")
    ] = Field(
        "random", title="Choice of pairs",
        description="Which pair comes next: at random, from the models compared least so far, or where a vote tells "
        "most about the ratings.",
    )  # fmt: skip
    random_share: Annotated[
        float, Display(group="Order of pairs", shown_if={"pair_choice": "informative"})
    ] = Field(
        0.2, ge=0, le=1, title="Random share",
        description="Share of the pairs that is drawn at random all the same, so that the ratings stay honest.",
    )  # fmt: skip
    check_every: Annotated[int, Display(unit="votes", group="Checks")] = Field(
        10, ge=2, le=1000, title="A check every",
        description="One gold question or attention check comes after about so many votes, where the session has any.",
    )  # fmt: skip
    attention_checks: Annotated[int, Display(group="Checks")] = Field(
        0, ge=0, le=100, title="Attention checks",
        description="Questions made from the answers themselves: one of the two answers belongs to another prompt.",
    )  # fmt: skip
    voters: Annotated[list[str], Display(group="Annotators and deadline")] = Field(
        [],
        max_length=MOST_VOTERS,
        title="Who may vote",
        description="Names of annotators, one a line; empty means everybody.",
    )
    deadline: Annotated[str, Display(group="Annotators and deadline")] = Field(
        "", title="Deadline",
        description="Votes are taken up to this day, such as 2027-01-31, or time (UTC), such as 2027-01-31T18:00.",
    )  # fmt: skip
    language: Annotated[Language, Display(group="What annotators see", labels=LANGUAGES)] = Field(
        "en", title="Language", description="Language of the page on which people judge."
    )
    whole_conversation: Annotated[bool, Display(group="What annotators see")] = Field(
        True,
        title="Whole conversation",
        description="Earlier turns and the system prompt are shown, too.",
    )
    raw_text: Annotated[bool, Display(group="What annotators see")] = Field(
        False, title="Raw text", description="Answers are shown as they were written, without Markdown being drawn."
    )
    mask_names: Annotated[bool, Display(group="What annotators see")] = Field(
        False, title="Mask names of models",
        description="Where an answer names a model or its maker, the name is covered while people judge.",
    )  # fmt: skip
    draft: Annotated[bool, Display(group="Annotators and deadline")] = Field(
        False, title="Begin as a draft", description="Nobody can vote before the session is opened."
    )

    @field_validator("aspects", "voters")
    @classmethod
    def _distinct(cls, names: list[str]) -> list[str]:
        """Names with single spaces; refused when one is empty, too long or stands twice."""
        cleaned = [" ".join(name.split()) for name in names]
        seen: set[str] = set()
        for name in cleaned:
            if not name or len(name) > MOST_NAME_CHARACTERS or not name.isprintable():
                raise ValueError(f"{name[:40]!r}: each needs 1 to {MOST_NAME_CHARACTERS} letters.")
            if name.casefold() in seen:
                raise ValueError(f"{name!r} stands twice.")
            seen.add(name.casefold())
        return cleaned

    @field_validator("deadline")
    @classmethod
    def _moment(cls, text: str) -> str:
        if text.strip():
            _end_of(text.strip())
        return text.strip()

    def deadline_passed(self) -> bool:
        """Whether votes are taken no more."""
        return bool(self.deadline) and datetime.now(UTC) >= self.deadline_moment()

    def deadline_moment(self) -> datetime:
        """The first moment at which no vote is taken; a day without a time counts to its end. Needs a `deadline`."""
        return _end_of(self.deadline)

    def admits(self, name: str) -> bool:
        """Whether this annotator may vote."""
        return not self.voters or name.casefold() in {voter.casefold() for voter in self.voters}


def _end_of(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("Write a day such as 2027-01-31, or a time such as 2027-01-31T18:00.") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return moment + timedelta(days=1) if len(text) == len("2027-01-31") else moment
