"""The server holds no memory that nobody uses."""

import platform
import subprocess
import sys

import gradio as gr
import pytest

from tabs.serving.serve import EVENT_STATISTICS_OFF

BURST = """
import sys, threading
import psutil
if sys.argv[1] == "returned":
    from tabs.serving.allocator import return_free_memory
    assert return_free_memory()
bytearray(3_000_000)  # by itself, glibc raises its thresholds when this is freed
together = threading.Barrier(8)
def work():
    blocks = [b"x" * 300_000 for _ in range(20)]
    together.wait()  # 42 MB at once
    del blocks
    together.wait()  # idle threads, as a server's are
    together.wait()
threads = [threading.Thread(target=work, daemon=True) for _ in range(7)]
before = psutil.Process().memory_full_info().uss
for thread in threads:
    thread.start()
together.wait()
together.wait()
print(psutil.Process().memory_full_info().uss - before)
"""


def megabytes_after_a_burst(how: str) -> float:
    """What a process still holds of the 42 MB that seven threads took and freed."""
    done = subprocess.run([sys.executable, "-c", BURST, how], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator has these settings")
def test_what_threads_freed_goes_back_to_the_system() -> None:
    assert megabytes_after_a_burst("returned") < 5 < megabytes_after_a_burst("as it is")


def test_no_statistics_are_made_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records are of no shape that could be made a table of: making one would raise."""
    for name, value in EVENT_STATISTICS_OFF.items():
        monkeypatch.setenv(name, value)
    with gr.Blocks() as demo:
        queue = demo.queue()._queue
    queue.events_recorded = 1000
    assert queue.compute_analytics_summary([object()]) == {"functions": {}}
    assert queue.ANALYTICS_MAX_EVENTS == 1
