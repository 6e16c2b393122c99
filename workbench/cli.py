"""The command line's parts: printing, waiting, and one function a command."""

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workbench.chat.decoding import Decoding
from workbench.errors import UserError
from workbench.home import Home
from workbench.jobs.job import JOBS, Job
from workbench.jobs.queue import AFTER_DEATH, DIED, Queue
from workbench.registry import Registry
from workbench.spec import dump_yaml, load_yaml

Args = argparse.Namespace


def families() -> dict[str, Registry[Any]]:
    """Every registry of methods, by the name `list methods` and `new` use."""
    from workbench.data.format import FORMATS
    from workbench.training.objective import OBJECTIVES
    from workbench.training.tuner import TUNERS

    return {"job": JOBS, "objective": OBJECTIVES, "tuner": TUNERS, "format": FORMATS}


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints aligned columns."""
    cells = [list(columns), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def emit(args: Args, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The rows as a table, or as JSON with --json."""
    if getattr(args, "json", False):
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str, ensure_ascii=False))
    elif rows:
        table(columns, rows)
    else:
        print("Nothing yet.")


# ---- list --------------------------------------------------------------------------------------------------


def list_models(home: Home, args: Args) -> None:
    from workbench.models import shelf

    columns = ["name", "kind", "base", "architecture", "parameters", "dtype", "size", "parents"]
    rows = [
        (
            i.name,
            i.error or i.kind,
            i.base,
            i.architecture,
            i.parameters,
            i.dtype,
            shelf.human_size(i.size),
            ",".join(i.parents),
        )
        for i in shelf.list_models(home)
    ]
    emit(args, columns, rows)


def list_datasets(home: Home, args: Args) -> None:
    from workbench.data import shelf

    rows = []
    for found in shelf.list_datasets(home):
        counts = found.info.get("rows", {})
        kind = found.info.get("error") or found.info.get("kind")
        rows.append((found.name, kind, counts.get("train", 0), counts.get("eval", 0), found.info.get("rejected", 0)))
    emit(args, ["name", "kind", "train", "eval", "rejected"], rows)


def list_jobs(home: Home, args: Args) -> None:
    rows = [(v.id, v.status, v.label, v.story.progress.get("text") or v.story.error) for v in Queue(home).all()]
    emit(args, ["id", "status", "job", "last"], rows)


def list_sessions(home: Home, args: Args) -> None:
    from workbench.preferences.sessions import list_sessions as sessions

    rows = [(s.name, ", ".join(s.models), s.usable, s.votes, "yes" if s.complete else "no") for s in sessions(home)]
    emit(args, ["name", "models", "pairs", "votes", "complete"], rows)


def list_methods(_home: Home, args: Args) -> None:
    rows = [
        (family, method.method, method.unavailable() or method.summary())
        for family, registry in families().items()
        for method in registry
    ]
    emit(args, ["family", "method", "what it does"], rows)


LISTS: dict[str, Callable[[Home, Args], None]] = {
    "models": list_models,
    "datasets": list_datasets,
    "jobs": list_jobs,
    "sessions": list_sessions,
    "methods": list_methods,
}


# ---- bring in ----------------------------------------------------------------------------------------------


def import_model(home: Home, args: Args) -> None:
    """`starter`, `hub:owner/name`, or a folder."""
    if args.source == "starter":
        run_here(home, JOBS.parse("starter-model"))
    elif args.source.startswith("hub:"):
        spec = {"method": "hub-model", "repo": args.source[4:], "revision": args.revision, "name": args.name or ""}
        run_here(home, JOBS.parse({**spec, "base": args.base or ""}))
    else:
        from workbench.home import slug
        from workbench.models.shelf import import_folder

        name = args.name or slug(Path(args.source).resolve().name)
        print(f"{import_folder(home, args.source, name, args.base or '').name} is on the shelf.")


def import_dataset(home: Home, args: Args) -> None:
    """`sample`, a file, or - for standard input."""
    from workbench.data.format import FORMATS
    from workbench.data.importing import import_dataset as bring
    from workbench.data.importing import import_sample
    from workbench.home import slug

    if args.source == "sample":
        print(f"{import_sample(home).name} and field-guide-prompts are on the shelf.")
        return
    source = sys.stdin.read() if args.source == "-" else Path(args.source)
    form = FORMATS.parse({"method": args.format, **pairs(args.columns or [])}) if args.format else None
    name = args.name or slug(Path(args.source).stem)
    made = bring(
        home, source, name, format=form, eval_fraction=args.eval_fraction, seed=args.seed, encoding=args.encoding
    )
    print(dump_yaml({"name": made.name, **{key: made.info[key] for key in ("kind", "format", "rows", "rejected")}}))


def pairs(texts: Sequence[str]) -> dict[str, Any]:
    """['r=16', 'objective.beta=0.2'] → nested settings, values read as YAML."""
    data: dict[str, Any] = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not found:
            raise UserError(f"{text!r} is no setting.", "Write name=value.", "--set")
        place = data
        *path, last = key.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = load_yaml(value) if value else ""
    return data


# ---- jobs --------------------------------------------------------------------------------------------------


def new(_home: Home, args: Args) -> None:
    """A job's YAML with every default, to edit."""
    method = JOBS.get(args.kind)
    required = {name: "…" for name, field in method.model_fields.items() if field.is_required()}
    if args.kind == "generate":
        required["models"] = ["…", "… "]  # type: ignore[assignment]
    data = merge(required, pairs(args.set or []))
    print(f"# {method.summary()}")
    for name, field in method.model_fields.items():
        print(f"#   {name}: {field.description}")
    print(JOBS.parse(with_default_methods({"method": args.kind, **data})).to_yaml(), end="")


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, nested settings joined."""
    joined = dict(base)
    for key, value in over.items():
        joined[key] = (
            merge(joined[key], value) if isinstance(value, dict) and isinstance(joined.get(key), dict) else value
        )
    return joined


def read_job(args: Args) -> Job:
    """The job of a YAML file with --set laid over it."""
    path = Path(args.job)
    path = path / "job.yaml" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"There is no file {args.job}.", "`new train > job.yaml` writes one to edit.", "job")
    data = load_yaml(path.read_text("utf-8"))
    if not isinstance(data, dict):
        raise UserError(f"{args.job} holds no settings.", "`new train` shows how a job reads.", "job")
    return JOBS.parse(with_default_methods(merge(data, pairs(args.set or []))))


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
        print((view.folder / "job.yaml").read_text("utf-8"))
        print(dump_yaml({"status": view.status, "result": view.story.result, "points": len(view.story.points)}), end="")


# ---- look, chat, label -------------------------------------------------------------------------------------


def tokens(home: Home, args: Args) -> None:
    """One row as the model sees it: trained tokens green, the rest grey, what is cut off struck through."""
    from workbench.data.viewing import row_as_seen

    view = row_as_seen(
        home, args.dataset, args.model, split=args.split, row=args.row, template=args.template,
        max_length=args.max_length, train_on="assistant",
    )  # fmt: skip
    for token in view["tokens"]:
        color = "9;31" if token["cut"] else "32" if token["trained"] else "90"
        print(f"\033[{color}m{token['text']}\033[0m" if sys.stdout.isatty() else token["text"], end="")
    print("\n\n" + "  ".join(f"{name}: {value}" for name, value in view["summary"]))
    for warning in view["warnings"]:
        print(f"{warning['level']}: {warning['text']}")


def chat(home: Home, args: Args) -> None:
    """Every model answers the prompt, or, without --prompt, a conversation typed in."""
    from workbench.chat.engine import Engine

    engine = Engine(home)
    for doing in engine.load(args.models):
        print(doing, file=sys.stderr)
    given = pairs(args.set or [])
    histories: dict[str, list[dict[str, str]]] = {
        model: [{"role": "system", "content": args.system}] if args.system else [] for model in args.models
    }
    prompts = [args.prompt] if args.prompt else iter(lambda: input("\nyou> "), "")
    for prompt in prompts:
        for model, history in histories.items():
            history.append({"role": "user", "content": prompt})
            print(f"\n── {engine.weights(model)}")
            stream = engine.open(model, history, Decoding.parse(given))
            while not stream.done:
                print(stream.advance(), end="", flush=True)
            history.append({"role": "assistant", "content": stream.text})
            pace = len(stream.made) / max(stream.seconds, 1e-9)
            print(f"\n   {len(stream.made)} tokens · {pace:.0f} tokens/s · {stream.done}")


def label(home: Home, args: Args) -> None:
    """Blind voting in the terminal."""
    from workbench.preferences import votes

    keys = {"l": "left", "r": "right", "t": "tie", "b": "both_bad", "s": "skip"}
    item = votes.next_item(home, args.session, args.name)
    while item:
        print(f"\n[{item.done}/{item.total}]  " + " / ".join(message["content"] for message in item.prompt))
        print(f"\n── left\n{item.left}\n\n── right\n{item.right}\n")
        shown = time.time()
        answer = input("(l)eft (r)ight (t)ie (b)oth bad (s)kip (u)ndo (q)uit > ").strip().lower()[:1]
        if answer == "q":
            return
        if answer == "u":
            item = votes.undo(home, args.session, args.name, uuid.uuid4().hex)
        elif answer in keys:
            seconds = time.time() - shown
            votes.vote(home, args.session, args.name, item.token, keys[answer], uuid.uuid4().hex, seconds)
            print("saved")
            item = votes.next_item(home, args.session, args.name)
    print("Nothing left to vote on.")


def judge(home: Home, args: Args) -> None:
    """Lets the stated automatic rule vote on every open pair."""
    from workbench.preferences.judges import FIELD_GUIDE, vote_by_rule

    print(FIELD_GUIDE.statement)
    print(f"{vote_by_rule(home, args.session, FIELD_GUIDE)} votes.")


def report(home: Home, args: Args) -> None:
    from workbench.preferences.summary import report as summarise

    found = summarise(home, args.session)
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    print("\n".join(found["sentences"]))
    rows = [
        (f"{r['a']} over {r['b']}", f"{100 * r['rate']:.0f} %", f"{100 * r['low']:.0f}–{100 * r['high']:.0f} %", r["n"])
        for r in found["win_rates"]
    ]
    table(["win rate", "share", "95 % interval", "votes"], rows)
    ratings = [(r["model"], round(r["rating"]), f"{r['low']:.0f}–{r['high']:.0f}") for r in found["ratings"]["rows"]]
    if ratings:
        table(["model", "rating", "95 % interval"], ratings)


def export_pairs(home: Home, args: Args) -> None:
    from workbench.preferences.export import export_dataset

    made = export_dataset(
        home, args.session, args.name or f"{args.session}-pairs", args.eval_fraction, own=args.own or ""
    )
    print(
        dump_yaml(
            {"dataset": made.name, **{k: made.info[k] for k in ("rows", "left_out", "warnings") if k in made.info}}
        )
    )


def delete(home: Home, args: Args) -> None:
    """Removes a model, dataset or session."""
    from workbench.data.shelf import delete_dataset
    from workbench.models.shelf import delete_model
    from workbench.preferences.sessions import delete_session

    {"model": delete_model, "dataset": delete_dataset, "session": delete_session}[args.what](home, args.name)
    print(f"{args.name} is deleted.")
