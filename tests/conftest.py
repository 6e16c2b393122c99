"""Every test has its own WORKBENCH_HOME; nothing reaches a hub."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("WORKBENCH_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def unbounded_memory() -> Iterator[None]:
    """A job that bounds the memory of its process, carried out within a test, bounds that of no test after it."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Toys are too small to gain from threads, and threads of several processes hinder one another."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def exact(one_thread: None) -> Iterator[None]:
    """Every model of the module's tests is computed on one thread of the processor, in float32."""
    from tests.toys import EXACT
    from workbench.core import hardware

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "detect_hardware", lambda: EXACT)
        yield
