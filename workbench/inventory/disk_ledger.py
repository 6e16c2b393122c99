"""What takes how much of the disk, and what of it may be deleted: items with their bytes, a verdict and the reason."""

import datetime
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from workbench.core.home import OLD, PARTIAL, Home, is_abandoned
from workbench.core.lineage import Manifest
from workbench.core.uploads import upload_folder
from workbench.data.store.datasets import list_datasets
from workbench.inventory.disk_usage import Inode, Usage, UsageCache, joined_usage
from workbench.jobs.listing import JobRow
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.models.shelf import ModelInfo, ModelUsers, list_models, model_users

Verdict = Literal["yes", "ask", "no"]
"""'yes': nothing is lost that is needed or cannot be made anew. 'ask': it is gone for good. 'no': it is refused."""

WORK_FOLDERS = ("checkpoints", "best_evaluation", "folded", "download", "shards", "scratch", "upload")
"""Folders of a job with what it works with: of use only to go on with it, and to average its checkpoints."""
MERGE_METHODS = frozenset({"merge", "merge-search", "assemble-moe", "combine-adapters", "fold-adapter"})
CACHES = {
    "encoded": "Rows encoded for training", "steps": "Results of cleaning steps", "statistics": "Dataset statistics",
    "gguf-lora": "Adapters written as GGUF", "adapters": "Judgements of adapters",
    "environments": "Environments for GPTQ and AWQ",
}  # fmt: skip
NAMED_ITEMS = 3
HIDDEN = "Answers are being generated for a labelling session, whose models stay hidden: no model may go meanwhile."


@dataclass(frozen=True)
class DiskItem:
    """One thing that takes room. key: what it is deleted by. size: its bytes, hard links counted with the first of
    their items. freed: bytes that come free when it goes. changed: ISO 8601, when it was written last."""

    key: str
    category: str
    title: str
    size: int
    freed: int
    changed: str
    verdict: Verdict
    reason: str
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class DiskLedger:
    """free and total: bytes of the file system of the home. categories: bytes by what it is, the most first. items: the
    largest first."""

    free: int
    total: int
    categories: tuple[tuple[str, int], ...]
    items: tuple[DiskItem, ...]

    @property
    def spent_checkpoints(self) -> tuple[DiskItem, ...]:
        """Those of ended runs whose model is there: they go together."""
        return tuple(item for item in self.items if item.key.startswith("work:") and item.verdict == "yes")


@dataclass
class _Facts:
    """What decides on verdicts. named: by a name or id, the live job whose settings have it. has_hidden: whether a live
    job works with models that nobody may know of, so that none is told from the others."""

    home: Home
    infos: Sequence[ModelInfo]
    manifests: Sequence[Manifest]
    rows: Sequence[JobRow]
    named: Mapping[str, str]
    has_hidden: bool
    live: frozenset[str]
    users: Mapping[str, ModelUsers]
    children: Mapping[str, list[str]]
    models: frozenset[str]


def disk_ledger(home: Home, queue: Queue, cache: UsageCache) -> DiskLedger:
    """Measures what changed since `cache` was used last, and judges every item anew."""
    facts = _facts(home, queue)
    entries = [*_models(facts, cache), *_datasets(facts, cache), *_jobs(facts, cache), *_rest(facts, cache)]
    seen: set[Inode] = set()
    items, categories = [], defaultdict[str, int](int)
    for item, usage in entries:
        size = usage.counted_once(seen)
        categories[item.category] += size
        if size or item.key:
            items.append(_measured(item, usage, size))
    disk = shutil.disk_usage(home.root)
    ordered = sorted(categories.items(), key=lambda entry: entry[1], reverse=True)
    items.sort(key=lambda item: item.size, reverse=True)
    return DiskLedger(disk.free, disk.total, tuple(entry for entry in ordered if entry[1]), tuple(items))


def _facts(home: Home, queue: Queue) -> _Facts:
    infos, manifests, rows = list_models(home), list_datasets(home), queue.all()
    live = queue.live()
    children = defaultdict[str, list[str]](list)
    for name, parents in (
        *((info.name, info.parents) for info in infos),
        *((manifest.name, [parent.name for parent in manifest.parents]) for manifest in manifests),
    ):
        for parent in dict.fromkeys(parents):
            children[parent].append(name)
    hidden = [view for view in live if view.job and view.job.blind(home)]
    models = {info.name for info in infos}
    named = {
        name: view.label for view in live for name in _names_in(view) if view not in hidden or name not in models
    }  # fmt: skip
    return _Facts(
        home, infos, manifests, rows, named, bool(hidden), frozenset(view.id for view in live),
        model_users(infos), children, frozenset(info.name for info in infos if not info.error),
    )  # fmt: skip


def _names_in(view: JobRecord) -> Iterator[str]:
    """Every name that a job's settings have, the two of 'BASE+ADAPTER' each by itself."""
    waiting: list[Any] = [view.job.to_dict() if view.job else {}]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield from re.split(r"[+#]", value)
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _measured(item: DiskItem, usage: Usage, size: int) -> DiskItem:
    changed = item.changed or (_moment(usage.changed) if usage.changed else "")
    return replace(item, size=size, freed=item.freed or usage.freed, changed=changed)


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _item(
    key: str, category: str, title: str, verdict: Verdict, reason: str, *paths: Path, changed: str = ""
) -> DiskItem:
    return DiskItem(key, category, title, 0, 0, changed, verdict, reason, paths)


Entry = tuple[DiskItem, Usage]

# ---- the shelves -------------------------------------------------------------------------------------------------


def _models(facts: _Facts, cache: UsageCache) -> Iterator[Entry]:
    for info in facts.infos:
        verdict, reason = _verdict_of_model(facts, info)
        key = f"model:{info.name}"
        yield (
            _item(key, _category(info), info.name, verdict, reason, info.folder, changed=info.created),
            cache.usage(info.folder),
        )


def _category(info: ModelInfo) -> str:
    if info.kind == "gguf" or info.made_by == "quantize":
        return "Quantized models"
    if info.made_by in MERGE_METHODS:
        return "Merged models"
    return {"adapter": "Adapters", "ensemble": "Ensembles"}.get(info.kind, "Models")


def _verdict_of_model(facts: _Facts, info: ModelInfo) -> tuple[Verdict, str]:
    users = facts.users.get(info.name, ModelUsers())
    if facts.has_hidden:
        return "no", HIDDEN
    if job := facts.named.get(info.name):
        return "no", f"The job {job}, which waits or runs, needs it."
    if users.adapters:
        return "no", f"Base of {_listed('the adapter', users.adapters)}: needed."
    if users.ensembles:
        return "no", f"Member of {_listed('the ensemble', users.ensembles)}: needed."
    if info.error:
        return "ask", "Damaged: it cannot be used."
    return _unless_parent(facts, info.name)


def _unless_parent(facts: _Facts, name: str) -> tuple[Verdict, str]:
    made = facts.children.get(name)
    if made:
        return "ask", f"{_listed('Made from it:', made)}. That goes on without it."
    return "ask", "Nothing on the shelf was made from it."


def _listed(title: str, names: Sequence[str]) -> str:
    more = len(names) - NAMED_ITEMS
    return f"{title} {', '.join(names[:NAMED_ITEMS])}{f' and {more} more' if more > 0 else ''}"


def _datasets(facts: _Facts, cache: UsageCache) -> Iterator[Entry]:
    for manifest in facts.manifests:
        folder = facts.home.datasets / manifest.name
        verdict, reason = _unless_parent(facts, manifest.name)
        if job := facts.named.get(manifest.name):
            verdict, reason = "no", f"The job {job}, which waits or runs, needs it."
        elif "error" in manifest.info:
            reason = "Damaged: it cannot be used."
        item = _item(
            f"dataset:{manifest.name}", "Datasets", manifest.name, verdict, reason, folder, changed=manifest.created
        )
        yield item, cache.usage(folder)


# ---- jobs --------------------------------------------------------------------------------------------------------


def _jobs(facts: _Facts, cache: UsageCache) -> Iterator[Entry]:
    for row in facts.rows:
        folder, live = facts.home.jobs / row.id, row.id in facts.live
        whole = cache.usage(folder, growing=live)
        work = work_folders(folder) if whole.has_folders else []
        usages = [cache.usage(path, growing=live) for path in work]
        rest = Usage(
            whole.own - sum(usage.own for usage in usages),
            _without(whole, usages),
            whole.changed,
        )
        if work:
            verdict, reason = _verdict_of_work(facts, row)
            title = f"Checkpoints of {row.label}" if work[0].name == "checkpoints" else f"Working files of {row.label}"
            yield _item(f"work:{row.id}", "Checkpoints of jobs", title, verdict, reason, *work), joined_usage(usages)
        verdict, reason = "ask", "Log, settings and figures of an ended job. What it made stays."
        if live:
            verdict, reason = "no", f"The job is {row.status}."
        item = _item(f"job:{row.id}", "Logs and results of jobs", f"Job {row.label}", verdict, reason, folder)
        yield replace(item, freed=whole.freed), rest


def _without(whole: Usage, usages: Iterable[Usage]) -> tuple[tuple[Inode, int, int, int], ...]:
    taken = {inode for usage in usages for inode, *_ in usage.shared}
    return tuple(link for link in whole.shared if link[0] not in taken)


def work_folders(folder: Path) -> list[Path]:
    """The folders a job works with, those of them that are there."""
    return [path for name in WORK_FOLDERS if (path := folder / name).is_dir() and not path.is_symlink()]


def _verdict_of_work(facts: _Facts, row: JobRow) -> tuple[Verdict, str]:
    if row.id in facts.live:
        return "no", f"The job is {row.status}."
    if job := facts.named.get(row.id):
        return "no", f"The job {job}, which waits or runs, needs them."
    if row.status != "done":
        return "ask", f"The run ended as {row.status}: Resume goes on from them."
    if row.result and row.result in facts.models:
        return "yes", f"The run has ended and its model {row.result} is on the shelf."
    if row.result:
        return "ask", f"Its model {row.result} is no longer on the shelf: these are all that is left of the run."
    return "yes", "The run has ended."


# ---- everything else ---------------------------------------------------------------------------------------------


def _rest(facts: _Facts, cache: UsageCache) -> Iterator[Entry]:
    home = facts.home
    yield from _unfinished(home, cache)
    uploads = upload_folder(home)
    reason = "Files that browsers sent: each goes by itself when it was used, or after a day."
    yield _item("", "Uploads", "Uploads", "no", reason, uploads), cache.usage(uploads, growing=True)
    yield from _caches(facts, cache)
    labels = [path for path in home.root.glob("labels*") if not path.name.endswith(".bak")]
    reason = "Answers and votes. Sessions are deleted in the Label tab, or with `delete session`."
    usages = [cache.usage(path, growing=True) for path in labels]
    yield _item("", "Labels", "Label database", "no", reason, *labels), joined_usage(usages)
    hub_folder = _hub_folder(home)
    known = {home.models, home.datasets, home.jobs, home.cache, *labels}
    for path in sorted(home.root.iterdir()):
        if path in known:
            continue
        backup = path.name == "backups" or path.name.endswith(".bak")
        hub = path == hub_folder
        category = "Backups" if backup else "Hub cache" if hub else "Other files"
        yield _item("", category, path.name, "no", _other_reason(backup, hub), path), cache.usage(path, growing=True)


def _hub_folder(home: Home) -> Path | None:
    """The folder of the home in which the hub's library keeps its downloads; None where it keeps them elsewhere."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).resolve()
    return home.root / cache.relative_to(home.root).parts[0] if home.root in cache.parents else None


def _other_reason(backup: bool, hub: bool) -> str:
    if backup:
        return "Copies made before an upgrade: delete them by hand when nothing of it is wanted."
    if hub:
        return "Downloads of the hub's own library: `hf cache delete` takes care of them."
    return "No file that the workbench deletes."


def _unfinished(home: Home, cache: UsageCache) -> Iterator[Entry]:
    """What is being saved, and what was when a process died."""
    for shelf in (home.models, home.datasets, home.jobs, home.cache / "steps", home.cache / "encoded"):
        for path in sorted([*shelf.glob(f"{PARTIAL}*"), *shelf.glob(f"{OLD}*")]):
            gone = is_abandoned(path)
            verdict: Verdict = "yes" if gone else "no"
            reason = "Left by a process that ended before it was saved." if gone else "It is being saved now."
            key = f"unfinished:{path.relative_to(home.root).as_posix()}"
            item = _item(key, "Unfinished saves", f"Unfinished: {path.name.lstrip('.')}", verdict, reason, path)
            yield item, cache.usage(path, growing=True)


def _caches(facts: _Facts, cache: UsageCache) -> Iterator[Entry]:
    """The folders of the cache; while a job waits or runs none goes, since it may be reading there."""
    verdict: Verdict = "no" if facts.live else "yes"
    for path in sorted(facts.home.cache.iterdir()):
        if path == upload_folder(facts.home) or path.name.startswith("."):
            continue
        if path.name in CACHES:
            reason = "Made anew when it is needed." if verdict == "yes" else "A job waits or runs that may read it."
            item = _item(f"cache:{path.name}", "Caches", CACHES[path.name], verdict, reason, path)
            yield item, cache.usage(path)
        elif path.suffix == ".whl" and path.is_file():
            item = _item(f"cache:{path.name}", "Caches", f"Download {path.name}", verdict, "Downloaded again.", path)
            yield item, cache.usage(path)
        else:
            yield _item("", "Caches", path.name, "no", "Small, and in use.", path), cache.usage(path, growing=True)
