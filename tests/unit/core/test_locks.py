"""The lock files hold what requirements.txt asks for, every file with its hash, and no address."""

import json
import re

import pytest
from packaging.requirements import Requirement

from locks import locking
from locks.locking import PLATFORMS, Platform, audit, entries, left_out, pins, verdict
from workbench.core.assets import ROOT

REQUIRED = [
    Requirement(text)
    for line in locking.REQUIREMENTS.read_text("utf-8").splitlines()
    if (text := line.split("#")[0].strip())
]
every_platform = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)


def same(name: str) -> str:
    """Names that differ only in case and dashes are one package."""
    return re.sub(r"[-_.]+", "-", name).lower()


@every_platform
def test_a_lock_has_every_requirement_in_the_version_asked_for(platform: Platform) -> None:
    locked = {same(name): version for name, version in pins(platform.path).items()}
    missing = [str(one) for one in REQUIRED if not left_out(one.name) and locked.get(same(one.name)) is None]
    other = [
        str(one) for one in REQUIRED if (found := locked.get(same(one.name))) and not one.specifier.contains(found)
    ]
    assert (missing, other) == ([], []), "run `make lock`"


@every_platform
def test_a_lock_pins_every_package_with_hashes_and_names_no_address(platform: Platform) -> None:
    text = platform.path.read_text("utf-8")
    for name, lines in entries(text).items():
        assert re.match(rf"{re.escape(name)}==\S+ \\\n", lines) and "--hash=sha256:" in lines, name
    words = text.replace("--hash=sha256:", "")
    assert "://" not in words and not re.search(r"--(index|extra|find|trusted)", words)


@every_platform
def test_a_lock_leaves_torch_and_its_builds_parts_out(platform: Platform) -> None:
    assert [name for name in pins(platform.path) if left_out(name)] == []
    assert left_out("torch") and left_out("nvidia-cublas") and not left_out("torchao")


def test_what_is_locked_is_audited_and_torch_too() -> None:
    found = locking.audited()
    assert {"gradio", "torch"} <= {name for name, _ in found}


def test_an_audit_that_finds_something_says_what_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    vulnerable = {"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}
    fine = {"name": "b", "version": "1", "vulns": []}
    assert verdict(json.dumps({"dependencies": [vulnerable, fine]}), "") == 1
    assert "a 1: X-1, mended in 2" in (said := capsys.readouterr().out) and "2 packages looked at, 1 with" in said
    assert verdict(json.dumps({"dependencies": [fine]}), "") == 0


@pytest.mark.parametrize(
    ("report", "errors"),
    [
        ("", "Traceback\nConnectionError: offline\n"),
        ("{}", ""),
        (json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]}), ""),
    ],
    ids=["no answer", "an empty answer", "nothing could be looked up"],
)
def test_an_audit_that_could_not_ask_says_so(report: str, errors: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(report, errors) == 0
    assert capsys.readouterr().out.startswith("audit: not run: ")


def test_an_audit_without_its_tool_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(locking, "find_spec", lambda _: None)
    assert audit() == 0 and "not run: pip-audit is not installed" in capsys.readouterr().out


def test_the_makefile_installs_from_a_lock_there_is() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = re.search(r"LOCK := locks/(.*)\.txt", makefile)
    assert named and {platform.name for platform in PLATFORMS} == set(re.findall(r"windows|macos|linux", named[1]))
