"""Starting the child process that measures one variant, hearing its progress, and telling how it died."""

import json
import sys
from pathlib import Path
from typing import Any

from workbench.core.child_process import KILLED, ChildProcess, exit_reason
from workbench.core.errors import MemoryShortage, UserError
from workbench.core.tasks import Task

COMMAND = (sys.executable, "-m", "workbench.compression.evaluation.child")


def measure_in_child(request: Path, threads: int, task: Task) -> dict[str, Any]:
    """Starts a child, passes its progress on and returns its result.

    Raises `UserError` with its error, or with how it died, and what stops the `task`: the child is killed then.
    """
    extra = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    with ChildProcess([*COMMAND, str(request)], extra=extra) as child:
        for line in child.lines(task.check_stop):
            message = json.loads(line)
            if "error" in message:
                kind = MemoryShortage if message.get("memory") else UserError
                raise kind(message["error"], message.get("remedy", ""))
            if "result" in message:
                return dict(message["result"])
            task.update(message["done"], message["of"], message["text"])
        code = child.wait()
    raise (MemoryShortage if code == KILLED else UserError)(
        f"The process that measured it {exit_reason(code)}.",
        "Free memory, or leave this variant out; the log may say more.",
    )
