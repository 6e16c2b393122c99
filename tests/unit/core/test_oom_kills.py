"""What the kernel counts and logs tells whether it ended a process for want of memory."""

import os
from pathlib import Path

import pytest

from workbench.core import oom_kills
from workbench.core.oom_kills import MemoryVerdict, kill_counters, memory_verdict
from workbench.core.process import boot, uptime

V1, V2 = "memory.oom_control", "memory.events"
PID = 4321
LINES = {
    "v1": ("5:memory:/a/b\n4:cpu:/\n0::/\n", f"memory/a/b/{V1}"),
    "v1 in a container": ("5:memory:/outside/b\n0::/\n", f"memory/{V1}"),
    "v2": ("0::/user.slice/b\n", f"user.slice/b/{V2}"),
    "v2 in a container": ("0::/\n", V2),
}


class Kernel:
    """What a kernel would tell, in files of the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.proc, self.groups, self.log = folder / "proc", folder / "cgroup", folder / "kmsg"
        (self.proc / "self" / "ns").mkdir(parents=True)
        (self.proc / "self" / "ns" / "pid").symlink_to(oom_kills.FIRST_PID_NAMESPACE)
        self.groups.mkdir()
        for name, path in {"PROC": self.proc, "CGROUPS": self.groups, "KERNEL_LOG": self.log}.items():
            monkeypatch.setattr(oom_kills, name, path)

    def in_group(self, lines: str, file: str, kills: int) -> Path:
        (self.proc / "self" / "cgroup").write_text(lines)
        path = self.groups / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"low 0\noom 7\noom_kill {kills}\noom_group_kill 0\n")
        return path

    def machine(self, kills: int) -> None:
        (self.proc / "vmstat").write_text(f"nr_free_pages 10\noom_kill {kills}\n")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


def verdict(before: object, is_sigkill: bool | None = True, booted: str | None = None, since: float = 0.0) -> str:
    return memory_verdict(before, PID, boot() if booted is None else booted, since, is_sigkill)


@pytest.mark.parametrize(("lines", "file"), LINES.values(), ids=LINES)
def test_a_counter_of_the_own_group_that_grew_tells_it(lines: str, file: str, kernel: Kernel) -> None:
    path = kernel.in_group(lines, file, 3)
    before = kill_counters()
    assert before == {"group": {"file": str(path), "inode": path.parent.stat().st_ino, "kills": 3}}
    assert verdict(before) == verdict(before, None) == MemoryVerdict.NO
    kernel.in_group(lines, file, 4)
    assert verdict(before) == MemoryVerdict.CERTAIN
    assert verdict(before, None) == MemoryVerdict.PROBABLE, "another process of the group may have been meant"
    assert verdict(before, is_sigkill=False) == MemoryVerdict.NO


def test_a_group_that_was_made_anew_tells_nothing_and_the_machine_does(kernel: Kernel) -> None:
    lines, file = LINES["v2"]
    path = kernel.in_group(lines, file, 3)
    kernel.machine(10)
    before = kill_counters()
    path.parent.rename(path.parent.with_name("former"))
    kernel.in_group(lines, file, 9)
    assert verdict(before) == MemoryVerdict.NO
    kernel.machine(11)
    assert verdict(before) == verdict(before, None) == MemoryVerdict.PROBABLE
    assert verdict(before, booted="another boot") == MemoryVerdict.UNKNOWN


def test_what_the_group_counts_outweighs_the_machine(kernel: Kernel) -> None:
    kernel.in_group(*LINES["v1"], 0)
    kernel.machine(0)
    before = kill_counters()
    kernel.machine(5)  # of other groups
    assert verdict(before) == MemoryVerdict.NO


def test_a_system_that_counts_nothing_tells_nothing(kernel: Kernel) -> None:
    assert kill_counters() == {}
    assert verdict({}) == verdict({}, None) == MemoryVerdict.UNKNOWN


@pytest.mark.parametrize(
    "before",
    [None, [], "text", {"group": 3}, {"group": {"file": 1, "kills": 0}}, {"machine": "many"}, {"machine": True}],
)
def test_whatever_a_file_holds_is_no_evidence(before: object, kernel: Kernel) -> None:
    kernel.machine(5)
    assert verdict(before) == MemoryVerdict.UNKNOWN


def test_only_counters_of_groups_are_read(kernel: Kernel, tmp_path: Path) -> None:
    other = tmp_path / V2
    other.write_text("oom_kill 9\n")
    for file in (other, kernel.groups / ".." / V2, kernel.groups / "a" / "else"):
        group = {"file": str(file), "inode": tmp_path.stat().st_ino, "kills": 0}
        assert verdict({"group": group}) == MemoryVerdict.UNKNOWN


def test_the_log_names_the_process(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    now = uptime()
    records = [
        f"6,1,{int((now - 900) * 1e6)},-;Out of memory: Killed process 99 (python) total-vm:1kB",
        f"6,2,{int(now * 1e6)},-;Memory cgroup out of memory: Killed process {PID} (python) total-vm:1kB",
        "6,3,words,-;Killed process 5 (x)",
        "no record",
    ]
    kernel.log.write_text("\n".join(records))
    read, offsets = os.read, iter([*records, ""])
    monkeypatch.setattr(
        os, "read", lambda log, size: read(log, 0) or next(offsets).encode()
    )  # a device: record by record
    assert verdict({}, None, since=now - 60) == MemoryVerdict.CERTAIN


@pytest.mark.parametrize("seconds", [900, 0])
def test_an_older_line_of_the_log_is_of_another_process(
    seconds: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = uptime()
    kernel.log.write_text(f"6,1,{int((now - seconds) * 1e6)},-;Out of memory: Killed process {PID} (python)")
    expected = MemoryVerdict.UNKNOWN if seconds else MemoryVerdict.CERTAIN
    assert verdict({}, since=now - 60) == expected
    namespace = kernel.proc / "self" / "ns" / "pid"
    namespace.unlink()
    namespace.symlink_to("pid:[4026532201]")  # a container's pids are not those of the log
    assert verdict({}, since=now - 60) == MemoryVerdict.UNKNOWN
