"""Why a job's process is gone without having told its end, as far as that can be known."""

from typing import NamedTuple

from workbench.core.child_process import KILLED, exit_reason
from workbench.core.oom_kills import MemoryVerdict, memory_verdict
from workbench.core.process import boot
from workbench.jobs.events import JobState

MEMORY = "memory"
"""The cause of an end for want of memory, for which a job may have a remedy of its own (`Job.in_less_memory`)."""
UNEXPLAINED = "The worker process ended without a word (killed, out of memory, or the machine went down)."
RESUME = "Resume goes on from the last checkpoint."
RESUME_UNEXPLAINED = f"{RESUME} If it was memory, lower the batch size first."
MORE_MEMORY = f"Free memory, or give this machine or container more. {RESUME}"
IN_MEMORY_WORDS = {
    MemoryVerdict.CERTAIN: "Memory ran out: the kernel ended the worker process (its out-of-memory killer).",
    MemoryVerdict.PROBABLE: "Memory probably ran out: the worker process is gone, and the kernel's out-of-memory "
    "killer has ended a process since the job began.",
}


class Death(NamedTuple):
    """What is said of a process that is gone: what happened, the remedy, and the cause if it is one with a name."""

    error: str
    remedy: str
    cause: str = ""


def death_of(state: JobState, returncode: int | None = None) -> Death:
    """How the process of a job ended that reads as running and is gone.

    returncode: its exit code, negative for a signal, where this process is its parent.
    """
    if state.is_kill_asked:
        return Death("Killed, as asked for.", RESUME)
    if state.boot and boot() and state.boot != boot():
        return Death("The machine was started again while the job ran.", RESUME)
    is_sigkill = None if returncode is None else returncode == KILLED
    verdict = memory_verdict(state.kill_counters, state.pid, state.boot, state.started_uptime, is_sigkill)
    if verdict in IN_MEMORY_WORDS:
        return Death(IN_MEMORY_WORDS[verdict], MORE_MEMORY, MEMORY)
    if returncode and not is_sigkill:
        return Death(f"The worker process {exit_reason(returncode)}.", f"The log may say why. {RESUME}")
    if verdict is MemoryVerdict.NO and is_sigkill:
        return Death(
            "The worker process was killed from outside (SIGKILL); the kernel's out-of-memory killer did not do it.",
            RESUME,
        )
    return Death(UNEXPLAINED, RESUME_UNEXPLAINED)
