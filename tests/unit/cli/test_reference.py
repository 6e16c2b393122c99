"""The document of all settings, and the JSON Schemas, are made from the specs."""

import json
import subprocess
import sys

import pytest

from workbench.__main__ import main
from workbench.cli.reference import reference_text
from workbench.cli.shared import families
from workbench.core.assets import ROOT
from workbench.training.jobs.train import Train


def test_the_document_of_settings_is_what_the_specs_say() -> None:
    command = [sys.executable, "-m", "workbench", "reference"]  # where no test has registered a method of its own
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8").stdout
    assert (ROOT / "docs" / "methods.md").read_text("utf-8").strip() == printed.strip(), (
        "run `python -m workbench reference > docs/methods.md`"
    )


def test_every_method_has_its_heading() -> None:
    text = reference_text()
    for registry in families().values():
        for method in registry:
            assert f"### {method.title} (`{method.method}`)\n" in text


def test_the_schema_of_a_method_is_printed_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "train"]) == 0
    assert json.loads(capsys.readouterr().out) == Train.model_json_schema()
    assert main(["schema", "trian"]) != 0
    assert "train" in capsys.readouterr().err
