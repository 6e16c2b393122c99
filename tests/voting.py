"""Who votes in tests: a name in a browser of its own."""

from collections.abc import Sequence

from workbench.core.home import Home
from workbench.preferences.blinding import Voter, close_session
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session


def by(name: str) -> Voter:
    """The annotator of that name, always in the same browser."""
    return Voter(name, f"browser of {name}")


def close(home: Home, session: str) -> None:
    """Ends the voting, so that the result can be seen."""
    close_session(home, session, by("the one who closes"))


def make_session(
    home: Home, name: str, prompts: int, models: Sequence[str] = ("base", "tuned"), votes_per_pair: int = 1
) -> None:
    """A session with all its answers, which any two models give differently."""
    create_session(home, name, models, "questions", {}, votes_per_pair)
    for place in range(prompts):
        answers = {model: Answer(f"Answer {number} to {place}.", "eos", 4) for number, model in enumerate(models)}
        add_answers(home, name, place, [{"role": "user", "content": f"question {place}"}], answers)
    finish_session(home, name)
