"""Work that takes hours leaves the processor to what somebody waits for."""

import os
import subprocess
import sys

import pytest

from workbench.core import priority
from workbench.core.priority import AUTOGROUP

CODE = "import os; from workbench.core.priority import lower_priority; lower_priority({}); print(os.nice(0))"


def niceness_after(steps: str) -> int:
    return int(subprocess.run([sys.executable, "-c", steps], check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="it has classes in place of nice values")
@pytest.mark.parametrize(("asked", "more"), [(10, 10), (0, 0)])
def test_a_process_becomes_nicer_by_what_is_asked(asked: int, more: int) -> None:
    before = AUTOGROUP.read_text("ascii") if AUTOGROUP.exists() else ""
    assert niceness_after(CODE.format(asked)) == min(19, os.nice(0) + more)
    assert not before or AUTOGROUP.read_text("ascii") == before  # that of whoever started it stays


def test_what_the_system_refuses_ends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    def refuse(_: int) -> int:
        raise PermissionError

    monkeypatch.setattr(priority.os, "nice", refuse, raising=False)
    monkeypatch.setattr(priority, "AUTOGROUP", tmp_path)  # a folder cannot be written
    monkeypatch.setattr(priority.os, "getsid", lambda _: os.getpid(), raising=False)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    priority.lower_priority(10)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
    assert list(tmp_path.iterdir()) == []
