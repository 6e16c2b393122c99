"""Backups kept in the home: made by a job, listed, fetched by owners alone, deleted."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.testclient import TestClient

from tabs.overview.backup_panel import BackupPanel
from tabs.serving.config import Serving
from tabs.serving.page import Page
from tabs.serving.site import Site
from tabs.shell.context import Context
from tests.serving import LOCAL
from tests.toys import toy_home
from workbench.__main__ import main
from workbench.backup import kept_backups
from workbench.backup.jobs.backup import BackUp
from workbench.backup.kept_backups import ABANDONED_SECONDS, backup_folder, delete_backup, list_backups, plan_backup
from workbench.chat.service import ChatService
from workbench.core.change_log import acting_as
from workbench.core.errors import Problems, SpecError, UserError
from workbench.core.home import Home
from workbench.core.units import human_size
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.jobs.worker import execute_job
from workbench.people.accounts import switch_accounts_on
from workbench.people.invitations import accept_invitation, invite, invite_first_owner
from workbench.people.record import all_changes
from workbench.people.roles import Role

PASSWORD = "correct horse battery"
NAME = "llm-workbench-20261130-101500.tar.gz"


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


def keep(home: Home, name: str = NAME, data: bytes = b"an archive") -> Path:
    backup_folder(home).mkdir(exist_ok=True)
    path = backup_folder(home) / name
    path.write_bytes(data)
    return path


def test_the_job_keeps_a_backup_that_restores_and_holds_no_other(own_home: Path, tmp_path: Path) -> None:
    home = toy_home(own_home)
    keep(home, data=os.urandom(5_000_000))
    with acting_as("Olga"):
        job_id = Queue(home).submit(BackUp())
    assert execute_job(home, home.jobs / job_id) == "done"
    newest, older = list_backups(home)
    assert older.name == NAME and older.created == "2026-11-30T10:15:00+00:00"
    assert newest.size < plan_backup(home).size < 5_000_000, "no backup is in a backup"
    path = backup_folder(home) / newest.name
    assert (path.stat().st_mode & 0o077, backup_folder(home).stat().st_mode & 0o077) == (0, 0o055)
    assert main(["--home", str(tmp_path / "new"), "restore", str(path)]) == 0
    assert (tmp_path / "new" / "datasets" / "talks").is_dir() and list_backups(Home.at(tmp_path / "new")) == []


def test_what_a_backup_takes_is_said_before_and_one_that_may_not_fit_is_refused(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = toy_home(own_home)
    monkeypatch.setattr("workbench.backup.backup_writer.SMALL_MODEL_BYTES", 1)
    small, whole = plan_backup(home), plan_backup(home, with_models=True)
    assert (small.left_out, whole.left_out) == (("toy",), ()) and small.size < whole.size and whole.fits
    usage = shutil.disk_usage(home.root)._replace(free=whole.size - 1)
    monkeypatch.setattr(kept_backups.shutil, "disk_usage", lambda _: usage)
    assert plan_backup(home).fits and not plan_backup(home, with_models=True).fits
    with pytest.raises(SpecError, match=f"may need {human_size(whole.size)}"):
        Queue(home).submit(BackUp(with_models=True))
    problems = Problems()
    BackUp().check(home, problems)
    assert problems.found == []


def test_only_whole_archives_count_and_what_a_killed_writer_left_goes_a_day_later(home: Home) -> None:
    keep(home), keep(home, ".llm-workbench-20261130-101500.tar.gz.partial-aaaaaa"), keep(home, "old.yaml")
    stale = keep(home, ".llm-workbench-20261129-101500.tar.gz.partial-bbbbbb")
    os.utime(stale, (time.time(), time.time() - ABANDONED_SECONDS - 1))
    (backup_folder(home) / NAME.replace("10", "11")).symlink_to(home.root / "version.yaml")
    assert [backup.name for backup in list_backups(home)] == [NAME]
    kept_backups.remove_unfinished(home)
    assert not stale.exists() and len(list(backup_folder(home).iterdir())) == 4


@pytest.mark.parametrize("name", ["../server.key", "old.yaml", "", NAME + "x", f"../backups/{NAME}"])
def test_no_other_file_can_be_deleted_or_fetched(name: str, home: Home) -> None:
    keep(home), keep(home, "old.yaml")
    with pytest.raises(UserError, match="There is no backup"):
        delete_backup(home, name)
    assert len(list(backup_folder(home).iterdir())) == 2


def test_deleting_is_recorded_and_the_command_line_lists_what_is_there(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(home)
    assert main(["list", "backups"]) == 0 and NAME in capsys.readouterr().out
    assert main(["list", "backups", "--tag", "x"]) == 1 and "Backups have no tags" in capsys.readouterr().err
    with acting_as("Olga"):
        assert delete_backup(home, NAME) == len(b"an archive")
    newest = all_changes(home)[0]
    assert (newest.person, newest.kind, newest.object_kind, newest.object_name) == ("Olga", "deleted", "backup", NAME)


def page_of(ctx: Context) -> gr.Blocks:
    with Page() as demo:
        gr.Textbox()
        ctx.wire(demo)
    return demo


def test_owners_fetch_a_backup_which_is_recorded_and_nobody_else_does(home: Home) -> None:
    keep(home)
    links = {"Olga": invite_first_owner(home)}
    accept_invitation(home, links["Olga"], "Olga", PASSWORD)
    accept_invitation(home, invite(home, "annotator", "Olga"), "Anna", PASSWORD)
    switch_accounts_on(home)
    site = Site(dict.fromkeys(Role, page_of), Serving(accounts=True), home, home.root / "uploads")

    def fetch(who: str = "", name: str = NAME, **headers: str) -> Any:
        client = TestClient(site, LOCAL, follow_redirects=False)
        if who:
            client.post("/login", data={"name": who, "password": PASSWORD}, headers={"origin": LOCAL})
        return client.get(f"/backups/{name}", headers=headers)

    assert (fetch().status_code, fetch("Anna").status_code) == (401, 403)
    assert [fetch("Olga", name).status_code for name in ("..%2Fserver.key", "old.yaml", "x")] == [404] * 3
    assert fetch("Olga", **{"sec-fetch-site": "cross-site"}).status_code == 403
    before = len(all_changes(home))
    reply = fetch("Olga")
    assert (reply.status_code, reply.content) == (200, b"an archive")
    assert f'attachment; filename="{NAME}"' in reply.headers["content-disposition"]
    assert fetch("Olga", range="bytes=3-").content == b"archive"
    new = [change for change in all_changes(home)[: len(all_changes(home)) - before] if change.kind != "logged in"]
    assert [(change.person, change.kind, change.object_name) for change in new] == [("Olga", "downloaded", NAME)]


def test_the_panel_says_the_size_makes_one_at_a_time_and_deletes(home: Home) -> None:
    keep(home)
    queue = Queue(home)
    panel = BackupPanel(Context(home, queue, Runner(home, queue), ChatService(home)))
    words, button = panel.plan(False)
    assert "at most" in words and "key that signs logins" in words and button["visible"]
    assert panel.progress() == ""
    panel.start(False)
    assert "Waits for its turn" in panel.progress()
    with pytest.raises(UserError, match="is being made already"):
        panel.start(False)
    panel.stop()
    assert "Nothing of it was kept" in panel.progress()
    key, question, words, button = panel.choose({"key": NAME})
    assert key == NAME and "for good" in question and f'href="backups/{NAME}"' in words and button["visible"]
    assert panel.choose({"key": "../server.key"}) == panel.nothing()
    with pytest.raises(UserError, match="Choose a row"):
        panel.delete(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gr, "Info", lambda _: None)
        panel.delete(NAME)
    assert panel.backups() == []
