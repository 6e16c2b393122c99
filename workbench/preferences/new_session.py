"""What every job that makes a labelling session asks and checks."""

from workbench.core.errors import Problems, UserError
from workbench.preferences.labelling_settings import LabellingSettings

MOST_CHECK_CHARACTERS = 500_000
CHECKS_HELP = (
    "Questions whose answer is known, a JSON object a line with prompt, better, worse and, if wanted, kind ('gold', or "
    "'training' for a round before the real ones), equal (true: both are equally good) and explanation."
)


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
