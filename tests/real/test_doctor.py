"""The whole check of this machine as the command line runs it: every check ends well, and its numbers make sense."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from workbench.core.assets import ROOT

pytestmark = [pytest.mark.timeout(1500), pytest.mark.prove]
SECRET = "hf_thisIsASecretTokenOfTheTest"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The findings by their checks, and the report."""
    folder = tmp_path_factory.mktemp("doctor")
    command = [sys.executable, "-m", "workbench", "--json", "doctor", "--report", str(folder / "report.md")]
    settings = {"WORKBENCH_HOME": str(folder / "secret-home"), "WORKBENCH_PORT": "47861", "HF_TOKEN": SECRET}
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False, timeout=1400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    report = (folder / "report.md").read_text("utf-8")
    print(report)
    assert str(folder) not in report + done.stdout
    return findings, report


def facts_of(run: tuple[dict[str, Any], str], check: str) -> dict[str, Any]:
    return {fact["name"]: fact["value"] for fact in run[0][check]["facts"]}


def test_every_check_ends_and_none_is_a_problem(run: tuple[dict[str, Any], str]) -> None:
    statuses = {check: finding["status"] for check, finding in run[0].items()}
    assert len(statuses) == 11 and "problem" not in statuses.values(), statuses
    for check in ("system", "device", "file-system", "port", "lora-training", "qlora-training", "gguf-answers"):
        assert statuses[check] in ("ok", "note"), (check, statuses[check])


def test_what_was_measured_is_plausible(run: tuple[dict[str, Any], str]) -> None:
    system, device, disk = (facts_of(run, check) for check in ("system", "device", "file-system"))
    assert system["cores"] >= 1 and system["memory"] > 1e9 and system["packages required"] > 20
    assert device["relative error of a float32 product"] < 1e-3 and device["speed of a float32 product"] > 0
    assert 0 < disk["median flushed write"] <= disk["slowest flushed write"]
    assert disk["file lock between processes"] is disk["SQLite lock between processes"] is True
    for check in ("lora-training", "qlora-training"):
        training = facts_of(run, check)
        assert 0 < training["loss at step 12"] < training["loss at the first step"] < 10
        assert training["answer of the adapter"] > 0
    answers = facts_of(run, "gguf-answers")
    assert answers["same tokens"] == answers["tokens answered"] > 20
    if run[0]["bitsandbytes"]["status"] == "ok":
        assert 0.08 < facts_of(run, "bitsandbytes")["relative error of 4-bit (nf4) there and back"] < 0.11


def test_the_report_holds_every_check_and_no_secret(run: tuple[dict[str, Any], str]) -> None:
    findings, report = run
    assert all(f"| {finding['title']} | {finding['status']} |" in report for finding in findings.values())
    assert facts_of(run, "hub-access")["token set"] is True
    assert SECRET not in report and "secret-home" not in report
