"""The program: which commands there are, how they are parsed, and what is said of a command line that is wrong.

A command is a function whose signature is its options, imported when it is called. Every kind of job is a command, too,
whose options are the fields of its spec.
"""

import contextlib
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter
from cyclopts.exceptions import CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

from workbench import __version__
from workbench.cli.commands import COMMANDS, GROUPS
from workbench.cli.screen import screen_stream, tell
from workbench.cli.shared import Invocation, Invoked, Unopened, option
from workbench.core.change_log import acting_as, command_line_person
from workbench.core.collector import hold_collections
from workbench.core.errors import suggestion
from workbench.core.home import Home, default_root

NAME = "llm-workbench"
PAGE = "tabs.application"
HELP = "LLM Workbench: data → train → merge → compare → label → DPO → compare again, without the page."
METHODS_NOTE = "`list methods` shows the methods of every family, `new METHOD` the settings of one."
JOBS_GROUP = Group("Jobs: each runs here, with its settings as options", sort_key=2)
EVERYWHERE = Group("With every command", sort_key=3)


@dataclass(frozen=True)
class Call:
    """A command line that was understood: what to do, what of the home that needs, and the options of every command.

    injected: the parameters filled in here: `invoked` is an opened home, `unopened` its folder alone.
    """

    do: Callable[..., Any]
    injected: frozenset[str]
    home: str
    json: bool
    verbose: bool

    def run(self) -> None:
        """Does it, in a home unless it is about the program itself."""
        with acting_as(command_line_person()):
            self._run()

    def _run(self) -> None:
        if "unopened" in self.injected:
            folder = Path(self.home).expanduser() if self.home else default_root()
            self.do(unopened=Unopened(folder.absolute(), self.json))
        elif "invoked" in self.injected:
            home = Home.at(self.home, tell) if self.home else Home.default(tell)
            self.do(invoked=Invocation(home, self.json))
        else:
            self.do()


class UsageError(Exception):
    """A command line that cannot be understood: the sentence that says why."""


def parse(arguments: Sequence[str]) -> Call | None:
    """What a command line asks for, None where it asked for help, which is shown; raises `UsageError`."""
    try:
        call: Call | None = program(arguments).meta(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise UsageError(usage_sentence(error)) from None
    return call


def program(arguments: Sequence[str]) -> App:
    """The commands there are. Those of the kinds of job are left out where another command is named, since they take
    most of a second to import."""
    app = App(
        name=NAME, help=HELP, help_epilogue=METHODS_NOTE, version=__version__, help_format="plaintext",
        result_action="return_value", suppress_keyboard_interrupt=False,
    )  # fmt: skip
    for group, help_ in GROUPS.items():
        app.command(App(name=group, help=help_))
    for command in COMMANDS:
        *group_names, name = command.name.split()
        parent = app[group_names[0]] if group_names else app
        parent.command(command.target, name=name, help=command.help)
    names = {command.name.split()[0] for command in COMMANDS}
    if named_command(arguments) not in names:
        from workbench.cli.job_options import job_commands

        for name, do, help_ in job_commands():
            if name not in names:
                app.command(do, name=name, help=help_, group=JOBS_GROUP)
    app.register_install_completion_command(help="let bash, zsh, fish or PowerShell complete commands and options")
    app.meta.default(partial(_understood, app))
    return app


def named_command(arguments: Sequence[str]) -> str:
    """The first argument that is no option, '' where there is none."""
    words = iter(arguments)
    for word in words:
        if word == "--home":
            next(words, "")
        elif not word.startswith("-"):
            return word
    return ""


def named_home(arguments: Sequence[str]) -> str:
    """What --home says, '' where it is not given; plug-ins of that home are loaded before anything is parsed."""
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--home" or word.startswith("--home="):
            return after if word == "--home" else word.removeprefix("--home=")
    return ""


HomeOption = Annotated[
    str,
    option("folder of models, datasets and jobs (default: WORKBENCH_HOME or ~/.llm-workbench)", "FOLDER"),
    Parameter(group=EVERYWHERE),
]
JsonOption = Annotated[bool, option("the result as JSON on standard output"), Parameter(group=EVERYWHERE)]
VerboseOption = Annotated[bool, option("show what libraries print, too"), Parameter(group=EVERYWHERE)]


def _understood(
    app: App,
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    home: HomeOption = "",
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> Call:
    command, bound, injected = app.parse_args(list(tokens), exit_on_error=False, print_error=False)
    do = partial(command, *bound.args, **bound.kwargs)
    return Call(do, frozenset(injected), home, json, verbose or command is serve)


def usage_sentence(error: CycloptsError) -> str:
    """What is wrong with a command line, in a sentence, and where its help is."""
    error.verbose = False
    if isinstance(error, UnusedCliTokensError):
        text = f"There is nothing that {' '.join(error.unused_tokens or [])!r} could mean here."
    elif isinstance(error, MissingArgumentError) and error.argument and error.keyword is None:
        text = f"{error.argument.name} is missing."
    elif isinstance(error, UnknownCommandError) and error.app:
        name = (error.unused_tokens or [""])[0]
        names = [known for known in error.app if not known.startswith("-")]
        text = f"There is no command {name!r}. {suggestion(name, names)}"
    else:
        text = str(error).strip()
    chain = " ".join([NAME, *(error.command_chain or [])])
    return f"{text} `{chain} --help` shows what there is."


def demo(
    *, keep: Annotated[str, option("the demo's home (default: a new folder, kept)", "FOLDER")] = "", invoked: Invoked
) -> None:
    """Runs the whole loop and prints its figures."""
    from workbench.cli.demo import demo as run_demo

    with contextlib.redirect_stdout(screen_stream()) if invoked.json else contextlib.nullcontext():
        figures = run_demo(keep or None)
    if invoked.json:
        print(json.dumps(figures, ensure_ascii=False))


def serve(*, invoked: Invoked) -> None:
    """Serves the page until interrupted."""
    hold_collections()
    importlib.import_module(PAGE).main()  # by its name: nothing here knows the page
