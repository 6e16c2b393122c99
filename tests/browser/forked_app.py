"""The app as a fork of a process that has imported it, so that a run imports once what each of its servers needs.

Importing the app takes longer than starting it: 4 of 7 CPU seconds, in each of forty servers. The fork carries out the
same `main()` as `python app.py`, with the environment it is given. Linux alone; elsewhere, and where a test sets
variables of its own, the app is started as everybody starts it. So it is in tests/real, too.
"""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
POSSIBLE = sys.platform == "linux"
MESSAGE_BYTES = 1 << 20


class ForkingProcess:
    """A process that has imported the app and forks at will; its forks end with it, and it with this process."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
        self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        theirs.close()

    def fork(self, environment: Mapping[str, str], spare: bool) -> int:
        """The pid of an app with that environment, which writes to this process's output of now.

        spare: whether it keeps a worker that has imported what a training needs.
        """
        return int(self._asked({"environment": dict(environment), "spare": spare}, 1, 2)["pid"])

    def kill(self, pid: int) -> None:
        """Ends that fork at once and waits for it."""
        self._asked({"kill": pid})

    def _asked(self, message: dict[str, Any], *descriptors: int) -> dict[str, Any]:
        socket.send_fds(self._socket, [json.dumps(message).encode()], descriptors)
        answer = self._socket.recv(MESSAGE_BYTES)
        assert answer, f"the process that forks the app has ended: {self._process.poll()}"
        return dict(json.loads(answer))


@functools.cache
def forking_process() -> ForkingProcess:
    """The one of this process."""
    return ForkingProcess()


def _served(environment: dict[str, str], spare: bool, descriptors: list[int]) -> NoReturn:
    """What a fork does: the app, as `python app.py` serves it."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in zip([nothing, *descriptors], (0, 1, 2), strict=True):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(environment)
        from tabs import application
        from workbench.jobs.runner import Runner

        if not spare:
            Runner.__init__ = functools.partialmethod(Runner.__init__, warm=False)  # type: ignore[method-assign,assignment]
        application.main()
        code = 0
    except SystemExit as end:
        print(end.code, file=sys.stderr, flush=True)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main(channel: socket.socket) -> None:
    """Forks and kills as it is asked to, until nobody can ask any more."""
    sys.path.insert(0, str(ROOT))
    import tabs.application  # noqa: F401

    forks: set[int] = set()
    while True:
        message, descriptors, *_ = socket.recv_fds(channel, MESSAGE_BYTES, 2)
        if not message:
            break
        asked = json.loads(message)
        if pid := asked.get("kill"):
            _end(pid)
            forks.discard(pid)
        else:
            pid = os.fork()
            if not pid:
                channel.close()
                _served(asked["environment"], asked["spare"], descriptors)
            forks.add(pid)
        for each in descriptors:
            os.close(each)
        channel.send(json.dumps({"pid": pid}).encode())
    for pid in forks:
        _end(pid)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
