"""Who uses this machine, by the name the operating system has for them."""

import contextlib
import getpass
import os


def os_user() -> str:
    """The name of the user this process runs as; 'user 1234' where its number has none, as in many containers.

    Taken from the process and not from USER or LOGNAME, which anybody sets as they like, except on Windows, which has
    no such numbers.
    """
    if not hasattr(os, "getuid"):
        with contextlib.suppress(OSError, KeyError, ImportError):
            return getpass.getuser()
        return "unknown user"
    import pwd

    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def os_user_with_sudo() -> str:
    """As `os_user`, and who became that user by sudo, as sudo tells it: 'anna as workbench'."""
    user, asked_by = os_user(), os.environ.get("SUDO_USER", "")
    return f"{asked_by} as {user}" if asked_by.isprintable() and asked_by not in ("", user) else user
