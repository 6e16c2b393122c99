"""What is known of a training before it starts, in words: for the page and the command line."""

from typing import Any

from workbench.core.units import human_size

PART_TITLES = {
    "weights": "weights", "gradients": "gradients", "optimizer": "optimizer", "activations": "activations",
    "logits": "logits and loss", "other": "other models", "heap": "allocator overhead", "rest": "the rest",
}  # fmt: skip
DISK_TITLES = {
    "checkpoints": "checkpoints", "best": "best evaluation", "folded": "the start with its adapter folded in",
    "result": "result",
}  # fmt: skip


def memory_sentence(memory: dict[str, Any]) -> str:
    """How much it takes of what is free, and whether it fits."""
    where = "the GPU's memory" if memory["device"] in ("cuda", "xpu") else "memory"
    return (
        f"About {human_size(memory['total'])} of {where}: {human_size(memory['free'])} of "
        f"{human_size(memory['device_total'])} are free, so it {'fits' if memory['fits'] else 'does not fit'}."
    )


def disk_sentence(disk: dict[str, Any]) -> str:
    """How much of what is free the checkpoints and the result take."""
    parts = [f"{DISK_TITLES[name]} {human_size(size)}" for name, size in disk["parts"].items() if size]
    return f"Disk: up to {human_size(disk['needed'])} of {human_size(disk['free'])} free ({', '.join(parts)})."


def row_sentences(rows: dict[str, Any]) -> list[str]:
    """What was found in the rows that were looked at."""
    of = f"{rows['looked_at']:,} rows"
    if rows["looked_at"] < rows["rows"]:
        of += f" looked at, of {rows['rows']:,},"
    length = f"; a maximum length of {rows['longest']:,} would cut none." if rows["cut"] else "."
    return [
        f"Rows: {rows['cut']:,} of {of} are cut off ({rows['share']:.1%}){length}",
        *(f"Left out {count:,}: {reason}" for reason, count in rows["left_out"]),
        *(f"Found in {count:,}: {kind}." for kind, count in rows["warnings"]),
        *rows["findings"],
    ]
