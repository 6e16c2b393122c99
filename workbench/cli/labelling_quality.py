"""Commands for the quality of a labelling session: how it goes, who counts, disagreements, edited answers."""

import uuid
from typing import Annotated, Any

from workbench.cli.judging import WithUnblinded, terminal_session
from workbench.cli.shared import Invoked, option, print_table, show
from workbench.core.errors import UserError
from workbench.core.os_user import os_user

SETTLING_KEYS = {"l": "left", "r": "right", "t": "tie", "b": "both_bad"}


def progress(session: str, /, *, invoked: Invoked) -> None:
    """Who did how much, what is left and when it will be done; nothing that tells which model wins."""
    from workbench.preferences.session_dashboard import dashboard

    state = dashboard(invoked.home, session)
    if invoked.json:
        show(invoked, state)
        return
    expected = state["forecast"]["done_by"][:16].replace("T", " ")
    print(f"{state['votes']} of {state['wanted']} votes" + (f", done about {expected} UTC" if expected else ""))
    settled = state["disagreements"]
    print(f"{settled['disagreed']} pairs disagreed on, {settled['settled']} of them settled")
    if state["answers_cut_off"]:
        print(f"{state['answers_cut_off']} answers were cut off at the limit of tokens")
    print_table(
        ["annotator", "votes", "skips", "flags", "seconds", "agreement", "checks", "counts"],
        [_progress_row(person) for person in state["people"]],
    )
    for flag in state["flags"]:
        print(f"flagged: {flag['reason']} · {flag['prompt']}")


def _progress_row(person: dict[str, Any]) -> tuple[object, ...]:
    agreement = "" if person["agreement"] is None else f"{100 * person['agreement']:.0f} %"
    checks = ", ".join(f"{check['kind']} {check['right']}/{check['n']}" for check in person["checks"])
    return (
        person["name"], person["votes"], person["skips"], person["flags"], f"{person['median_seconds']:.0f}",
        agreement, checks, "no" if person["left_out"] else "yes",
    )  # fmt: skip


def exclude(
    session: str,
    annotator: str,
    /,
    *,
    include: Annotated[bool, option("count the annotator's votes again")] = False,
    name: Annotated[str, option("who decides it")] = os_user(),
    invoked: Invoked,
) -> None:
    """Leaves an annotator's votes out of the result and of exports; it is recorded, and the votes stay."""
    from workbench.preferences.blinding import Voter
    from workbench.preferences.exclusions import exclude_annotator

    who = Voter(name, terminal_session())
    left_out = exclude_annotator(invoked.home, session, annotator, who, exclude=not include)
    show(invoked, {"session": session, "left_out": left_out}, f"Left out: {', '.join(left_out) or 'nobody'}.")


def appoint_adjudicator(
    session: str,
    adjudicator: str,
    /,
    *,
    dismiss: Annotated[bool, option("the person may settle disagreements no more")] = False,
    name: Annotated[str, option("who decides it")] = os_user(),
    invoked: Invoked,
) -> None:
    """Chooses who settles the pairs of a session on which votes differ."""
    from workbench.preferences.adjudicators import appoint
    from workbench.preferences.blinding import Voter

    names = appoint(invoked.home, session, adjudicator, Voter(name, terminal_session()), may=not dismiss)
    show(invoked, {"session": session, "adjudicators": names}, f"May settle: {', '.join(names) or 'nobody'}.")


def adjudicate(
    session: str,
    /,
    *,
    name: Annotated[str, option("who settles them")],
    undo: Annotated[bool, option("take back what this person settled last")] = False,
    invoked: Invoked,
) -> None:
    """Settles the pairs on which votes differ, blind, one after the other."""
    from workbench.preferences import adjudication
    from workbench.preferences.ballots import Ballot
    from workbench.preferences.blinding import Voter
    from workbench.preferences.sessions import get_session

    if invoked.json and not undo:
        raise UserError("Settling asks a person and has no JSON.", "Leave --json out.", "--json")
    home, who = invoked.home, Voter(name, terminal_session())
    if undo:
        adjudication.undo_adjudication(home, session, who, uuid.uuid4().hex)
        show(invoked, {"session": session, "undone": True}, "The votes on that pair count again.")
        return
    graded = get_session(home, session).settings.graded
    for case in adjudication.disagreements(home, session, who):
        _print_case(case)
        decision = _ranking_typed(len(case.answers)) if case.ranked else _choice_typed(graded)
        if decision is None:
            return
        word, more = decision
        reason = input("why (may be empty) > ")
        ballot = Ballot(reason=reason, **more)
        adjudication.adjudicate(home, session, who, case.token, word, uuid.uuid4().hex, ballot)
        print("settled")
    print("Nothing is left to settle.")


def _print_case(case: Any) -> None:
    print("\n" + " / ".join(message["content"] for message in case.prompt))
    labels = [chr(ord("A") + index) for index in range(len(case.answers))] if case.ranked else ["left", "right"]
    for label, answer in zip(labels, case.answers, strict=True):
        print(f"\n── {label}\n{answer.text}")
    print()
    for opinion in case.opinions:
        groups = [" = ".join(labels[index] for index in group) for group in opinion.ranking or ()]
        words = " > ".join(groups) or opinion.choice.replace("_", " ")
        print(f"· {words}" + (f": {opinion.reason}" if opinion.reason else ""))


def _choice_typed(graded: bool) -> tuple[str, dict[str, Any]] | None:
    """The choice, and its strength where votes are graded; None to stop."""
    while (key := input("(l)eft (r)ight (t)ie (b)oth bad (q)uit > ").strip().lower()[:1]) != "q":
        if (word := SETTLING_KEYS.get(key)) in ("left", "right") and graded:
            strength = input("1 slightly, 2 clearly, 3 much > ").strip()
            if strength in ("1", "2", "3"):
                return str(word), {"strength": int(strength)}
        elif word:
            return word, {}
    return None


def _ranking_typed(answers: int) -> tuple[str, dict[str, Any]] | None:
    """The order as typed, such as 'B A=C'; None to stop."""
    from workbench.preferences.ballots import typed_ranking

    while (typed := input("best first, such as B A=C, or q > ").strip()).lower() != "q":
        try:
            groups = typed_ranking(typed)
        except UserError as error:
            print(error)
            continue
        if sorted(index for group in groups for index in group) == list(range(answers)):
            return "ranking", {"ranking": groups}
    return None


def export_edited(
    session: str,
    /,
    *,
    name: Annotated[str, option("the dataset's name (default: SESSION-edits)")] = "",
    with_unblinded: WithUnblinded = False,
    eval_fraction: Annotated[float, option("share of the prompts that is held out")] = 0.1,
    invoked: Invoked,
) -> None:
    """Makes an SFT dataset of the answers that people edited, with their authors."""
    from workbench.preferences.export import export_edits

    exported = export_edits(
        invoked.home, session, name or f"{session}-edits", eval_fraction, with_unblinded=with_unblinded
    )
    show(invoked, {"dataset": exported.name, **{key: exported.info[key] for key in ("rows", "authors")}})
