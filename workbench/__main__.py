"""The command line: `llm-workbench --help`, or `python -m workbench --help`. Everything the page can do."""

import os
import sys
from pathlib import Path

from workbench.cli.program import UsageError, named_home, parse
from workbench.cli.screen import quiet
from workbench.cli.shared import OptionsError
from workbench.core.errors import UserError
from workbench.core.logs import configure_logging
from workbench.core.plugins import left_out, load_plugins
from workbench.core.settings import variable_of

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, 1 for an error that was explained, 2 for options that are wrong, 130
    when interrupted."""
    arguments = sys.argv[1:] if argv is None else argv
    if home := named_home(arguments):
        os.environ[variable_of("home")] = str(Path(home).expanduser().absolute())  # child processes have it from here
    try:
        load_plugins()
        call = parse(arguments)
    except (UserError, UsageError) as error:  # before there is a screen, since the commands are made from the methods
        print(f"error: {error}", file=sys.stderr)
        return MISUSED if isinstance(error, UsageError) else FAILED
    for plugin in left_out():
        print(f"warning: {plugin.sentence()}", file=sys.stderr)
    if call is None:
        return 0
    log_needed = False
    with quiet(call.verbose) as screen:
        configure_logging()
        try:
            call.run()
        except (KeyboardInterrupt, EOFError):
            return INTERRUPTED
        except BrokenPipeError:
            return 0
        except Exception as error:  # told with its type, and the traceback in a log
            log_needed = screen.fail(error)
            return MISUSED if isinstance(error, OptionsError) else FAILED
        finally:
            if not log_needed:
                screen.log.unlink(missing_ok=True)
    return 0


def run() -> None:
    """What the installed command calls."""
    sys.exit(main())


if __name__ == "__main__":
    run()
