"""Commands for jobs: write one, run it here, queue it, stop and resume it."""

import functools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from workbench.cli.screen import logged, tell
from workbench.cli.shared import (
    Invocation,
    Invoked,
    families,
    joined_settings,
    nested_settings,
    option,
    own_address,
    several,
    show,
)
from workbench.core.errors import SEE_LOG, Problems, SpecError, UserError, suggestion
from workbench.core.formats import JOB_FORMAT
from workbench.core.home import Home
from workbench.core.limits import bounded_text
from workbench.core.paths import read_text_file
from workbench.core.registry import Method, Registry
from workbench.core.spec import dump_yaml, load_yaml
from workbench.jobs.deaths import death_of
from workbench.jobs.events import FINAL
from workbench.jobs.job import JOBS, Job
from workbench.jobs.queue import LOG_FILE, Queue
from workbench.jobs.view import JobRecord

Settings = Annotated[tuple[str, ...], several("settings, such as tuner.r=32", "NAME=VALUE")]
CAUSE_SECONDS = 5.0
JobFile = Annotated[str, option("a YAML file (or the folder of an earlier job)")]


def new(
    kind: Annotated[str, option("train, generate, …, or any of `list methods`: lora, step:split")],
    /,
    *,
    set_: Settings = (),
    invoked: Invoked,
) -> None:
    """The YAML of a job, or of any other method, with every default, to edit."""
    registry, method = method_named(kind)
    data = with_default_methods({"method": method.method, **nested_settings(set_)})
    _check_all_but_missing(registry, data)
    fields = {field.alias or name: field for name, field in method.model_fields.items()}
    notes = [f"# {method.summary()}", *(f"#   {name}: {field.description}" for name, field in fields.items())]
    settings = {"method": method.method, **{name: _written(field, data.get(name)) for name, field in fields.items()}}
    written = JOB_FORMAT.stamp(settings) if registry is JOBS else settings
    show(invoked, written, "\n".join([*notes, dump_yaml(written)]))


def _check_all_but_missing(registry: Registry[Any], data: dict[str, Any]) -> None:
    """Raises `SpecError` for what is wrong with the settings, but for those that are still to be filled in."""
    try:
        registry.parse(data)
    except SpecError as error:
        fields = registry.get(data["method"]).model_fields
        missing = {name for name, field in fields.items() if field.is_required() and name not in data}
        if wrong := [problem for problem in error.problems if problem.field not in missing]:
            raise SpecError(wrong) from None


def _written(field: FieldInfo, value: Any) -> Any:
    """A setting as it stands in YAML: what was given, else the default, else a placeholder."""
    if value is None and field.is_required():
        return _placeholder(field)
    type_: Any = field.annotation
    for mark in field.metadata:
        type_ = Annotated[type_, mark]
    adapter: TypeAdapter[Any] = TypeAdapter(type_)
    settings = field.get_default(call_default_factory=True) if value is None else value
    return adapter.dump_python(adapter.validate_python(settings), mode="json")


def method_named(name: str) -> tuple[Registry[Any], type[Method]]:
    """A kind of job, or the method of another family of that name, which 'family:name' also names.

    Raises `UserError` for names that are unknown or stand in several families.
    """
    family, colon, alone = name.rpartition(":")
    named = {key: registry for key, registry in families().items() if not colon or key == family}
    holders = {key: registry for key, registry in named.items() if alone in registry.all()}
    if alone in JOBS.all() and "job" in holders:
        return JOBS, JOBS.get(alone)
    if len(holders) == 1:
        registry = next(iter(holders.values()))
        return registry, registry.get(alone)
    if holders:
        choices = " or ".join(f"'{key}:{alone}'" for key in holders)
        raise UserError(f"Several families have a method {alone!r}.", f"Write {choices}.", "kind")
    names = [method for registry in named.values() for method in registry.all()]
    raise UserError(f"There is no method {name!r}.", suggestion(alone, names), "kind")


PLACEHOLDER = "…"


def _placeholder(field: FieldInfo) -> Any:
    """Something of the right shape for a setting that has no default."""
    if field.examples:
        return field.examples[0]
    return [PLACEHOLDER, f"{PLACEHOLDER} "] if field.annotation == list[str] else PLACEHOLDER


def _check_filled_in(data: Any) -> None:
    """Raises `SpecError` naming every setting that still holds the placeholder `new` wrote."""
    problems = Problems()
    for path in _unfilled(data):
        problems.add(path, "is not filled in.", f"Write a value in place of {PLACEHOLDER}.")
    problems.check()


def _unfilled(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where a placeholder stands; a list that holds some is named once."""
    if isinstance(data, list) and any(_is_placeholder(item) for item in data):
        yield path
    elif isinstance(data, dict | list):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _unfilled(item, (*path, str(key)))
    elif _is_placeholder(data):
        yield path


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, str) and value.strip() == PLACEHOLDER


def job_of_file(file: str, settings: Sequence[str]) -> Job:
    """The job of a YAML file with --set laid over it."""
    path = Path(file)
    path = path / "job.yaml" if path.is_dir() else path
    if not path.exists():
        raise UserError(f"There is no file {file}.", "`new train > job.yaml` writes one to edit.", "job")
    data = load_yaml(read_text_file(path, "job"))
    if not isinstance(data, dict):
        raise UserError(f"{file} holds no settings.", "`new train` shows how a job reads.", "job")
    filled = joined_settings(JOB_FORMAT.upgrade(data, file), nested_settings(settings))
    _check_filled_in(filled)
    return JOBS.parse(with_default_methods(filled))


def with_default_methods(data: dict[str, Any]) -> dict[str, Any]:
    """`tuner.r=32` alone means the default tuner: settings that name no method get the field's default one."""
    fields = JOBS.get(str(data["method"])).model_fields if data.get("method") in JOBS.all() else {}
    defaults = {name: field.default for name, field in fields.items() if isinstance(field.default, dict)}
    return {
        key: {**defaults[key], **value} if key in defaults and isinstance(value, dict) else value
        for key, value in data.items()
    }


def run(job: JobFile, /, *, set_: Settings = (), invoked: Invoked) -> None:
    """Runs the job of a file in this process."""
    run_here(invoked.home, job_of_file(job, set_), invoked.json)


def run_here(home: Home, job: Job, as_json: bool = False) -> dict[str, Any]:
    """Runs a job in this process, printing as it goes; returns its result, raises `UserError` when it failed.

    What libraries print meanwhile goes to the job's log; with `as_json` its progress goes to standard error.
    """
    from workbench.jobs.worker import execute_job

    queue = Queue(home)
    job_id = queue.submit(job, here=True)
    folder = queue.get(job_id).folder
    with logged(folder / LOG_FILE) as out:
        show_line = tell if as_json else functools.partial(print, file=out, flush=True)
        status = execute_job(home, folder, echo=_without_repeats(show_line))
    view = queue.get(job_id)
    if status == "failed":
        raise _failure(view)
    _print_ended(view, as_json)
    return view.state.result


def _without_repeats(show_line: Callable[[str], None]) -> Callable[[str], None]:
    """Shows a line unless it is the one before: jobs tell of progress more often than it changes."""
    last = ""

    def show_new(line: str) -> None:
        nonlocal last
        if line != last:
            show_line(line)
        last = line

    return show_new


def _print_ended(view: JobRecord, as_json: bool) -> None:
    result = {"job": view.id, "status": view.status, **view.state.result}
    print(json.dumps(result, ensure_ascii=False) if as_json else dump_yaml(result).rstrip())


def _failure(view: JobRecord) -> UserError:
    """Why a job failed, with how to read its log where that is the remedy."""
    story = view.state
    error, remedy = (view.error, story.remedy) if view.error or story.status in FINAL else death_of(story)[:2]
    if remedy == SEE_LOG:
        remedy = f"`job log {view.id}` prints the whole story."
    elif offer := view.less_memory:
        remedy = f"{remedy} {offer.title} (`job resume {view.id} --less-memory`): {offer.effect}."
    return UserError(error, remedy)


def _advised(view: JobRecord) -> dict[str, str]:
    """Why a job failed and what to do, of one that did."""
    if view.status not in ("failed", "interrupted"):
        return {}
    failure = _failure(view)
    return {"error": failure.message, "remedy": failure.remedy}


def submit(
    job: JobFile,
    /,
    *,
    set_: Settings = (),
    wait: Annotated[bool, option("wait for its end; starts it if no app is running")] = False,
    invoked: Invoked,
) -> None:
    """Queues the job of a file."""
    enqueue(invoked, job_of_file(job, set_), wait)


def enqueue(invoked: Invocation, job: Job, wait: bool) -> None:
    """Queues a job. The app's runner takes it; with `wait` this process becomes the runner if there is none."""
    from workbench.jobs.runner import has_runner

    queue = Queue(invoked.home)
    job_id = queue.submit(job)
    if not invoked.json:
        print(job_id, flush=True)
    elif not wait:
        print(json.dumps({"job": job_id, "status": "queued"}))
    if wait:
        wait_for(invoked.home, queue, job_id, invoked.json)
    elif not has_runner(invoked.home):
        tell("Nothing runs it yet: start the app (`llm-workbench serve`), or submit with --wait.")


def wait_for(home: Home, queue: Queue, job_id: str, as_json: bool = False) -> None:
    """Until the job has ended; prints its progress and its result. Raises `UserError` when it failed."""
    from workbench.jobs.runner import Runner

    runner = Runner(home, queue, warm=False).start()
    shown = ""
    try:
        while not (view := queue.get(job_id)).final:
            text = str(view.state.progress.get("text") or view.status)
            if text != shown:
                tell(text) if as_json else print(text, flush=True)
                shown = text
            time.sleep(0.2)
        _await_cause(view)
    finally:
        runner.halt()
    if view.status in ("failed", "interrupted"):
        raise _failure(view)
    _print_ended(view, as_json)


def _await_cause(view: JobRecord) -> None:
    """Gives the runner, which sees a process that is gone a little later, the time to write down why."""
    deadline = time.monotonic() + CAUSE_SECONDS
    while not view.refresh().is_settled and time.monotonic() < deadline:
        time.sleep(0.1)


def job_action(
    action: Literal["show", "log", "stop", "resume", "delete"],
    job_id: Annotated[str, option("the job's id")],
    /,
    *,
    how: Annotated[Literal["keep", "discard", "pause", "kill"], option("how to stop")] = "keep",
    less_memory: Annotated[bool, option("resume with half the batch, which gives the same steps")] = False,
    wait: Annotated[bool, option("after resume: wait for its end")] = False,
    invoked: Invoked,
) -> None:
    """stop, resume, delete, log or show of one job."""
    queue = Queue(invoked.home)
    if action == "stop":
        message = queue.stop(job_id, how)
        show(invoked, {"job": job_id, "said": message}, message)
    elif action == "resume":
        queue.resume(job_id, less_memory)
        if not wait or not invoked.json:
            show(invoked, {"job": job_id, "status": "queued"}, "Queued again.")
        if wait:
            wait_for(invoked.home, queue, job_id, invoked.json)
    elif action == "delete":
        queue.delete(job_id)
        show(invoked, {"job": job_id, "deleted": True}, "Deleted; `bin restore` brings it back.")
    elif action == "log":
        log = queue.log(job_id)[0]
        show(invoked, {"job": job_id, "log": log}, log)
    else:
        _show_job(queue.get(job_id), invoked)


def _show_job(view: JobRecord, invoked: Invocation) -> None:
    page = f"{own_address()}/?{urlencode({'tab': 'jobs', 'job': view.id})}"
    end = {"status": view.status, "result": view.state.result, "points": len(view.state.points), "page": page}
    if invoked.json:
        settings = view.job.to_dict() if view.job else None
        show(invoked, {"job": view.id, "settings": settings, **end, "error": "", "remedy": "", **_advised(view)})
    else:
        print(view.damage or bounded_text(view.folder / "job.yaml"))
        show(invoked, {**end, **_advised(view)})
