"""The server's memory between bursts: what a page load or an upload needed for a moment goes back to the system."""

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc; see mallopt(3)
THRESHOLD_BYTES = 128 * 1024
ARENAS = 2


def return_free_memory() -> bool:
    """Sets the C allocator so that freed memory is returned; False where it is another one than glibc's.

    By itself glibc has a heap for each of the first threads, 8 for every core, and raises its thresholds to twice the
    largest block it ever freed: each heap then keeps megabytes that nobody uses. Fixed thresholds keep it from that.
    Only heaps that do not exist yet are held back, so call it before there are threads.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # TypeError: Windows has no library of no name
        mallopt = ctypes.CDLL(None).mallopt
        settings = {M_TRIM_THRESHOLD: THRESHOLD_BYTES, M_MMAP_THRESHOLD: THRESHOLD_BYTES, M_ARENA_MAX: ARENAS}
        taken = [mallopt(name, value) for name, value in settings.items()]
        return all(taken)
    return False
