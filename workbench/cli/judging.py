"""Commands for talking to models and judging them."""

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

from workbench.cli.screen import tell
from workbench.cli.shared import Invoked, nested_settings, option, print_table, several, show
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.os_user import os_user
from workbench.inference.decoding import Decoding
from workbench.models.model_references import ANSWERS

if TYPE_CHECKING:
    from workbench.inference.stream import TokenStream
    from workbench.preferences.blinding import Voter


WithUnblinded = Annotated[bool, option("count votes that were given after seeing the result, too")]


def chat(
    models: Annotated[list[str], option("models of the shelf, BASE+ADAPTER, GGUF+ADAPTER or ensembles")],
    /,
    *,
    prompt: Annotated[str, option("one message; without it, a conversation")] = "",
    system: Annotated[str, option("system prompt")] = "",
    set_: Annotated[tuple[str, ...], several("sampling, such as greedy=true", "NAME=VALUE")] = (),
    invoked: Invoked,
) -> None:
    """Every model answers the prompt, or, without --prompt, a conversation typed in."""
    from workbench.ensembles.engine import EnsembleEngine

    if invoked.json and not prompt:
        raise UserError("A conversation typed in has no JSON.", "Give its one message with --prompt.", "--json")
    problems = Problems()
    ANSWERS.resolve_all(invoked.home, models, "models", problems, twice="")
    problems.check()
    engine = EnsembleEngine(invoked.home)
    for doing in engine.load(models):
        tell(doing)
    settings = nested_settings(set_)
    histories: dict[str, list[dict[str, str]]] = {
        model: [{"role": "system", "content": system}] if system else [] for model in models
    }
    answers: list[dict[str, Any]] = []
    prompts = [prompt] if prompt else iter(lambda: input("\nyou> "), "")
    for message in prompts:
        for model, history in histories.items():
            history.append({"role": "user", "content": message})
            if not invoked.json:
                print(f"\n── {engine.answering(model).weights()}")
            stream = engine.answering(model).open(history, Decoding.parse(settings))
            answers.append({"model": model, **_answer(stream, not invoked.json)})
            history.append({"role": "assistant", "content": stream.text})
    if invoked.json:
        show(invoked, answers)


def _answer(stream: "TokenStream", print_it: bool) -> dict[str, Any]:
    """Lets a model answer to the end, on the screen as it comes or in silence; the answer and its figures."""
    note = ""
    while not stream.finish:
        piece = stream.advance()
        if print_it:
            print(piece, end="", flush=True)
        if stream.note != note:
            note = stream.note
            tell(f"   {note}")
    tokens, seconds = len(stream.generated_ids), stream.seconds
    if print_it:
        pace = tokens / max(seconds, 1e-9)
        print(f"\n   {tokens} tokens · {pace:.0f} tokens/s · {stream.finish}" + (f" · {note}" if note else ""))
    return {"text": stream.text, "tokens": tokens, "seconds": round(seconds, 3), "finish": stream.finish, "note": note}


def terminal_session() -> str:
    """What stands for the browser session on the command line: this account in this terminal."""
    return f"terminal:{os_user()}:{os.getsid(0) if hasattr(os, 'getsid') else os.getppid()}"


def label(session: str, /, *, name: Annotated[str, option("who votes")], invoked: Invoked) -> None:
    """Blind voting in the terminal, with all the session asks for; a pair that lies open goes back when it ends."""
    from workbench.cli.terminal_votes import TerminalVoting
    from workbench.preferences.blinding import Voter

    if invoked.json:
        raise UserError("Voting asks a person and has no JSON.", "Leave --json out.", "--json")
    who = Voter(name, terminal_session())
    if TerminalVoting(invoked.home, session, who).run():
        print(_ended(invoked.home, session, who))


def _ended(home: Home, session: str, who: "Voter") -> str:
    """Why there is no pair to judge."""
    from workbench.preferences.admission import REFUSALS
    from workbench.preferences.standing import standing

    stands = standing(home, session, who)
    if refused := REFUSALS.get(stands.reason):
        return " ".join(refused)
    return {
        "closed": "The session is closed; 'report' shows its result.",
        "complete": "Every pair has its votes. 'close-session' ends the session, so that its result may be seen.",
        "held": f"Others are judging the last pairs ({stands.pairs}). They come back if they are not voted on.",
        "others": f"You have judged all you can; {stands.pairs} pairs lack votes of other people.",
        "answering": "No pair now; further answers are to come.",
        "unusable": "There is nothing to judge: all pairs are identical, empty or failed.",
    }[stands.reason]


def close(session: str, /, *, name: Annotated[str, option("who closes it")] = os_user(), invoked: Invoked) -> None:
    """Ends a session's voting for good, so that its result may be seen."""
    from workbench.preferences.blinding import Voter, close_session

    closed = close_session(invoked.home, session, Voter(name, terminal_session()))
    result = {"session": closed.name, "votes": closed.votes, "closed": closed.closed}
    show(invoked, result, f"{closed.name} is closed, with {closed.votes} votes.")


def recover(*, invoked: Invoked) -> None:
    """Sets a damaged label database aside and saves what can be read into a new one."""
    from workbench.preferences.recovery import recover as recover_labels

    recovered = recover_labels(invoked.home)
    aside = str(recovered.aside) if recovered.aside else None
    show(invoked, {"saved": recovered.rows, "dropped": recovered.dropped, "set_aside": aside}, recovered.sentence())


def judge(session: str, /, *, invoked: Invoked) -> None:
    """Lets the stated automatic rule vote on every open pair."""
    from workbench.preferences.judges import FIELD_GUIDE, vote_by_rule

    votes = vote_by_rule(invoked.home, session, FIELD_GUIDE)
    show(invoked, {"rule": FIELD_GUIDE.statement, "votes": votes}, f"{FIELD_GUIDE.statement}\n{votes} votes.")


def report(
    session: str,
    /,
    *,
    unblind: Annotated[
        bool, option("show the result of an open session; it is recorded, and your later votes in it are left out")
    ] = False,
    name: Annotated[str, option("with --unblind: who looks")] = os_user(),
    with_unblinded: WithUnblinded = False,
    invoked: Invoked,
) -> None:
    """Win rates and ratings of a closed session, or of an open one to somebody whose unblinding is recorded."""
    from workbench.preferences.blinding import Voter
    from workbench.preferences.blinding import unblind as record_unblinding
    from workbench.preferences.summary import report as summarise

    if unblind:
        record_unblinding(invoked.home, session, Voter(name, terminal_session()))
    summary = summarise(invoked.home, session, terminal_session(), with_unblinded)
    if invoked.json:
        print(json.dumps(summary, ensure_ascii=False))
        return
    print("\n".join(summary["sentences"]))
    rows = [
        (f"{r['a']} over {r['b']}", f"{100 * r['rate']:.0f} %", f"{100 * r['low']:.0f}–{100 * r['high']:.0f} %", r["n"])
        for r in summary["win_rates"]
    ]
    print_table(["win rate", "share", "95 % interval", "votes"], rows)
    ratings = [(r["model"], round(r["rating"]), f"{r['low']:.0f}–{r['high']:.0f}") for r in summary["ratings"]["rows"]]
    if ratings:
        print_table(["model", "rating", "95 % interval"], ratings)
    aspects = [
        (aspect["aspect"], f"{r['a']} over {r['b']}", f"{100 * r['rate']:.0f} %",
         f"{100 * r['low']:.0f}–{100 * r['high']:.0f} %", r["n"])
        for aspect in summary["aspects"] for r in aspect["win_rates"]
    ]  # fmt: skip
    if aspects:
        print_table(["aspect", "win rate", "share", "95 % interval", "votes"], aspects)


def export_pairs(
    session: str,
    /,
    *,
    name: Annotated[str, option("the dataset's name (default: SESSION-pairs)")] = "",
    with_unblinded: WithUnblinded = False,
    eval_fraction: Annotated[float, option("share of the pairs that is held out")] = 0.1,
    own: Annotated[str, option("only pairs whose two answers are both this model's", "MODEL")] = "",
    invoked: Invoked,
) -> None:
    """Makes a preference dataset of a session's votes."""
    from workbench.preferences.export import export_dataset

    exported = export_dataset(
        invoked.home, session, name or f"{session}-pairs", eval_fraction, own=own, with_unblinded=with_unblinded
    )
    counts = {key: exported.info[key] for key in ("rows", "left_out", "warnings") if key in exported.info}
    show(invoked, {"dataset": exported.name, **counts})
