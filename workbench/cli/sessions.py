"""Commands for labelling sessions as their owner looks after them: states, guidelines, settings, checks, clones."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from workbench.cli.job_options import job_of
from workbench.cli.judging import terminal_session
from workbench.cli.shared import Invocation, Invoked, emit, nested_settings, option, show
from workbench.core.errors import UserError
from workbench.core.os_user import os_user
from workbench.core.paths import read_text_file

if TYPE_CHECKING:
    from workbench.preferences.blinding import Voter

OS_USER = os_user()
SessionName = Annotated[str, option("the session's name")]
WhoDoes = Annotated[str, option("who does it, for the session's events")]
Queued = Annotated[bool, option("queue it for the background, as `submit` does")]
Waiting = Annotated[bool, option("queue it and wait for its end; starts it if no app is running")]


def _who(name: str) -> "Voter":
    from workbench.preferences.blinding import Voter

    return Voter(name, terminal_session())


def list_all(*, archived: Annotated[bool, option("those that are archived, too")] = False, invoked: Invoked) -> None:
    """The labelling sessions with their states and counts, the newest first."""
    from workbench.preferences.sessions import ARCHIVED, list_sessions

    rows = [
        (info.name, info.state, info.votes, info.usable * info.votes_per_pair, info.annotators, info.created)
        for info in list_sessions(invoked.home)
        if archived or info.state != ARCHIVED
    ]
    emit(invoked, ["name", "state", "votes", "wanted", "annotators", "made"], rows)


def show_session(session: SessionName, /, *, invoked: Invoked) -> None:
    """A session's state and what can be done with it, its counts and settings; models are named once it is closed."""
    from workbench.preferences.answer_counts import count_answers
    from workbench.preferences.guideline_versions import list_guidelines
    from workbench.preferences.session_states import possible_moves
    from workbench.preferences.sessions import get_session

    info = get_session(invoked.home, session)
    guidelines = list_guidelines(invoked.home, session)
    settings = info.settings.to_dict()
    del settings["guidelines"], settings["draft"]
    shown: dict[str, Any] = {
        "session": info.name, "state": info.state, "possible": possible_moves(info.state),
        "models": info.models if info.closed else len(info.models), "answers_complete": info.complete,
        "prompts": info.prompts, "pairs": info.usable, "identical": info.identical, "unusable": info.unusable,
        "votes": info.votes, "votes_wanted": info.usable * info.votes_per_pair, "annotators": info.annotators,
        "answers": asdict(count_answers(invoked.home, session)),
        "guidelines_version": guidelines[0].version if guidelines else 0,
        "settings": {"votes_per_pair": info.votes_per_pair, **settings},
    }  # fmt: skip
    show(invoked, shown)


def _move(invoked: Invocation, session: str, move: str, name: str) -> None:
    from workbench.preferences.session_states import MOVES, move_session, possible_moves

    info = move_session(invoked.home, session, move, _who(name))
    means = MOVES[move].help if move in MOVES else "its result may be seen"
    result = {"session": info.name, "state": info.state, "votes": info.votes, "possible": possible_moves(info.state)}
    show(invoked, result, f"{info.name} is {info.state}: {means}.")


def open_session(session: SessionName, /, *, name: WhoDoes = OS_USER, invoked: Invoked) -> None:
    """Opens a draft: votes are taken from now on."""
    _move(invoked, session, "open", name)


def pause(session: SessionName, /, *, name: WhoDoes = OS_USER, invoked: Invoked) -> None:
    """Pauses an open session: pairs that are being judged go back without a vote."""
    _move(invoked, session, "pause", name)


def resume(session: SessionName, /, *, name: WhoDoes = OS_USER, invoked: Invoked) -> None:
    """Goes on with a paused session."""
    _move(invoked, session, "resume", name)


def close(session: SessionName, /, *, name: WhoDoes = OS_USER, invoked: Invoked) -> None:
    """Ends a session's voting for good, so that its result may be seen."""
    _move(invoked, session, "close", name)


def archive(session: SessionName, /, *, name: WhoDoes = OS_USER, invoked: Invoked) -> None:
    """Takes a closed session out of the lists; nothing is deleted."""
    _move(invoked, session, "archive", name)


def unarchive(session: SessionName, /, *, name: WhoDoes = OS_USER, invoked: Invoked) -> None:
    """Puts an archived session back into the lists."""
    _move(invoked, session, "unarchive", name)


def clone(
    session: SessionName, new_name: Annotated[str, option("the name of the clone")], /, *, name: WhoDoes = OS_USER,
    invoked: Invoked,
) -> None:  # fmt: skip
    """Makes a draft with a session's settings, prompts, answers and checks, and no votes."""
    from workbench.preferences.session_clones import clone_session

    info = clone_session(invoked.home, session, new_name, _who(name))
    result = {"session": info.name, "state": info.state, "pairs": info.usable}
    show(invoked, result, f"{info.name} is a draft with {info.usable} pairs. `session open {info.name}` opens it.")


def guidelines(
    session: SessionName,
    text: Annotated[str | None, option("the new guidelines, in Markdown; nothing to see those there are")] = None,
    /,
    *,
    file: Annotated[str, option("a file with the guidelines, in place of their text", "FILE")] = "",
    versions: Annotated[bool, option("all versions, with the votes given under each")] = False,
    name: WhoDoes = OS_USER,
    invoked: Invoked,
) -> None:
    """Prints a session's guidelines, or makes a new version; votes stay, under the version they were given under."""
    from workbench.preferences.guideline_versions import edit_guidelines, list_guidelines

    if text is not None and file:
        raise UserError("Two texts are given.", "Give a text or --file.", "guidelines")
    new = read_text_file(file, "--file") if file else text
    if new is not None:
        edited = edit_guidelines(invoked.home, session, _who(name), new)
        show(invoked, asdict(edited), f"Version {edited.version} holds from now on.")
        return
    found = list_guidelines(invoked.home, session)
    if versions:
        rows = [(each.version, each.author or "—", each.created, each.votes, each.text) for each in found]
        emit(invoked, ["version", "author", "since", "votes", "text"], rows)
    else:
        latest = asdict(found[0]) if found else {"version": 0, "text": ""}
        show(invoked, latest, str(latest["text"]) or "no guidelines")


def settings(
    session: SessionName,
    /,
    *changes: Annotated[str, option("NAME=VALUE to change; nothing to see them", "NAME=VALUE")],
    name: WhoDoes = OS_USER,
    invoked: Invoked,
) -> None:
    """Changes settings of a session that is not closed, such as deadline=2027-01-31 or voters=[ann,bob]."""
    from workbench.preferences.session_changes import change_settings
    from workbench.preferences.sessions import get_session

    if not changes:
        info = get_session(invoked.home, session)
        show(invoked, {"votes_per_pair": info.votes_per_pair, **info.settings.to_dict()})
        return
    change = change_settings(invoked.home, session, _who(name), nested_settings(changes))
    text = "\n".join(change.effects) or "Nothing changed: all of it was so already."
    show(invoked, {"changed": change.changed, "effects": list(change.effects)}, text)


def add_checks(
    session: SessionName, file: Annotated[str, option("JSON Lines: prompt, better, worse, kind, equal, explanation")],
    /, *, invoked: Invoked,
) -> None:  # fmt: skip
    """Adds gold and training questions, whose answer is known, to a session that is not closed."""
    from workbench.preferences.check_files import read_checks
    from workbench.preferences.quality_checks import add_checks as add

    checks = read_checks(read_text_file(file, "file"), "file")
    count = add(invoked.home, session, checks)
    result = {"session": session, "added": len(checks), "checks": count}
    show(invoked, result, f"{len(checks)} added; {session} has {count} checks now.")


def add_prompts(
    session: SessionName, count: Annotated[int, option("how many")], /, *,
    prompts: Annotated[str, option("the dataset they come from (default: the session's own)", "DATASET")] = "",
    queue: Queued = False, wait: Waiting = False, invoked: Invoked,
) -> None:  # fmt: skip
    """Lets the session's models answer more prompts, with the sampling it was made by; people go on voting."""
    _extend(invoked, {"session": session, "limit": count, "prompts": prompts}, queue, wait)


def add_model(
    session: SessionName, model: Annotated[str, option("the model, adapter, GGUF file or ensemble")], /, *,
    queue: Queued = False, wait: Waiting = False, invoked: Invoked,
) -> None:  # fmt: skip
    """Lets another model answer all prompts of a session; it meets all models that are there."""
    _extend(invoked, {"session": session, "models": [model]}, queue, wait)


def _extend(invoked: Invocation, data: dict[str, Any], queue: bool, wait: bool) -> None:
    from workbench.cli.jobs import enqueue, run_here

    job = job_of({"method": "extend-session", **data})
    if queue or wait:
        enqueue(invoked, job, wait)
    else:
        run_here(invoked.home, job, invoked.json)
