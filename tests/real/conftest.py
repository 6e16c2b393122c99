"""The real starter model, unpacked once for all tests here; its download is kept between runs."""

import os
from pathlib import Path

import pytest

from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.models import starter


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker("real")


@pytest.fixture(scope="session")
def starter_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the starter model on its shelf."""
    os.environ.setdefault("WORKBENCH_CACHE", str(Path.home() / ".cache" / "llm-workbench"))
    home = Home.at(tmp_path_factory.mktemp("starter"))
    starter.unpack(home, starter.fetch(home, Task()), Task())
    return home
