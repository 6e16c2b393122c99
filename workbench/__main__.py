"""The command line: `llm-workbench --help`, or `python -m workbench --help`. Everything the page can do."""

import argparse
import contextlib
import importlib
import json
import os
import sys

from workbench import __version__
from workbench.cli import data, jobs, judging, merging, shelves
from workbench.cli.screen import quiet, tell, told
from workbench.cli.shared import VERBOSE, Commands, add, families
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.plugins import load_plugins

PAGE = "tabs.application"
PROGRAM = "llm-workbench"


def _methods() -> str:
    """The methods of every family, as found in their folders, for the end of --help."""
    lines = ["methods (settings of each: `new KIND` or `list methods`):"]
    for family, registry in families().items():
        lines.append(f"  {family}:")
        lines += [f"    {method.method:<20} {method.summary()}" for method in registry]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description="LLM Workbench: data → train → merge → compare → label → DPO → compare again, without the page.",
        epilog=_methods(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    top.add_argument("--home", help="folder of models, datasets and jobs (default: WORKBENCH_HOME or ~/.llm-workbench)")
    top.add_argument("--verbose", action="store_true", help=VERBOSE)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (shelves, data, jobs, merging, judging):
        group.register(commands)
    _whole(commands)
    return top


def _whole(commands: Commands) -> None:
    demo = add(commands, "demo", _demo, "the whole loop on the starter model, in a home of its own")
    demo.add_argument("--keep", metavar="FOLDER", help="the demo's home (default: a new folder, kept)")
    add(commands, "serve", _serve, "serve the page, as `python app.py` does", json_=False)


def _serve(home: Home, _args: argparse.Namespace) -> None:
    os.environ["WORKBENCH_HOME"] = str(home.root)
    importlib.import_module(PAGE).main()  # by its name: nothing here knows the page


def _demo(home: Home, args: argparse.Namespace) -> None:
    from workbench.cli.demo import demo

    with contextlib.redirect_stdout(told()) if args.json else contextlib.nullcontext():
        figures = demo(args.keep)
    if args.json:
        print(json.dumps(figures, ensure_ascii=False))


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, 1 for an error that was explained, 130 when interrupted."""
    try:
        load_plugins()
    except UserError as error:  # before there is a screen, since the commands are made from the methods
        print(f"error: {error}", file=sys.stderr)
        return 1
    args = parser().parse_args(argv)
    log_needed = False
    with quiet(args.verbose or args.do is _serve) as screen:
        try:
            args.do(Home.at(args.home, tell) if args.home else Home.default(tell), args)
        except (KeyboardInterrupt, EOFError):
            return 130
        except BrokenPipeError:
            return 0
        except Exception as error:  # told with its type, and the traceback in a log
            log_needed = screen.fail(error)
            return 1
        finally:
            if not log_needed:
                screen.log.unlink(missing_ok=True)
    return 0


def run() -> None:
    """What the installed command calls."""
    sys.exit(main())


if __name__ == "__main__":
    run()
