"""Ensembles on the shelf: a folder with a manifest and ensemble.yaml, which names the members and how they combine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import Problems, SpecError, UserError
from workbench.core.formats import ENSEMBLE_FORMAT, NewerVersion
from workbench.core.home import Home, atomic_dir, safe_join, write_text
from workbench.core.limits import bounded_text
from workbench.core.lineage import Manifest, Parent, parent_of, write_manifest
from workbench.core.spec import dump_yaml, load_yaml
from workbench.ensembles.method import ENSEMBLES, MOST_MEMBERS, Ensemble
from workbench.models import vocabulary as tokenizers
from workbench.models.model_names import model_folder
from workbench.models.model_references import WEIGHT_KINDS, ModelRef, Resolved
from workbench.models.shelf import check_free

ENSEMBLE = ENSEMBLE_FORMAT.file_name


@dataclass(frozen=True)
class ShelvedEnsemble:
    """An ensemble of the shelf: its name, how it combines, and its members' names in order."""

    name: str
    method: Ensemble
    members: tuple[str, ...]


MEMBER = ModelRef(*WEIGHT_KINDS)
"""What an ensemble can be made of."""


def create_ensemble(
    home: Home,
    name: str,
    method: str | dict[str, Any],
    members: Sequence[str],
    made_by: dict[str, Any] | None = None,
    parents: Sequence[Parent] = (),
    info: dict[str, Any] | None = None,
) -> Manifest:
    """Puts an ensemble on the shelf; raises `SpecError` with everything that is wrong.

    `made_by`, further `parents` and `info` are for a job that fitted it.
    """
    chosen = check_ensemble(home, name, method, members)
    members = [MEMBER.parse(member) for member in members]
    content = {**chosen.to_dict(), "members": members}
    resolved = [MEMBER.find(home, member, "members") for member in dict.fromkeys(members)]
    with atomic_dir(safe_join(home.models, name)) as folder:
        write_text(folder / ENSEMBLE, dump_yaml(ENSEMBLE_FORMAT.stamp(content)))
        return write_manifest(
            folder,
            Manifest(
                kind="ensemble",
                name=name,
                parents=[*_entries(resolved), *parents],
                made_by=made_by or content,
                info=info or {},
            ),
        )


def _entries(members: Sequence[Resolved]) -> list[Parent]:
    """Every model that answers, and the bases that were named for adapters of them, each once."""
    entries: dict[str, Parent] = {}
    for member in members:
        first, *base = member.named_folders
        entries[first.name] = parent_of(first, "member")
        for folder in base:
            entries.setdefault(folder.name, parent_of(folder, "member-base"))
    return list(entries.values())


def check_ensemble(home: Home, name: str, method: str | dict[str, Any], members: Sequence[str]) -> Ensemble:
    """The method as asked for; raises `SpecError` with everything wrong with it, the name and the members."""
    problems = Problems()
    check_free(home, name, problems, "name")
    try:
        chosen = ENSEMBLES.parse(method)
    except SpecError as error:
        problems.collect("method", error)
        raise SpecError(problems.found) from None
    check_members(home, type(chosen), members, problems)
    chosen.check_members(members, problems)
    problems.check()
    return chosen


def check_members(
    home: Home, method: type[Ensemble], members: Sequence[str], problems: Problems, field: str = "members"
) -> None:
    """Adds what keeps these models from being members: their number, names, kinds and vocabularies."""
    before = len(problems.found)
    if not method.least <= len(members) <= MOST_MEMBERS:
        problems.add(field, f"{len(members)} are chosen.", f"Choose {method.least} to {MOST_MEMBERS} models.")
    for member, times in Counter(members).items():
        if times > 1 and not method.repeats:
            problems.add(field, f"{member!r} is chosen {times} times.", "Choose each model once.")
        try:
            MEMBER.resolve(home, member, field)
        except UserError as error:
            problems.collect(field, error)
    if method.one_vocabulary and len(problems.found) == before:
        try:
            _check_vocabularies(home, members, field)
        except UserError as error:
            problems.collect(field, error)


def read_ensemble(home: Home, name: str) -> ShelvedEnsemble:
    """The ensemble of that name; raises `UserError` when it is damaged or cannot answer with what is on the shelf."""
    ensemble = _read(model_folder(home, name))
    problems = Problems()
    check_members(home, type(ensemble.method), ensemble.members, problems)
    if problems.found:
        first = problems.found[0]
        raise UserError(f"The ensemble {name!r} cannot answer: {first.message}", first.remedy, "model")
    return ensemble


def _read(folder: Path) -> ShelvedEnsemble:
    try:
        data = ENSEMBLE_FORMAT.upgrade(load_yaml(bounded_text(folder / ENSEMBLE)), folder.name)
        members = data.pop("members")
        if not all(isinstance(member, str) for member in members):
            raise TypeError("members are names")
        return ShelvedEnsemble(folder.name, ENSEMBLES.parse(data), tuple(members))
    except NewerVersion:
        raise
    except (AttributeError, KeyError, TypeError, UserError) as error:
        raise UserError(
            f"The ensemble {folder.name!r} is damaged: {error}", "Delete it and make it again.", "model"
        ) from None


def _check_vocabularies(home: Home, members: Sequence[str], field: str) -> None:
    """Raises `UserError` unless every token means the same in all of them."""
    vocabularies = {member: token_table(MEMBER.find(home, member, field).home_of_template) for member in members}
    first, *others = vocabularies
    for other in others:
        if vocabularies[other] != vocabularies[first]:
            raise UserError(
                f"{first!r} and {other!r} have different vocabularies, so their probabilities do not line up.",
                "Choose models of one family, or combine whole answers: vote, stacking or pipeline.",
                field,
            )


def token_table(folder: Path) -> dict[str, int]:
    """The tokens of a folder's tokenizer and their ids; raises `UserError` when it cannot be read."""
    content = tokenizers.vocabulary(folder)
    if content is None:
        raise UserError(f"The tokenizer of {folder.name} cannot be read.", "Import that model again.")
    return content.ids
