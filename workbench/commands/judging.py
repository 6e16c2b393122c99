"""Commands for talking to models and judging them."""

import json
import sys
import time
import uuid

from workbench.chat.decoding import Decoding
from workbench.commands.shared import Args, Commands, add, pairs, table
from workbench.home import Home
from workbench.spec import dump_yaml


def chat(home: Home, args: Args) -> None:
    """Every model answers the prompt, or, without --prompt, a conversation typed in."""
    from workbench.chat.engine import Engine

    engine = Engine(home)
    for doing in engine.load(args.models):
        print(doing, file=sys.stderr)
    given = pairs(args.set or [])
    histories: dict[str, list[dict[str, str]]] = {
        model: [{"role": "system", "content": args.system}] if args.system else [] for model in args.models
    }
    prompts = [args.prompt] if args.prompt else iter(lambda: input("\nyou> "), "")
    for prompt in prompts:
        for model, history in histories.items():
            history.append({"role": "user", "content": prompt})
            print(f"\n── {engine.weights(model)}")
            stream = engine.open(model, history, Decoding.parse(given))
            said = ""
            while not stream.done:
                print(stream.advance(), end="", flush=True)
                if stream.note != said:
                    said = stream.note
                    print(f"   {said}", file=sys.stderr)
            history.append({"role": "assistant", "content": stream.text})
            pace = len(stream.made) / max(stream.seconds, 1e-9)
            print(
                f"\n   {len(stream.made)} tokens · {pace:.0f} tokens/s · {stream.done}" + (f" · {said}" if said else "")
            )


def label(home: Home, args: Args) -> None:
    """Blind voting in the terminal."""
    from workbench.preferences import votes

    keys = {"l": "left", "r": "right", "t": "tie", "b": "both_bad", "s": "skip"}
    item = votes.next_item(home, args.session, args.name)
    while item:
        print(f"\n[{item.done}/{item.total}]  " + " / ".join(message["content"] for message in item.prompt))
        print(f"\n── left\n{item.left}\n\n── right\n{item.right}\n")
        shown = time.time()
        answer = input("(l)eft (r)ight (t)ie (b)oth bad (s)kip (u)ndo (q)uit > ").strip().lower()[:1]
        if answer == "q":
            return
        if answer == "u":
            item = votes.undo(home, args.session, args.name, uuid.uuid4().hex)
        elif answer in keys:
            seconds = time.time() - shown
            votes.vote(home, args.session, args.name, item.token, keys[answer], uuid.uuid4().hex, seconds)
            print("saved")
            item = votes.next_item(home, args.session, args.name)
    print("Nothing left to vote on.")


def judge(home: Home, args: Args) -> None:
    """Lets the stated automatic rule vote on every open pair."""
    from workbench.preferences.judges import FIELD_GUIDE, vote_by_rule

    print(FIELD_GUIDE.statement)
    print(f"{vote_by_rule(home, args.session, FIELD_GUIDE)} votes.")


def report(home: Home, args: Args) -> None:
    from workbench.preferences.summary import report as summarise

    found = summarise(home, args.session)
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    print("\n".join(found["sentences"]))
    rows = [
        (f"{r['a']} over {r['b']}", f"{100 * r['rate']:.0f} %", f"{100 * r['low']:.0f}–{100 * r['high']:.0f} %", r["n"])
        for r in found["win_rates"]
    ]
    table(["win rate", "share", "95 % interval", "votes"], rows)
    ratings = [(r["model"], round(r["rating"]), f"{r['low']:.0f}–{r['high']:.0f}") for r in found["ratings"]["rows"]]
    if ratings:
        table(["model", "rating", "95 % interval"], ratings)


def export_pairs(home: Home, args: Args) -> None:
    from workbench.preferences.export import export_dataset

    made = export_dataset(
        home, args.session, args.name or f"{args.session}-pairs", args.eval_fraction, own=args.own or ""
    )
    print(
        dump_yaml(
            {"dataset": made.name, **{k: made.info[k] for k in ("rows", "left_out", "warnings") if k in made.info}}
        )
    )


def register(commands: Commands) -> None:
    chatted = add(commands, "chat", chat, "let one or more models answer")
    chatted.add_argument("models", nargs="+")
    chatted.add_argument("--prompt", help="one message; without it, a conversation")
    chatted.add_argument("--system", help="system prompt")
    chatted.add_argument("--set", nargs="*", metavar="NAME=VALUE", help="sampling, such as greedy=true")
    voted = add(commands, "label", label, "vote blind in the terminal")
    voted.add_argument("session")
    voted.add_argument("--name", required=True, help="who votes")
    judged = add(commands, "judge", judge, "let the stated automatic rule vote on every open pair")
    judged.add_argument("session")
    reported = add(commands, "report", report, "win rates and ratings of a labelling session, with intervals")
    reported.add_argument("session")
    reported.add_argument("--json", action="store_true")
    export = add(commands, "export-pairs", export_pairs, "make a DPO dataset of a session's votes")
    export.add_argument("session")
    export.add_argument("--name")
    export.add_argument("--eval-fraction", type=float, default=0.1)
    export.add_argument("--own", metavar="MODEL", help="only pairs whose two answers are both this model's")
