"""What stands above the answers when others use the device: who, how much of it, and what can be done about it."""

from typing import Any

from tabs.shell.context import Context
from workbench.core.device_ledger import DeviceLedger, Holder
from workbench.core.errors import UserError
from workbench.core.hardware import cached_hardware
from workbench.core.units import human_size

PAUSE, RESUME, ON_CPU, ON_DEVICE = "pause", "resume", "cpu", "device"


def device_notice(ctx: Context, chat: str) -> dict[str, Any]:
    """{"text", "can": [[how, label, job]]} for a conversation; an empty text where there is nothing to say."""
    device = cached_hardware(ctx.home).device
    on_cpu = ctx.chats.chat(chat).device == "cpu"
    texts, can = [], []
    for holder in DeviceLedger(ctx.home).holders():
        if holder.kind == "job":
            texts.append(_of_job(holder, device, on_cpu))
            if _is_pausable(ctx, holder.job):
                can.append([PAUSE, f"Pause {holder.label}", holder.job])
    if paused := _paused(ctx):
        job, label = paused
        texts.append(f"{label} is paused.")
        can.append([RESUME, f"Resume {label}", job])
    if device != "cpu" and on_cpu:
        texts.append("Answers are made on the CPU.")
        can.append([ON_DEVICE, "Answer on the GPU", ""])
    elif device != "cpu" and texts:
        can.append([ON_CPU, "Answer on the CPU", ""])
    return {"text": " ".join(texts), "can": can}


def act_on_device(ctx: Context, query: dict[str, Any]) -> dict[str, str]:
    """Does {"how"} with {"job"}, or for {"chat"}; {"text"} says what happens next."""
    how, job, chat = (str(query.get(name) or "") for name in ("how", "job", "chat"))
    if how == PAUSE:
        return {"text": ctx.queue.stop(job, "pause")}
    if how == RESUME:
        ctx.queue.resume(job)
        return {"text": "Resumed: it goes on when its turn comes."}
    if how not in (ON_CPU, ON_DEVICE):
        raise UserError(f"There is nothing called {how!r} to do here.", "Reload the page.", "how")
    ctx.chats.answer_on(chat, "cpu" if how == ON_CPU else "")
    return {"text": ""}


def _of_job(holder: Holder, device: str, on_cpu: bool) -> str:
    where = "RAM" if device == "cpu" else "the GPU"
    held = f"{holder.label} is running" + (
        f" and holds {human_size(holder.memory)} of {where}" if holder.memory else ""
    )
    if device != "cpu" and on_cpu:
        return f"{held}."
    return f"{held}: answers and that work slow each other down."


def _is_pausable(ctx: Context, job: str) -> bool:
    try:
        view = ctx.queue.get(job)
    except UserError:
        return False
    return bool(view.job and view.job.pausable and view.status == "running")


def _paused(ctx: Context) -> tuple[str, str] | None:
    """(id, label) of the job paused last, if it still is."""
    rows = ctx.shelves.jobs()[1]
    return next(((row.id, row.label) for row in reversed(rows) if row.status == "paused"), None)
