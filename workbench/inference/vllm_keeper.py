"""Runs a command and ends it, with all that it started, when whoever started this is gone.

python -m workbench.inference.vllm_keeper COMMAND …

This process leads a session of its own, so that killing a job's processes does not leave a server behind that nobody
knows: the job's end closes this one's standard input, and that is the sign to end.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 15.0


def main(command: list[str]) -> int:
    """The exit code of the command, 128 and the signal for one that was killed, as shells have it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # ours is meant for the others of the group
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_listen_again)  # noqa: PLW1509
    threading.Thread(target=_end_with_input, args=(process,), daemon=True).start()
    code = process.wait()
    os.killpg(0, signal.SIGTERM)  # what it started and left
    return code if code >= 0 else 128 - code


def _listen_again() -> None:
    """A child that is started would go on ignoring what this process ignores."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_with_input(process: "subprocess.Popen[bytes]") -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not by the stream, whose lock would keep this process from its end
        pass
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)  # this process, too


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
