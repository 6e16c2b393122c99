"""Where memory is limited, loading starts no threads: one that dies for want of it would be waited for for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toys import toy_home
from workbench.core.assets import ROOT
from workbench.core.memory_limits import NO_LOADING_THREADS, is_memory_limited

resource = pytest.importorskip("resource")

LOADING = """
import resource, sys, threading
from pathlib import Path
import transformers.core_model_loading as loading
from workbench.core.hardware import Hardware
from workbench.core.memory_limits import is_memory_limited, load_without_threads
from workbench.models.hollow import hollow
from workbench.models.loading import load_base

def pools():
    load_without_threads()
    before = len(used)
    hollow(Path(sys.argv[1]))
    load_base(Path(sys.argv[1]), Hardware(device="cpu", cores=1, ram=1))
    return len(used) - before

used = []
pool = loading.ThreadPoolExecutor
loading.ThreadPoolExecutor = lambda *a, **k: used.append(1) or pool(*a, **k)
print("free", pools())
hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, hard))
print("limited", pools())
"""


def test_weights_are_loaded_by_the_thread_that_asks_where_memory_is_limited(tmp_path: Path) -> None:
    if is_memory_limited():
        pytest.skip("these tests themselves run under a limit")
    home = toy_home(tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != NO_LOADING_THREADS}
    command = [sys.executable, "-c", LOADING, str(home.models / "toy")]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )  # fmt: skip
    assert ended.stdout.split("\n") == ["free 2", "limited 0", ""], ended.stderr[-2000:]
