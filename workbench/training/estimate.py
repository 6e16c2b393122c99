"""How many tokens, steps and seconds a training takes, from a dataset's statistics and earlier runs here."""

import math
import statistics as numbers
from typing import Any

from workbench.core.errors import UserError
from workbench.core.formats import JOB_FORMAT
from workbench.core.home import Home, list_artifacts
from workbench.core.limits import bounded_text
from workbench.core.spec import load_yaml
from workbench.jobs.events import EventLog, JobState

LOOKED_AT_JOBS = 50


def estimate(
    home: Home, data: dict[str, Any], batch_size: int = 4, gradient_accumulation: int = 1, epochs: float = 1
) -> dict[str, Any]:
    """{tokens, steps, seconds, measured_by} of a training on the train split of `data` (as `statistics` gives it).

    `tokens` counts what is left within the maximum length, over all epochs; None where no model was chosen. `seconds`
    and the job it was `measured_by` are None where no finished training of that model tells its speed.
    """
    split = data["splits"].get("train")
    if not split:
        return {"tokens": 0, "steps": 0, "seconds": None, "measured_by": None}
    looked_at = split["looked_at"]
    usable = split["rows"] * (looked_at - split["refused_rows"]) / looked_at if looked_at else 0
    batches = math.ceil(round(usable) / batch_size)
    steps = math.ceil(math.ceil(batches / gradient_accumulation) * epochs)
    if data["unit"] != "tokens":
        return {"tokens": None, "steps": steps, "seconds": None, "measured_by": None}
    tokens = round(split["cut"]["kept"] * split["rows"] / looked_at * epochs) if looked_at else 0
    speed, job = speed_of(home, data["model"])
    return {"tokens": tokens, "steps": steps, "seconds": tokens / speed if speed else None, "measured_by": job}


def speed_of(home: Home, model: str) -> tuple[float, str | None]:
    """Tokens a second of the newest finished training of that model, and the job; (0, None) when there is none."""
    for folder in sorted(list_artifacts(home.jobs), reverse=True)[:LOOKED_AT_JOBS]:
        try:
            job = JOB_FORMAT.upgrade(load_yaml(bounded_text(folder / JOB_FORMAT.file_name)), folder.name)
        except UserError:
            continue  # whatever one folder holds, the others can still tell
        if not isinstance(job, dict) or (job.get("method"), job.get("model")) != ("train", model):
            continue
        story = JobState()
        for event in EventLog(folder / "events.jsonl").read()[0]:
            story.add(event)
        speeds = [point["tokens_per_second"] for point in story.points if point.get("tokens_per_second")]
        if story.status == "done" and speeds:
            return float(numbers.median(speeds)), folder.name
    return 0.0, None
