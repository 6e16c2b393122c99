"""Commands for merging: a recipe's check and run, ensembles, the family of a model."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

from workbench.cli.job_options import job_of, with_settings
from workbench.cli.jobs import run_here
from workbench.cli.screen import tell
from workbench.cli.shared import Invoked, emit, joined_settings, nested_settings, option, several, show
from workbench.core.errors import Problems, UserError
from workbench.core.paths import read_text_file
from workbench.core.spec import load_yaml
from workbench.merging.jobs.merge import Merge


@with_settings(Merge, without=("recipe", "output"))
def merge(
    recipe: Annotated[str, option("a YAML file, or - for standard input")],
    /,
    *,
    name: Annotated[str, option("the new model's name on the shelf")] = "",
    check: Annotated[bool, option("only say what would happen, and everything wrong")] = False,
    for_mergekit: Annotated[bool, option("print it with hub ids and folders for names")] = False,
    set_: Annotated[tuple[str, ...], several("the settings below as seed=1, proof.dataset=NAME, …", "NAME=VALUE")] = (),
    settings: dict[str, Any],
    invoked: Invoked,
) -> None:
    """Merges by a recipe, a file or - for standard input; with --check only says what would happen."""
    from workbench.merging.checks import check_recipe
    from workbench.merging.recipe import MergeRecipe
    from workbench.merging.recipe import for_mergekit as mergekit_text

    home, parsed = invoked.home, MergeRecipe.parse(_text(recipe))
    if for_mergekit:
        text = mergekit_text(home, parsed)
        show(invoked, load_yaml(text), text)
        return
    findings = check_recipe(home, parsed, name)
    for note in findings.notes:
        tell(f"note: {note}")
    if check:
        message = [problem.to_dict() for problem in findings.problems]
        if invoked.json:
            show(invoked, {"facts": dict(findings.facts), "notes": findings.notes, "problems": message})
        else:
            emit(invoked, ["what", "value"], findings.facts)
        problems = Problems()
        problems.found = findings.problems
        problems.check()
        return
    if not name:
        raise UserError("The new model has no name.", "Give one with --name.", "--name")
    job = {
        "method": "merge",
        "output": name,
        "recipe": parsed.to_dict(),
        **joined_settings(nested_settings(set_), settings),
    }
    run_here(home, job_of(job), invoked.json)


def _text(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    return read_text_file(path, "recipe")


def methods(name: Annotated[str, option("the method")] = "", /, *, invoked: Invoked) -> None:
    """Every merge method with its parameters."""
    from workbench.merging import catalogue

    if name:
        info = catalogue.method(name)
        head = f"{info.title}: {info.summary}\n{info.url}\nbase model: {info.base}; implementation: {info.kernel}\n"
        if not invoked.json:
            print(head)
        rows = [
            (
                parameter.name,
                parameter.kind,
                parameter.scope,
                parameter.default,
                parameter.low,
                parameter.high,
                parameter.help,
            )
            for parameter in info.parameters
        ]
        emit(invoked, ["parameter", "kind", "scope", "default", "lowest", "highest", "what it does"], rows)
        return
    listed = catalogue.methods().values()
    emit(invoked, ["method", "base", "kernel", "what it does"], [(m.name, m.base, m.kernel, m.summary) for m in listed])


def ensemble(
    name: Annotated[str, option("its name on the shelf")],
    how: Annotated[str, option("how they answer together: see `list methods`")],
    members: Annotated[list[str], option("models of the shelf")],
    /,
    *,
    set_: Annotated[tuple[str, ...], several("its settings, such as weights='[1, 2]'", "NAME=VALUE")] = (),
    invoked: Invoked,
) -> None:
    """Puts an ensemble on the shelf: models that stay apart and answer together."""
    from workbench.ensembles.shelf import create_ensemble

    manifest = create_ensemble(invoked.home, name, {"method": how, **nested_settings(set_)}, members)
    show(invoked, {"name": manifest.name, **manifest.info}, f"{manifest.name} is on the shelf.")


def family(name: str, /, *, invoked: Invoked) -> None:
    """The family tree of a model, as text."""
    from workbench.family.tree import as_text
    from workbench.family.tree import family as family_of

    tree = family_of(invoked.home, name)
    names = {key: index for index, key in enumerate(tree.nodes)}
    edges = [{"parent": names[edge.parent], "child": names[edge.child], "role": edge.role} for edge in tree.edges]
    nodes = [asdict(node) for node in tree.nodes.values()]
    show(invoked, {"nodes": nodes, "edges": edges, "notes": tree.notes}, as_text(tree))


def card(name: str, /, *, invoked: Invoked) -> None:
    """The model card of any model on the shelf."""
    from workbench.core.lineage import read_manifest
    from workbench.family.model_card import model_card
    from workbench.models.model_names import model_folder

    text = model_card(read_manifest(model_folder(invoked.home, name)), home=invoked.home)
    show(invoked, {"name": name, "card": text}, text)
