"""The check of the machine in the Overview: one at a time, what it found so far, the report of what is done."""

import json
from pathlib import Path

import pytest

from tabs.overview.machine_panel import MachinePanel
from tabs.shell.context import Context
from tests.running import carry
from workbench.chat.service import ChatService
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.doctor.finding import MachineFinding
from workbench.doctor.jobs.doctor import Doctor
from workbench.doctor.run import FINDINGS_FILE
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner


@pytest.fixture
def panel(own_home: Path) -> MachinePanel:
    home = Home.at(own_home)
    queue = Queue(home)
    return MachinePanel(Context(home, queue, Runner(home, queue), ChatService(home)))


def test_before_the_first_check_there_is_nothing(panel: MachinePanel) -> None:
    assert (panel.view(), panel.html(), panel.report()) == (None, "", "")


def test_a_check_under_way_shows_what_it_found_and_is_not_started_twice(panel: MachinePanel) -> None:
    panel.check()
    view = panel.view()
    assert view and view.job == Doctor()
    odd = MachineFinding(check="x", title="<X>", status="problem", message="It is <broken>.", remedy="Mend it.")
    (view.folder / FINDINGS_FILE).write_text(json.dumps([odd.to_dict()]))
    html = panel.html()
    assert "&lt;X&gt;" in html and "It is &lt;broken&gt;." in html and "is-problem" in html and "Mend it." in html
    assert panel.report() == ""
    with pytest.raises(UserError, match="already"):
        panel.check()


def test_a_check_that_is_done_has_a_report_and_can_be_repeated(panel: MachinePanel) -> None:
    carry(panel.ctx.home, Doctor(checks=["port"]))
    assert "Port of the page" in panel.html() and "1 ok" in panel.html()
    assert "| Port of the page | ok |" in panel.report()
    panel.check()
    assert panel.report() == ""


def test_damaged_findings_are_said(panel: MachinePanel) -> None:
    view = carry(panel.ctx.home, Doctor(checks=["port"]))
    (view.folder / FINDINGS_FILE).write_text("{")
    assert "The findings are damaged." in panel.html()
