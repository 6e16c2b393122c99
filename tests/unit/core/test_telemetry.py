"""No library reports its use: not from the page, not from the command line, not from a job or another child."""

import os
import subprocess
import sys

import pytest

from workbench.core.assets import ROOT
from workbench.core.children import child_environment
from workbench.core.telemetry import TELEMETRY_OFF

SWITCHED_ON = dict.fromkeys(TELEMETRY_OFF, "0") | {"GRADIO_ANALYTICS_ENABLED": "True"}
ASKED = (
    "import gradio.analytics, huggingface_hub.constants as hub, os;"
    "print(hub.HF_HUB_DISABLE_TELEMETRY, not gradio.analytics.analytics_enabled(), os.environ['DO_NOT_TRACK'])"
)


@pytest.mark.parametrize("entry", ["app", "workbench.__main__", "workbench.jobs.worker", "workbench.chat.worker"])
def test_libraries_find_their_telemetry_switched_off_though_the_environment_says_otherwise(entry: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {entry}; {ASKED}"],
        cwd=ROOT, env={**os.environ, **SWITCHED_ON}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "True", "1"], done.stderr


@pytest.mark.parametrize("only", [None, (), ("PATH",)])
def test_every_child_gets_the_switches_even_one_that_imports_nothing_of_ours(
    only: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SWITCHED_ON.items():
        monkeypatch.setenv(name, value)
    given = child_environment(only=only)
    assert {name: given.get(name) for name in TELEMETRY_OFF} == TELEMETRY_OFF
