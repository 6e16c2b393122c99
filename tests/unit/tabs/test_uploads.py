"""Files sent by browsers go when they are used or after a day, are copied once, and have a quota."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tabs.data.entries import bring
from tabs.data.source import ImportInputs, discard, source_of_inputs
from tabs.serving.uploads import NAMELESS, PATH, UploadQuota
from tests.running import run
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.paths import PathGate
from workbench.core.uploads import (
    discard_uploads,
    gathered_uploads,
    quota_bytes,
    sweep_uploads,
    upload_folder,
    used_bytes,
)
from workbench.data.recipes.brief_preview import MOST_AT_ONCE_BYTES
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

ROW = '{"prompt": "q", "completion": "a"}\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


def sent(home: Home, name: str = "a.jsonl", content: str = ROW, folder: str = "f1") -> Path:
    """A file as Gradio leaves it: in a folder named after its contents."""
    path = upload_folder(home) / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_what_lies_there_for_a_day_goes_while_the_server_runs(home: Home) -> None:
    old, new = sent(home, folder="old"), sent(home, folder="new")
    os.utime(old.parent, (time.time() - 90_000,) * 2)
    Runner(home, warm=False).step()
    assert not old.exists() and new.exists()
    sweep_uploads(home, older_than=-1)
    assert list(upload_folder(home).iterdir()) == []


def test_only_uploads_are_discarded(home: Home, tmp_path: Path) -> None:
    mine, other, upload = tmp_path / "mine.jsonl", sent(home, folder="other"), sent(home)
    mine.write_text(ROW)
    (upload_folder(home) / "link.jsonl").symlink_to(mine)
    discard_uploads(home, [upload, mine, upload_folder(home), upload_folder(home) / "link.jsonl", tmp_path / "none"])
    assert not upload.parent.exists() and mine.exists() and other.exists()


def test_files_put_together_twice_are_copied_once(home: Home) -> None:
    files = [str(sent(home, "dataset_info.json", "{}", "f1")), str(sent(home, "a.jsonl", ROW, "f2"))]
    before = used_bytes(home)
    first = gathered_uploads(home, files)
    assert gathered_uploads(home, files) == first and {path.name for path in first.iterdir()} == {
        "dataset_info.json",
        "a.jsonl",
    }
    assert used_bytes(home) == before and len(list(upload_folder(home).iterdir())) == 3
    Path(files[1]).write_text(ROW * 2)
    assert gathered_uploads(home, files) != first


def test_an_import_deletes_what_was_sent_for_it(home: Home) -> None:
    upload = sent(home)
    given = ImportInputs(way="Files", files=[str(upload)])
    source = source_of_inputs(home, PathGate(uploads=(upload_folder(home),)), given)
    discard(home, given, source)
    assert not upload.exists()
    upload = sent(home)
    settings = {"name": "a", "source": {"method": "files", "paths": [str(upload)]}}
    run(home, JOBS.parse({"method": "import-data", **settings}))
    assert not upload.exists() and (home.datasets / "a" / "source" / "a.jsonl").is_file()


def test_a_long_pasted_text_is_put_into_a_file_once(home: Home) -> None:
    text = ROW * (MOST_AT_ONCE_BYTES // len(ROW) + 1)
    gate = PathGate(uploads=(upload_folder(home),))
    sources = [source_of_inputs(home, gate, ImportInputs(way="Paste", text=text)) for _ in range(2)]
    assert sources[0] == sources[1] and sources[0].method == "files"
    assert len(Path(sources[0].to_dict()["paths"][0]).read_text()) == len(text)
    assert len(list(upload_folder(home).iterdir())) == 1


def client(home: Home) -> TestClient:
    async def receive(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    return TestClient(UploadQuota(Starlette(routes=[Route(PATH, receive, methods=["POST"])]), home))


def test_an_upload_without_room_is_refused_with_what_helps(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_UPLOAD_GB", "0.000001")
    asking = client(home)
    assert asking.post(PATH, content=b"x" * 900).text == "900"
    sent(home, content="y" * 500)
    answer = asking.post(PATH, content=b"x" * 900)
    assert answer.status_code == 413 and "1e-06 GB" in answer.text and "WORKBENCH_UPLOAD_GB" in answer.text
    discard_uploads(home, [upload_folder(home) / "f1"])
    assert asking.post(PATH, content=b"x" * 900).status_code == 200


def test_an_upload_that_announces_no_length_is_cut_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_UPLOAD_GB", "0.000001")
    pieces = (b"x" * 500 for _ in range(5))
    with pytest.raises(Exception, match=r"^$"):  # starlette's ClientDisconnect, as of a browser that has gone
        client(home).post(PATH, content=pieces)


@pytest.mark.parametrize("given", ["none", "0", "-1", "nan", "1e9"])
def test_a_quota_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_UPLOAD_GB", given)
    with pytest.raises(UserError, match=r"WORKBENCH_UPLOAD_GB: .* Give a number of GB"):
        quota_bytes()


def test_a_worker_that_died_leaves_nothing_half_made(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the server runs, and never what a living process is at."""
    dead, mine = home.models / ".partial-a-4194305.00aabbccddee-00aa", home.datasets / f".partial-b-{os.getpid()}-00aa"
    runner = Runner(home, Queue(home), warm=False)
    runner.step()
    for folder in (dead, mine):
        folder.mkdir()
    runner.step()
    assert dead.is_dir()  # not at every look
    monkeypatch.setattr(runner, "_next_sweep", 0.0)
    runner.step()
    assert not dead.exists() and mine.is_dir()


def test_entries_imported_in_the_background_each_keep_their_own_copy_of_what_was_sent(home: Home) -> None:
    frame = pa.table({"prompt": ["q"], "completion": ["a"]})
    listed = {name: {"file_name": "rows.parquet", "columns": {"prompt": "prompt", "response": "completion"}}
              for name in ("one", "two")} | {"gone": {"file_name": "gone.json"}}  # fmt: skip
    rows = sent(home, "rows.parquet", "", "f1")
    pq.write_table(frame, rows)
    files = [str(sent(home, "dataset_info.json", json.dumps(listed), "f2")), str(rows)]
    gate = PathGate(uploads=(upload_folder(home),))
    ctx: Any = SimpleNamespace(home=home, gate=gate, queue=Queue(home))
    brought = bring(ctx, ImportInputs(files=files, entries=[*listed]), {"eval_fraction": 0.0, "seed": 0})
    assert [*brought.failed] == ["gone"] and rows.exists()  # to be tried again
    jobs = [ctx.queue.get(job).job for job in brought.jobs]
    (first,), (second,) = (job.source.paths for job in jobs)
    assert [job.name for job in jobs] == ["one", "two"]
    discard_uploads(home, [first])
    assert not Path(first).exists() and Path(second).read_bytes() == rows.read_bytes()
    again = bring(ctx, ImportInputs(files=files, entries=["one"]), {"eval_fraction": 0.0, "seed": 0})
    assert "one" in again.failed  # a job under way already makes it


@pytest.mark.parametrize(
    ("disposition", "status"),
    [
        ('form-data; name="files"; filename="a.jsonl"', 200),
        ('form-data; name="files"; filename=""', 200),
        ('form-data; name="files"', 400),
        ("form-data; name=\"files\"; filename*=UTF-8''a.jsonl", 400),
        ('form-data; name="files"; filename=".."', 400),
        ('form-data; filename="a.jsonl"', 400),
    ],
)
def test_an_upload_without_a_file_name_is_told(
    disposition: str, status: int, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gradio
    from fastapi import FastAPI

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gradio.Blocks() as page:
        gradio.File()
    app = gradio.mount_gradio_app(FastAPI(), page, path="/")
    asking = TestClient(UploadQuota(app, home), raise_server_exceptions=False)
    body = f"--B\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--B--\r\n"
    answer = asking.post(PATH, content=body, headers={"content-type": "multipart/form-data; boundary=B"})
    assert answer.status_code == status, answer.text
    assert status == 200 or "name" in answer.text
    assert disposition != 'form-data; name="files"' or answer.text == NAMELESS


def test_another_failure_of_the_upload_route_stays_one(home: Home) -> None:
    async def broken(_: Request) -> PlainTextResponse:
        raise TypeError("something else")

    app = UploadQuota(Starlette(routes=[Route(PATH, broken, methods=["POST"])]), home)
    assert TestClient(app, raise_server_exceptions=False).post(PATH, content=b"x").status_code == 500
    with pytest.raises(TypeError, match="something else"):
        TestClient(app).post(PATH, content=b"x")
