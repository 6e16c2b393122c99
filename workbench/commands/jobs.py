"""Commands for jobs: write one, run it here, queue it, stop and resume it."""

import time
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from workbench.commands.shared import Args, Commands, add, joined, pairs
from workbench.errors import UserError
from workbench.home import Home
from workbench.jobs.job import JOBS, Job
from workbench.jobs.queue import AFTER_DEATH, DIED, Queue
from workbench.limits import bounded_text
from workbench.spec import dump_yaml, load_yaml


def new(_home: Home, args: Args) -> None:
    """A job's YAML with every default, to edit."""
    method = JOBS.get(args.kind)
    required = {name: _placeholder(field) for name, field in method.model_fields.items() if field.is_required()}
    data = joined(required, pairs(args.set or []))
    print(f"# {method.summary()}")
    for name, field in method.model_fields.items():
        print(f"#   {name}: {field.description}")
    print(JOBS.parse(with_default_methods({"method": args.kind, **data})).to_yaml(), end="")


def _placeholder(field: FieldInfo) -> Any:
    """Something of the right shape for a setting that has no default."""
    if field.examples:
        return field.examples[0]
    return ["…", "… "] if field.annotation == list[str] else "…"


def read_job(args: Args) -> Job:
    """The job of a YAML file with --set laid over it."""
    path = Path(args.job)
    path = path / "job.yaml" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"There is no file {args.job}.", "`new train > job.yaml` writes one to edit.", "job")
    data = load_yaml(path.read_text("utf-8"))
    if not isinstance(data, dict):
        raise UserError(f"{args.job} holds no settings.", "`new train` shows how a job reads.", "job")
    return JOBS.parse(with_default_methods(joined(data, pairs(args.set or []))))


def with_default_methods(data: dict[str, Any]) -> dict[str, Any]:
    """`tuner.r=32` alone means the default tuner: settings that name no method get the field's default one."""
    fields = JOBS.get(str(data["method"])).model_fields if data.get("method") in JOBS.all() else {}
    defaults = {name: field.default for name, field in fields.items() if isinstance(field.default, dict)}
    return {
        key: {**defaults[key], **value} if key in defaults and isinstance(value, dict) else value
        for key, value in data.items()
    }


def run(home: Home, args: Args) -> None:
    run_here(home, read_job(args))


def run_here(home: Home, job: Job) -> dict[str, Any]:
    """Runs a job in this process, printing as it goes; returns its result, raises `UserError` when it failed."""
    from workbench.jobs.worker import carry_out

    queue = Queue(home)
    job_id = queue.submit(job, here=True)
    status = carry_out(home, queue.get(job_id).folder, echo=print)
    story = queue.get(job_id).story
    if status == "failed":
        raise UserError(story.error, story.remedy)
    print(dump_yaml({"job": job_id, "status": status, **story.result}), end="")
    return story.result


def submit(home: Home, args: Args) -> None:
    """Queues a job. The app's runner takes it; with --wait this process becomes the runner if there is none."""
    queue = Queue(home)
    job_id = queue.submit(read_job(args))
    print(job_id, flush=True)
    if args.wait:
        wait(home, queue, job_id)


def wait(home: Home, queue: Queue, job_id: str, echo: bool = True) -> dict[str, Any]:
    """Until the job has ended; prints its progress. Raises `UserError` when it failed."""
    from workbench.jobs.runner import Runner

    runner = Runner(home, queue, warm=False).start()
    shown = ""
    try:
        while not (view := queue.get(job_id)).final:
            text = str(view.story.progress.get("text") or view.status)
            if echo and text != shown:
                print(text, flush=True)
                shown = text
            time.sleep(0.2)
    finally:
        runner.halt()
    if view.status in ("failed", "interrupted"):
        raise UserError(view.story.error or DIED, view.story.remedy or ("" if view.story.error else AFTER_DEATH))
    if echo:
        print(dump_yaml({"status": view.status, **view.story.result}), end="")
    return view.story.result


def job_action(home: Home, args: Args) -> None:
    """stop, resume, delete, log or show of one job."""
    queue = Queue(home)
    if args.action == "stop":
        print(queue.stop(args.id, args.how))
    elif args.action == "resume":
        queue.resume(args.id)
        print("Queued again.")
        if args.wait:
            wait(home, queue, args.id)
    elif args.action == "delete":
        queue.delete(args.id)
        print("Deleted.")
    elif args.action == "log":
        print(queue.log(args.id)[0], end="")
    else:
        view = queue.get(args.id)
        print(view.damage or bounded_text(view.folder / "job.yaml"))
        print(dump_yaml({"status": view.status, "result": view.story.result, "points": len(view.story.points)}), end="")


def register(commands: Commands) -> None:
    written = add(commands, "new", new, "write the YAML of a job with its defaults")
    written.add_argument("kind", help="train, generate, fold-adapter, …")
    here = add(commands, "run", run, "run a job here, in the foreground")
    queued = add(commands, "submit", submit, "queue a job for the background")
    queued.add_argument("--wait", action="store_true", help="wait for its end; starts it if no app is running")
    for command in (here, queued):
        command.add_argument("job", help="a YAML file (or the folder of an earlier job)")
    for command in (written, here, queued):
        command.add_argument("--set", nargs="*", metavar="NAME=VALUE", help="settings, such as tuner.r=32")
    job = add(commands, "job", job_action, "look at, stop, resume or delete a job")
    job.add_argument("action", choices=["show", "log", "stop", "resume", "delete"])
    job.add_argument("id")
    job.add_argument("--how", default="keep", choices=["keep", "discard", "kill"], help="how to stop")
    job.add_argument("--wait", action="store_true", help="after resume: wait for its end")
