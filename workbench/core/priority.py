"""How much of the processor a process claims beside others: what works for hours leaves it to what somebody waits for.

Sources: https://man7.org/linux/man-pages/man7/sched.7.html (nice values, and autogroups, within which alone they count
where a session of its own is one) and https://psutil.io (the classes of Windows).
"""

import contextlib
import os
import sys
from pathlib import Path

import psutil

AUTOGROUP = Path("/proc/self/autogroup")


def lower_priority(niceness: int) -> None:
    """Lets this process, and those it starts, wait for others that want a core; 0 changes nothing.

    `niceness` goes on top of what the process has, up to 19. With no one else there is no difference. Where the system
    refuses, the process goes on as it is.
    """
    if niceness <= 0:
        return
    with contextlib.suppress(OSError, psutil.Error):
        if sys.platform == "win32":
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            os.nice(niceness)
    with contextlib.suppress(OSError):  # only Linux has groups, and not in every container
        if AUTOGROUP.exists() and os.getsid(0) == os.getpid():  # else it is the group of whoever started this process
            AUTOGROUP.write_text(str(min(19, niceness)), "ascii")
