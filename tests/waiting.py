"""Waiting for processes with a deadline, and ending what a test's home left running."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")


def until(found: Callable[[], T], seconds: float = 60, what: str = "") -> T:
    """Asks again and again until the answer is true; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or found}"
        time.sleep(0.05)
    return answer


def processes_of(home: Path) -> Iterator[psutil.Process]:
    """The processes that were started with this WORKBENCH_HOME, this one left out."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("WORKBENCH_HOME") == str(home):
                yield process
        except psutil.Error:
            continue


def end_processes_of(home: Path) -> None:
    """Kills them, one by one by their ids."""
    for process in processes_of(home):
        try:
            process.kill()
            process.wait(10)
        except psutil.Error:
            continue
