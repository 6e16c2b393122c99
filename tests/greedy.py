"""Work that takes more than it may, to be done by a process of its own."""

import os
import threading


def greedy(what: str) -> int:
    """Takes 8 GB, or for ever, or ends its process; 5 for anything else."""
    if what == "memory":
        return len(bytearray(8 * 1024**3))
    if what == "time":
        threading.Event().wait()
    if what == "death":
        os._exit(7)
    print("what libraries print is no answer")
    return 5
