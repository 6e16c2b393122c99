"""The lock files beside this one: every package of requirements.txt and of what it needs, with the hashes of its files.

`python -m locks.locking lock` writes them anew with uv; `audit` asks whether any of them is known to be vulnerable.
Torch is left out, and with it what only its Linux build needs: which build of it is right depends on the machine, and
mirrors carry builds of their own. The files name no index: pip takes the packages from where it is configured to.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).parent
REQUIREMENTS = HERE.parent / "requirements.txt"
PYTHON = "3.11"
LEFT_OUT = ("torch", "triton", "nvidia-", "cuda-")
"""What a name begins with, or is, that belongs to a build of torch."""
HEADER = "# Made from requirements.txt by `make lock`, for {title}; torch and what its builds need are left out.\n"


@dataclass(frozen=True)
class Platform:
    """One lock file, and what uv calls its platform; `macos` is the oldest macOS torch has builds for."""

    name: str
    title: str
    triple: str
    macos: str = ""

    @property
    def path(self) -> Path:
        return HERE / f"{self.name}.txt"


PLATFORMS = (
    Platform("linux", "Linux on x86-64", "x86_64-manylinux_2_28"),
    Platform("macos", "macOS 14 on Apple silicon", "aarch64-apple-darwin", "14.0"),
    Platform("windows", "Windows on x86-64", "x86_64-pc-windows-msvc"),
)


def left_out(name: str) -> bool:
    """Whether a package belongs to a build of torch."""
    return any(name == one or (one.endswith("-") and name.startswith(one)) for one in LEFT_OUT)


def entries(text: str) -> dict[str, str]:
    """{name: its lines} of a lock file, in its order."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.startswith((" ", "#")):
            name = Requirement(line.split("\\")[0].strip()).name
        if name and not line.startswith("#"):
            found[name] = found.get(name, "") + line
    return found


def pins(path: Path) -> dict[str, str]:
    """{name: version} of a lock file."""
    versions = {}
    for name, lines in entries(path.read_text("utf-8")).items():
        (version,) = Requirement(lines.split("\\")[0].split(";")[0].strip()).specifier
        versions[name] = version.version
    return versions


def lock() -> None:
    """Writes the lock file of every platform. Raises `subprocess.CalledProcessError` when one cannot be resolved."""
    for platform in PLATFORMS:
        text = resolved(platform)
        kept = "".join(lines for name, lines in entries(text).items() if not left_out(name))
        platform.path.write_text(HEADER.format(title=platform.title) + kept, "utf-8")
        print(f"{platform.path.name}: {len(pins(platform.path))} packages")


def resolved(platform: Platform) -> str:
    """What uv makes of requirements.txt for that platform, with hashes and without the address of any index."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", str(REQUIREMENTS), "--quiet",
        "--generate-hashes", "--python-platform", platform.triple, "--python-version", PYTHON,
        "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
    ]  # fmt: skip
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": platform.macos} if platform.macos else dict(os.environ)
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def audit() -> int:
    """Asks pip-audit about every locked package and torch; 1 when one is known to be vulnerable.

    Without the tool, or without the service it asks, it says so and returns 0: nothing was found, nor looked for.
    """
    if find_spec("pip_audit") is None:
        print("audit: not run: pip-audit is not installed (make setup installs it).")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "packages.txt"
        listed.write_text("".join(f"{name}=={version}\n" for name, version in sorted(audited())), "utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"]
        done = subprocess.run(
            [*command, "--format", "json", "--progress-spinner", "off"], capture_output=True, text=True, check=False
        )
    return verdict(done.stdout, done.stderr)


def audited() -> set[tuple[str, str]]:
    """(name, version) of all that is locked for any platform, and of torch, whose pin requirements.txt has."""
    wanted = (line.split("#")[0].strip() for line in REQUIREMENTS.read_text("utf-8").splitlines())
    own = [Requirement(line) for line in wanted if line]
    torch = {(one.name, version.version) for one in own if left_out(one.name) for version in one.specifier}
    return torch | {pin for platform in PLATFORMS for pin in pins(platform.path).items()}


def verdict(report: str, errors: str) -> int:
    """Prints what pip-audit found; 1 when a package is vulnerable, 0 when none is or it could not ask."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = next((line for line in reversed(errors.splitlines()) if line.strip()), "it gave no answer")
        print(f"audit: not run: {reason.strip()[:300]}")
        return 0
    skipped = [one for one in packages if "skip_reason" in one]
    if len(skipped) == len(packages):
        print(f"audit: not run: none of {len(packages)} packages could be looked up. {_first(skipped)}")
        return 0
    bad = [one for one in packages if one.get("vulns")]
    for one in bad:
        for found in one["vulns"]:
            fixed = ", ".join(found.get("fix_versions") or []) or "no version yet"
            print(f"audit: {one['name']} {one['version']}: {found['id']}, mended in {fixed}")
    for one in skipped:
        print(f"audit: {one['name']} was not looked at: {one['skip_reason']}")
    print(f"audit: {len(packages) - len(skipped)} packages looked at, {len(bad)} with known vulnerabilities.")
    return 1 if bad else 0


def _first(skipped: list[dict[str, str]]) -> str:
    return f"The first: {skipped[0]['skip_reason'][:200]}" if skipped else ""


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        lock()
    elif sys.argv[1:] == ["audit"]:
        sys.exit(audit())
    else:
        sys.exit("usage: python -m locks.locking lock|audit")
