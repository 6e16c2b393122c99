"""Every test has its own WORKBENCH_HOME; nothing reaches a hub."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that lives as long as this run; skips where none is installed."""
    from tests.postgres import Cluster, missing

    if reason := missing():
        pytest.skip(reason)
    cluster = Cluster().start()
    yield cluster.url
    cluster.stop()


@pytest.fixture
def postgres_labels(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The labels' database is an empty one of that server; its address."""
    import sqlalchemy as sa

    from workbench.core.home import Home
    from workbench.preferences import store

    engine = sa.create_engine(postgres, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
    name = f"t{uuid.uuid4().hex[:12]}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = postgres.replace("@/postgres?", f"@/{name}?")
    monkeypatch.setenv(store.URL_VARIABLE, url)
    yield url
    monkeypatch.setenv(store.URL_VARIABLE, url)  # a test may have set another
    store.forget(Home.default())
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def labels_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the labels lie: the test runs once with a file in the home, and once with a database of a server."""
    if request.param == "sqlite":
        monkeypatch.delenv("WORKBENCH_LABELS_URL", raising=False)
    else:
        request.getfixturevalue("postgres_labels")
    return str(request.param)


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
    from workbench.core.hardware import detect_hardware

    def detect_exact() -> Any:
        return EXACT

    def put(before: Any, after: Any) -> None:
        """In every module that imported it by name, too; some do so only while the tests run."""
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", {}).get("detect_hardware") is before:
                module.detect_hardware = after

    put(detect_hardware, detect_exact)
    yield
    put(detect_exact, detect_hardware)
