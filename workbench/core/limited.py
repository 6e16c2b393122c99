"""Calls a function in a process of its own, with bounded memory and time: for what reads files that strangers made.

The process that asks keeps nothing of what the work took, whatever it was. `python -m workbench.core.limited` is that
process: a pickled call comes in on standard input, the pickled outcome goes out on standard output. It is not believed
more than the files it read: its outcome may hold plain values and records of this program, and no function is called.
"""

import dataclasses
import importlib
import io
import logging
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from workbench.core.child_process import ChildFailed, run_child
from workbench.core.errors import SEE_LOG, SettingPath, UserError, explain
from workbench.core.logs import configure_logging
from workbench.core.plugins import PLUGIN_SETTINGS, is_plugin_module, load_plugins
from workbench.core.settings import variable_of

log = logging.getLogger("workbench.core.limited")  # it runs as __main__

Result = TypeVar("Result")
MEMORY_BYTES = 3 * 1024**3  # what the process itself holds; files it maps do not count
SECONDS = 120.0
PASSED_ON = (
    "PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT",
    *map(variable_of, ("home", *PLUGIN_SETTINGS)),
)  # fmt: skip
VALUES = {
    *(("datetime", name) for name in ("date", "datetime", "time", "timedelta", "timezone")),
    ("decimal", "Decimal"), ("uuid", "UUID"), ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "bytearray"),
}  # fmt: skip
"""Classes of the standard library that values in rows may have."""


def call(function: Callable[..., Result], *arguments: Any, seconds: float = SECONDS) -> Result:
    """What a module's function returns for these arguments, all of which can be pickled.

    Raises the `UserError` that it raises, and `UserError` when it takes too much memory or time or dies.
    """
    function_name = function.__module__, function.__qualname__
    asked = pickle.dumps((*function_name, arguments))
    try:
        output = run_child(
            [sys.executable, "-m", "workbench.core.limited"], seconds=seconds, data=asked, only=PASSED_ON,
            extra={"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        )  # fmt: skip
    except ChildFailed as failure:
        remedy = "Divide it into smaller files." if failure.returncode is None else ""
        raise UserError(f"The process that read it {failure}.", remedy) from None
    result, error = _Outcome(io.BytesIO(output.data)).load()
    if error:
        message, remedy, path = error
        if remedy == SEE_LOG:
            log.error("%s.%s failed:\n%s", *function_name, output.errors)
        raise UserError(message, remedy, path)
    return result  # type: ignore[no-any-return]


class _Outcome(pickle.Unpickler):
    """Reads an outcome; https://docs.python.org/3/library/pickle.html#restricting-globals."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in VALUES:
            return super().find_class(module, name)
        if (module.startswith("workbench.") or is_plugin_module(module)) and "." not in name:
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and found.__module__ == module and _is_record(found):
                return found
        raise UserError(f"Reading it gave something unexpected ({module}.{name}).", "Convert the file to JSON lines.")


def _is_record(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel)


def bound_memory(most: int = MEMORY_BYTES) -> None:
    """Has this process get a `MemoryError` rather than more memory than this. Where the system has no such bound (it
    is Linux that counts memory that way) nothing happens."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lowest = min(limit for limit in (most, soft, hard) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, hard))


def main() -> None:
    """Carries out the one call."""
    answer = sys.stdout.buffer
    sys.stdout = sys.stderr  # what libraries print must not get between
    configure_logging()
    bound_memory()
    load_plugins()  # whose classes may be among the arguments
    module, name, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 -- the parent's own call
    result: Any = None
    error: tuple[str, str, SettingPath] | None = None
    try:
        result = getattr(importlib.import_module(module), name)(*arguments)
    except MemoryError:
        error = ("Reading it takes more memory than it may.", "Divide it into smaller files.", ("source",))
    except Exception as raised:
        if not isinstance(raised, UserError):
            log.exception("the call failed")
        explained = explain(raised, SEE_LOG)
        error = (explained.message, explained.remedy, explained.path)
    answer.write(pickle.dumps((result, error)))
    answer.flush()
    os._exit(0)  # libraries' threads need not be waited for


if __name__ == "__main__":
    main()
