"""The commands that take a backup of a home and restore one."""

from pathlib import Path
from typing import Annotated

from workbench.cli.progress import shown_progress
from workbench.cli.shared import HomeFolder, Invoked, option, show
from workbench.core.units import human_size


def backup(
    file: Annotated[str, option("the archive, or a folder for one named by the time (default: this folder)")] = "",
    /,
    *,
    with_models: Annotated[bool, option("with the weights of models that are no adapters")] = False,
    invoked: Invoked,
) -> None:
    """Writes one archive of datasets, adapters, jobs, recipes, votes and accounts, while the page may be in use."""
    from workbench.backup.backup_writer import write_backup

    with shown_progress("Writing the backup") as task:
        done = write_backup(invoked.home, Path(file or "."), task, with_models)
    left_out = [one.name for one in done.facts.left_out]
    result = {
        "file": str(done.file), "size": done.size, "sha256": done.sha256, "votes": done.facts.votes,
        "left_out": left_out,
    }  # fmt: skip
    lines = [f"{done.file}: {human_size(done.size)}", f"SHA-256 {done.sha256}"]
    lines.append("Never in it: checkpoints of jobs, the bin, caches, links, and the key that signs logins.")
    if left_out:
        lines.append(f"Without the weights of {', '.join(left_out)}: --with-models takes them, too.")
    show(invoked, result, "\n".join(lines))


def restore(file: Annotated[str, option("an archive that `backup` wrote")], /, *, unopened: HomeFolder) -> None:
    """Makes an empty home of a backup, after every file was held to its checksum."""
    import json

    from workbench.backup.restoring import restore as restore_home

    with shown_progress("Reading the backup") as task:
        done = restore_home(unopened.home, Path(file), task)
    if unopened.json:
        print(json.dumps({"home": str(done.home), "files": done.files, "notes": done.notes}, ensure_ascii=False))
    else:
        print(f"{done.files:,} files of {done.facts.created} are in {done.home}.", *done.notes, sep="\n")
