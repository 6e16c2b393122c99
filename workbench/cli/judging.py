"""Commands for talking to models and judging them."""

import argparse
import getpass
import json
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

from workbench.cli.screen import tell
from workbench.cli.shared import Args, Commands, add, pairs, show, table
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.inference.decoding import Decoding

if TYPE_CHECKING:
    from workbench.inference.stream import TokenStream
    from workbench.preferences.blinding import Voter


def chat(home: Home, args: Args) -> None:
    """Every model answers the prompt, or, without --prompt, a conversation typed in."""
    from workbench.ensembles.engine import EnsembleEngine

    if args.json and not args.prompt:
        raise UserError("A conversation typed in has no JSON.", "Give its one message with --prompt.", "--json")
    engine = EnsembleEngine(home)
    for doing in engine.load(args.models):
        tell(doing)
    settings = pairs(args.set or [])
    histories: dict[str, list[dict[str, str]]] = {
        model: [{"role": "system", "content": args.system}] if args.system else [] for model in args.models
    }
    answers: list[dict[str, Any]] = []
    prompts = [args.prompt] if args.prompt else iter(lambda: input("\nyou> "), "")
    for prompt in prompts:
        for model, history in histories.items():
            history.append({"role": "user", "content": prompt})
            if not args.json:
                print(f"\n── {engine.answering(model).weights()}")
            stream = engine.answering(model).open(history, Decoding.parse(settings))
            answers.append({"model": model, **_answer(stream, not args.json)})
            history.append({"role": "assistant", "content": stream.text})
    if args.json:
        show(args, answers)


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


def _terminal() -> str:
    """What stands for the browser session on the command line: this account in this terminal."""
    return f"terminal:{getpass.getuser()}:{os.getsid(0) if hasattr(os, 'getsid') else os.getppid()}"


def label(home: Home, args: Args) -> None:
    """Blind voting in the terminal; a pair that lies open goes back when it ends."""
    from workbench.preferences import leases, votes
    from workbench.preferences.blinding import Voter

    keys = {"l": "left", "r": "right", "t": "tie", "b": "both_bad", "s": "skip"}
    who = Voter(args.name, _terminal())
    # asked twice: pairs that lie open where nobody looks at them are given to those who asked in vain
    item = votes.next_item(home, args.session, who) or votes.next_item(home, args.session, who)
    try:
        while item:
            # nobody sees whether the terminal is looked at: the pair is held for as long as it is leased
            votes.hold(home, args.session, who.browser, item.token, leases.LEASE_SECONDS)
            print(f"\n[{item.done}/{item.total}]  " + " / ".join(message["content"] for message in item.prompt))
            print(f"\n── left\n{item.left}\n\n── right\n{item.right}\n")
            shown = time.monotonic()
            answer = input("(l)eft (r)ight (t)ie (b)oth bad (s)kip (u)ndo (q)uit > ").strip().lower()[:1]
            if answer == "q":
                return
            if answer == "u":
                item = votes.undo(home, args.session, who, uuid.uuid4().hex)
            elif answer in keys:
                seconds = time.monotonic() - shown
                votes.vote(home, args.session, who, item.token, keys[answer], uuid.uuid4().hex, seconds)
                print("saved")
                item = votes.next_item(home, args.session, who)
    finally:
        if item:
            votes.give_back(home, args.session, who.browser, item.token)
    print(_ended(home, args.session, who))


def _ended(home: Home, session: str, who: "Voter") -> str:
    """Why there is no pair to judge."""
    from workbench.preferences.standing import standing

    stands = standing(home, session, who)
    return {
        "closed": "The session is closed; 'report' shows its result.",
        "complete": "Every pair has its votes. 'close-session' ends the session, so that its result may be seen.",
        "held": f"Others are judging the last pairs ({stands.pairs}). They come back if they are not voted on.",
        "others": f"You have judged all you can; {stands.pairs} pairs lack votes of other people.",
        "answering": "No pair now; further answers are to come.",
        "unusable": "There is nothing to judge: all pairs are identical, empty or failed.",
    }[stands.reason]


def close(home: Home, args: Args) -> None:
    """Ends a session's voting for good, so that its result may be seen."""
    from workbench.preferences.blinding import Voter, close_session

    closed = close_session(home, args.session, Voter(args.name, _terminal()))
    result = {"session": closed.name, "votes": closed.votes, "closed": closed.closed}
    show(args, result, f"{closed.name} is closed, with {closed.votes} votes.")


def recover(home: Home, args: Args) -> None:
    """Sets a damaged label database aside and saves what can be read into a new one."""
    from workbench.preferences.recovery import recover as recover_labels

    recovered = recover_labels(home)
    aside = str(recovered.aside) if recovered.aside else None
    show(args, {"saved": recovered.rows, "dropped": recovered.dropped, "set_aside": aside}, recovered.sentence())


def judge(home: Home, args: Args) -> None:
    """Lets the stated automatic rule vote on every open pair."""
    from workbench.preferences.judges import FIELD_GUIDE, vote_by_rule

    votes = vote_by_rule(home, args.session, FIELD_GUIDE)
    show(args, {"rule": FIELD_GUIDE.statement, "votes": votes}, f"{FIELD_GUIDE.statement}\n{votes} votes.")


def report(home: Home, args: Args) -> None:
    """Win rates and ratings of a closed session, or of an open one to somebody whose unblinding is recorded."""
    from workbench.preferences.blinding import Voter, unblind
    from workbench.preferences.summary import report as summarise

    if args.unblind:
        unblind(home, args.session, Voter(args.name, _terminal()))
    summary = summarise(home, args.session, _terminal(), args.with_unblinded)
    if args.json:
        print(json.dumps(summary, ensure_ascii=False))
        return
    print("\n".join(summary["sentences"]))
    rows = [
        (f"{r['a']} over {r['b']}", f"{100 * r['rate']:.0f} %", f"{100 * r['low']:.0f}–{100 * r['high']:.0f} %", r["n"])
        for r in summary["win_rates"]
    ]
    table(["win rate", "share", "95 % interval", "votes"], rows)
    ratings = [(r["model"], round(r["rating"]), f"{r['low']:.0f}–{r['high']:.0f}") for r in summary["ratings"]["rows"]]
    if ratings:
        table(["model", "rating", "95 % interval"], ratings)


def export_pairs(home: Home, args: Args) -> None:
    from workbench.preferences.export import export_dataset

    exported = export_dataset(
        home,
        args.session,
        args.name or f"{args.session}-pairs",
        args.eval_fraction,
        own=args.own or "",
        with_unblinded=args.with_unblinded,
    )
    counts = {key: exported.info[key] for key in ("rows", "left_out", "warnings") if key in exported.info}
    show(args, {"dataset": exported.name, **counts})


def _counting(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--with-unblinded", action="store_true", help="count votes that were given after seeing the result, too"
    )


def register(commands: Commands) -> None:
    chatted = add(commands, "chat", chat, "let one or more models answer")
    chatted.add_argument("models", nargs="+")
    chatted.add_argument("--prompt", help="one message; without it, a conversation")
    chatted.add_argument("--system", help="system prompt")
    chatted.add_argument("--set", nargs="*", metavar="NAME=VALUE", help="sampling, such as greedy=true")
    voted = add(commands, "label", label, "vote blind in the terminal", json_=False)
    voted.add_argument("session")
    voted.add_argument("--name", required=True, help="who votes")
    closed = add(commands, "close-session", close, "end a session's voting for good, so that its result may be seen")
    closed.add_argument("session")
    closed.add_argument("--name", default=getpass.getuser(), help="who closes it")
    add(commands, "recover-labels", recover, "save what can be read of a damaged label database into a new one")
    judged = add(commands, "judge", judge, "let the stated automatic rule vote on every open pair")
    judged.add_argument("session")
    reported = add(commands, "report", report, "win rates and ratings of a labelling session, with intervals")
    reported.add_argument("session")
    reported.add_argument(
        "--unblind",
        action="store_true",
        help="show the result of an open session; it is recorded, and your later votes in it are left out",
    )
    reported.add_argument("--name", default=getpass.getuser(), help="with --unblind: who looks")
    _counting(reported)
    export = add(commands, "export-pairs", export_pairs, "make a DPO dataset of a session's votes")
    export.add_argument("session")
    _counting(export)
    export.add_argument("--name")
    export.add_argument("--eval-fraction", type=float, default=0.1)
    export.add_argument("--own", metavar="MODEL", help="only pairs whose two answers are both this model's")
