"""What pip installs is the whole project: the command, every family of methods, the files it brings along, the page."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.waiting import end_processes_of, until
from workbench import __version__
from workbench.core.assets import ASSETS, ROOT

SOURCES = (
    "workbench",
    "tabs",
    "assets",
    "app.py",
    "setup.py",
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "LICENSE",
)


class Installed:
    """The project installed into a folder of its own, over the packages of this environment."""

    def __init__(self, target: Path, folder: Path):
        self.target, self.folder = target, folder
        folder.mkdir()
        self.environment = {**os.environ, "PYTHONPATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Starts `llm-workbench` in an empty folder."""
        return subprocess.Popen(
            [self.target / "bin" / "llm-workbench", *arguments], cwd=self.folder,
            env={**self.environment, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def output(self, *arguments: str) -> str:
        """What a command prints on standard output; fails with its errors."""
        process = self.command(*arguments, WORKBENCH_HOME=os.environ["WORKBENCH_HOME"])
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return out


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what a clone holds, since a build writes beside its sources, without asking any index."""
    clone, target = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, clone / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(target), str(clone))
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return Installed(target, target / "elsewhere")


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_wheel_asks_for_the_packages_of_requirements_txt(installed: Installed) -> None:
    (metadata,) = installed.target.glob("llm_workbench-*.dist-info/METADATA")
    text = metadata.read_text("utf-8")
    wanted = map(Requirement, re.findall(r"^Requires-Dist: (.+)$", text, re.MULTILINE))
    asked = {str(one) for one in wanted if "extra" not in str(one.marker)}
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()]
    assert asked == {str(Requirement(line)) for line in lines if line}
    assert f"\nVersion: {__version__}\n" in text
    assert not set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]) & {"version", "dependencies"}


def test_every_module_and_asset_is_installed(installed: Installed) -> None:
    for folder in ("workbench", "tabs"):
        sources = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        missing = {
            path for path in sources if "__pycache__" not in path.parts and not (installed.target / path).exists()
        }
        assert not missing
    files = {path.relative_to(ASSETS) for path in ASSETS.rglob("*") if path.is_file()}
    packed = installed.target / "workbench" / "assets"
    assert {path for path in files if not (packed / path).exists()} == {
        path for path in files if path.parts[0] == "screenshots"
    }
    assert not (installed.target / "tests").exists() and not (installed.target / "assets").exists()


def test_the_installed_command_has_every_command_and_method(installed: Installed) -> None:
    assert "serve" in installed.output("--help")
    methods = subprocess.run(
        [sys.executable, "-m", "workbench", "list", "methods", "--json"], cwd=ROOT, capture_output=True, check=True
    )
    assert json.loads(installed.output("list", "methods", "--json")) == json.loads(methods.stdout)


def test_the_installed_command_reads_its_samples_and_templates(installed: Installed, own_home: Path) -> None:
    assert json.loads(installed.output("import-dataset", "sample", "--json"))["names"]
    assert "<|im_start|>" in installed.output("data", "show", "field-guide", "--row", "1", "--template", "chatml")
    assert "\n# field-guide\n" in installed.output("data", "card", "field-guide")
    assert installed.output("merge-methods", "ties")


@pytest.fixture
def page(installed: Installed, own_home: Path) -> Iterator[str]:
    """The address of the page served by the installed command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    process = installed.command("serve", WORKBENCH_HOME=str(own_home), WORKBENCH_PORT=port)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, process.communicate()[1]
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            return False
        return True

    try:
        until(answers, 90, "the page")
        yield address
    finally:
        process.kill()
        process.communicate()
        end_processes_of(own_home)


def test_the_installed_page_is_served_with_its_scripts(page: str, installed: Installed) -> None:
    with urllib.request.urlopen(page, timeout=30) as answer:
        text = answer.read().decode()
    (main,) = set(re.findall(r"scripts/\w+/js/main\.js", text))
    folder = installed.target / "workbench" / "assets"
    left, seen = [main], set()
    while left:  # every module is served, and so is every module it imports
        script = left.pop()
        with urllib.request.urlopen(f"{page}/{script}", timeout=30) as answer:
            served = answer.read()
        name = script.split("/", 2)[2]
        assert served == (folder / name).read_bytes()
        seen.add(name)
        imports = re.findall(rb"(?:from |import\(?)\"(\.[^\"]+)\"", served) if name.startswith("js/") else ()
        found = {os.path.normpath(f"{Path(script).parent}/{other.decode()}") for other in imports}
        left += sorted(found - {f"scripts/{script.split('/')[1]}/{other}" for other in seen} - set(left))
    assert {"js/lib/dom.js", "js/label/vote_pad.js", "vendor/purify.es.mjs"} <= seen
