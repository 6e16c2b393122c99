"""Python's garbage collector in a process that makes very much once and keeps it, as a server does its pages.

A full collection goes through everything: with Gradio's pages that is some 370,000 objects and 200 to 600 ms in which
nobody gets an answer, every few minutes while requests come; and nine of them take a tenth of the start.
"""

import gc


def hold_collections() -> None:
    """Collects nothing until `keep_for_good`."""
    gc.disable()


def keep_for_good() -> None:
    """From now on what there is is gone through no more; what is made after it is collected as ever."""
    gc.collect()
    gc.freeze()
    gc.enable()
