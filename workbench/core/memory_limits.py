"""Where the operator limits the memory of this process (`ulimit -d`, `ulimit -v`), threads are started with care.

A thread that finds no memory in its first lines dies before it says that it started, and `threading.Thread.start` waits
for that word for ever: https://github.com/python/cpython/issues/140746. transformers loads weights
in four threads, unless it is told not to.
"""

import os

LIMITS = ("RLIMIT_DATA", "RLIMIT_AS")
NO_LOADING_THREADS = "HF_DEACTIVATE_ASYNC_LOAD"


def is_memory_limited() -> bool:
    """Whether this process may take only so much memory; control groups do not count, they refuse nothing."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    kinds = [getattr(resource, name) for name in LIMITS if hasattr(resource, name)]
    return any(resource.getrlimit(kind)[0] != resource.RLIM_INFINITY for kind in kinds)


def load_without_threads() -> None:
    """Has transformers load weights in the thread that asks for them where memory is limited, unless told otherwise."""
    if is_memory_limited():
        os.environ.setdefault(NO_LOADING_THREADS, "1")
