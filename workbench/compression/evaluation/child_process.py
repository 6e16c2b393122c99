"""Starting the child process that measures one variant, hearing its progress, and telling how it died."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from workbench.core.assets import ROOT
from workbench.core.children import child_environment
from workbench.core.errors import MemoryShortage, UserError
from workbench.core.tasks import Task

COMMAND = (sys.executable, "-m", "workbench.compression.evaluation.child")
KILLED = -9  # the exit code of what the system ends when memory runs out
LOOK_EVERY = 0.2  # seconds between looks for a stop


def run_child(request: Path, threads: int, task: Task) -> dict[str, Any]:
    """Starts a child, passes its progress on and returns its result.

    Raises `UserError` with its error, or with how it died, and what stops the `task`: the child is killed then.
    """
    child = subprocess.Popen(
        [*COMMAND, str(request)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=child_environment(
            extra={"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        ),
    )
    try:
        last = _listen(child, task)
    finally:
        child.kill()
        code = child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
    if "error" in last:
        kind = MemoryShortage if last.get("memory") else UserError
        raise kind(last["error"], last.get("remedy", ""))
    if "result" not in last:
        raise (MemoryShortage if code == KILLED else UserError)(
            _death(code), "Free memory, or leave this variant out; the log may say more."
        )
    return dict(last["result"])


def _listen(child: "subprocess.Popen[str]", task: Task) -> dict[str, Any]:
    """The child's last word, {} if it died without one."""
    lines: queue.Queue[str | None] = queue.Queue()
    out = child.stdout
    assert out

    def hear() -> None:
        with contextlib.suppress(ValueError):  # closed while it is read
            for line in out:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=hear, daemon=True).start()
    while True:
        task.check_stop()
        try:
            line = lines.get(timeout=LOOK_EVERY)
        except queue.Empty:
            continue
        if line is None:
            child.wait()
            return {}
        word = json.loads(line)
        if "done" not in word:
            return dict(word)
        task.update(word["done"], word["of"], word["text"])


def _death(code: int) -> str:
    if code == KILLED:
        return "The process that measured it was killed, most likely because memory ran out."
    return (
        f"The process that measured it died without a word ({f'signal {-code}' if code < 0 else f'exit code {code}'})."
    )
