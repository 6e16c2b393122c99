"""The command line: `python -m workbench --help`. Everything the page can do."""

import argparse
import sys

from workbench import __version__, cli
from workbench.errors import UserError, explain
from workbench.home import Home


def _methods() -> str:
    """The methods of every family, as found in their folders, for the end of --help."""
    lines = ["methods (settings of each: `new KIND` or `list methods`):"]
    for family, registry in cli.families().items():
        lines.append(f"  {family}:")
        lines += [f"    {method.method:<20} {method.summary()}" for method in registry]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m workbench",
        description="LLM Workbench: data → train → compare → label → DPO → compare again, without the page.",
        epilog=_methods(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    top.add_argument("--home", help="folder of models, datasets and jobs (default: WORKBENCH_HOME or ~/.llm-workbench)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _bring_in(commands)
    _jobs(commands)
    _judge(commands)
    _whole(commands)
    return top


def _add(commands: argparse._SubParsersAction, name: str, do: object, help_: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=help_)
    made.set_defaults(do=do)
    return made


def _bring_in(commands: argparse._SubParsersAction) -> None:
    listed = _add(commands, "list", lambda home, args: cli.LISTS[args.what](home, args), "list what is there")
    listed.add_argument("what", choices=list(cli.LISTS))
    listed.add_argument("--json", action="store_true")
    model = _add(commands, "import-model", cli.import_model, "put a model on the shelf")
    model.add_argument("source", help="'starter', 'hub:owner/name', or a folder")
    model.add_argument("--name", help="its name on the shelf")
    model.add_argument("--base", help="for an adapter: its base model on the shelf")
    model.add_argument("--revision", default="main", help="hub: branch, tag or commit")
    data = _add(commands, "import-dataset", cli.import_dataset, "put a dataset on the shelf")
    data.add_argument("source", help="'sample', a file (JSON, JSONL, CSV, TSV, Parquet, text), or - for standard input")
    data.add_argument("--name", help="its name on the shelf")
    data.add_argument("--format", help="format, if the detected one is wrong: see `list methods`")
    data.add_argument("--columns", nargs="*", metavar="SETTING=COLUMN", help="columns of that format")
    data.add_argument("--eval-fraction", type=float, default=0.1)
    data.add_argument("--seed", type=int, default=0)
    data.add_argument("--encoding", default="utf-8", choices=["utf-8", "latin-1"])
    tokens = _add(commands, "tokens", cli.tokens, "show one row as the model sees it")
    tokens.add_argument("dataset")
    tokens.add_argument("--model", required=True)
    tokens.add_argument("--row", type=int, default=1)
    tokens.add_argument("--split", default="train", choices=["train", "eval"])
    tokens.add_argument("--template", default="model", choices=["model", "chatml", "alpaca"])
    tokens.add_argument("--max-length", type=int, default=512)
    gone = _add(commands, "delete", cli.delete, "remove a model, dataset or labelling session")
    gone.add_argument("what", choices=["model", "dataset", "session"])
    gone.add_argument("name")


def _jobs(commands: argparse._SubParsersAction) -> None:
    new = _add(commands, "new", cli.new, "write the YAML of a job with its defaults")
    new.add_argument("kind", help="train, generate, fold-adapter, …")
    run = _add(commands, "run", cli.run, "run a job here, in the foreground")
    submit = _add(commands, "submit", cli.submit, "queue a job for the background")
    submit.add_argument("--wait", action="store_true", help="wait for its end; starts it if no app is running")
    for command in (run, submit):
        command.add_argument("job", help="a YAML file (or the folder of an earlier job)")
    for command in (new, run, submit):
        command.add_argument("--set", nargs="*", metavar="NAME=VALUE", help="settings, such as tuner.r=32")
    job = _add(commands, "job", cli.job_action, "look at, stop, resume or delete a job")
    job.add_argument("action", choices=["show", "log", "stop", "resume", "delete"])
    job.add_argument("id")
    job.add_argument("--how", default="keep", choices=["keep", "discard", "kill"], help="how to stop")
    job.add_argument("--wait", action="store_true", help="after resume: wait for its end")


def _judge(commands: argparse._SubParsersAction) -> None:
    chat = _add(commands, "chat", cli.chat, "let one or more models answer")
    chat.add_argument("models", nargs="+")
    chat.add_argument("--prompt", help="one message; without it, a conversation")
    chat.add_argument("--system", help="system prompt")
    chat.add_argument("--set", nargs="*", metavar="NAME=VALUE", help="sampling, such as greedy=true")
    label = _add(commands, "label", cli.label, "vote blind in the terminal")
    label.add_argument("session")
    label.add_argument("--name", required=True, help="who votes")
    judge = _add(commands, "judge", cli.judge, "let the stated automatic rule vote on every open pair")
    judge.add_argument("session")
    report = _add(commands, "report", cli.report, "win rates and ratings of a labelling session, with intervals")
    report.add_argument("session")
    report.add_argument("--json", action="store_true")
    export = _add(commands, "export-pairs", cli.export_pairs, "make a DPO dataset of a session's votes")
    export.add_argument("session")
    export.add_argument("--name")
    export.add_argument("--eval-fraction", type=float, default=0.1)
    export.add_argument("--own", metavar="MODEL", help="only pairs whose two answers are both this model's")


def _whole(commands: argparse._SubParsersAction) -> None:
    demo = _add(commands, "demo", _demo, "the whole loop on the starter model, in a home of its own")
    demo.add_argument("--json", action="store_true", help="end with one JSON object")
    demo.add_argument("--keep", metavar="FOLDER", help="the demo's home (default: a new folder, kept)")


def _demo(home: Home, args: argparse.Namespace) -> None:
    from workbench.demo import demo

    demo(args.keep, args.json)


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, 1 for an error that was explained, 130 when interrupted."""
    args = parser().parse_args(argv)
    try:
        args.do(Home.at(args.home) if args.home else Home.default(), args)
    except (KeyboardInterrupt, EOFError):
        return 130
    except BrokenPipeError:
        return 0
    except (UserError, OSError) as error:
        print(f"error: {explain(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
