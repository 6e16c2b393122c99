"""What every job that makes a labelling session asks and checks."""

from typing import Annotated

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.preferences.labelling_settings import LabellingSettings

MOST_CHECK_CHARACTERS = 500_000
REPEATS = "Votes per pair, gold questions"
CHECKS_HELP = (
    "Questions whose answer is known, a JSON object a line with prompt, better, worse and, if wanted, kind ('gold', or "
    "'training' for a round before the real ones), equal (true: both are equally good) and explanation."
)
VotesPerPair = Annotated[
    int, Display(group=REPEATS),
    Field(
        ge=1, le=50, title="Votes per pair",
        description="How many annotators judge each pair: more show how far they agree.",
    ),
]  # fmt: skip
AskedOfVoters = Annotated[
    LabellingSettings, Field(title="Labelling", description="What people are asked when they judge the answers.")
]
KnownQuestions = Annotated[
    str, Display(control="text", group=REPEATS),
    Field(max_length=MOST_CHECK_CHARACTERS, title="Gold and training questions", description=CHECKS_HELP),
]  # fmt: skip


def check_new_session(settings: LabellingSettings, answers: int, checks: str, problems: Problems) -> None:
    """Adds what is wrong with the settings of a new session whose prompts have so many answers each."""
    from workbench.preferences.check_files import read_checks

    if settings.ranking and answers == 2:
        problems.add(("labelling", "ranking"), "needs three answers to a prompt or more.", "Add a model, or leave it.")
    if settings.deadline_passed():
        problems.add(("labelling", "deadline"), "has passed already.", "Choose a later day.")
    try:
        read_checks(checks)
    except UserError as error:
        problems.add("checks", str(error).removeprefix("checks: "), "")
