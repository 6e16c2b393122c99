"""A PostgreSQL of the tests' own: in a temporary folder, on a Unix socket alone, as another user than root.

`python -m tests.postgres` installs Debian's package where that is possible and no server is there.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

USER = "labels"
INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian puts the server, beside the path: a folder a version."""
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "listen_addresses": "''"}
"""What the tests ask of it is isolation, not durability: that is PostgreSQL's own to test."""


def server_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, the newest; None where no PostgreSQL server is installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = [path for path in INSTALLED.glob("*/bin") if (path / "initdb").exists()]
    return max(versions, key=lambda path: float(path.parent.name), default=None)


def missing() -> str:
    """Why there can be no cluster here, '' where there can be one."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        return f"the driver is not installed: {error}"
    return "" if server_programs() else "no PostgreSQL server is installed (Debian's package is `postgresql`)"


class Cluster:
    """One server; `url` is the address of its database. Stopped and deleted by `stop`."""

    def __init__(self) -> None:
        programs = server_programs()
        assert programs is not None
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="wb-pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # which postgres refuses to run as
            account = _other_user()
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.url = f"postgresql+psycopg://{USER}@/postgres?host={self.folder}"

    def start(self) -> "Cluster":
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", data, "-w", "-t", "60", "-l", log, "-o", f"{options} -k {self.folder}", "start")
        return self

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        with tempfile.TemporaryFile() as errors:  # a pipe would be held open by the server it starts
            done = subprocess.run(
                command,
                cwd=self.folder,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                **self._as,
            )
            errors.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program} failed: {errors.read()[-2000:].decode('utf-8', 'replace')}")


def _other_user() -> pwd.struct_passwd:
    """The account Debian's package makes, else nobody's."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is no account 'postgres' or 'nobody' that PostgreSQL could run as")


def install() -> None:
    """Debian's package, where this is Debian and we are root; elsewhere the tests that need a server are skipped."""
    if server_programs() is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if reason := missing():
        print(f"Tests on PostgreSQL will be skipped: {reason}")


if __name__ == "__main__":
    install()
