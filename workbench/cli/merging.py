"""Commands for merging: a recipe's check and run, ensembles, the family of a model."""

import sys
from dataclasses import asdict

from workbench.cli.jobs import run_here
from workbench.cli.screen import tell
from workbench.cli.shared import Args, Commands, add, emit, pairs, read_text_file, show
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.spec import load_yaml
from workbench.jobs.job import JOBS


def merge(home: Home, args: Args) -> None:
    """Merges by a recipe, a file or - for standard input; with --check only says what would happen."""
    from workbench.merging.checks import check
    from workbench.merging.recipe import Recipe, for_mergekit

    recipe = Recipe.parse(_text(args.recipe))
    if args.for_mergekit:
        text = for_mergekit(home, recipe)
        show(args, load_yaml(text), text)
        return
    findings = check(home, recipe, args.name or "")
    for note in findings.notes:
        tell(f"note: {note}")
    if args.check:
        message = [
            {"field": problem.field, "message": problem.message, "remedy": problem.remedy}
            for problem in findings.problems
        ]
        if args.json:
            show(args, {"facts": dict(findings.facts), "notes": findings.notes, "problems": message})
        else:
            emit(args, ["what", "value"], findings.facts)
        problems = Problems()
        problems.found = findings.problems
        problems.check()
        return
    if not args.name:
        raise UserError("The new model has no name.", "Give one with --name.", "--name")
    settings = {"method": "merge", "output": args.name, "recipe": recipe.to_dict(), **pairs(args.set or [])}
    run_here(home, JOBS.parse(settings), args.json)


def _text(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    return read_text_file(path, "recipe")


def methods(_home: Home, args: Args) -> None:
    """Every merge method with its parameters."""
    from workbench.merging import catalogue

    if args.name:
        info = catalogue.method(args.name)
        head = f"{info.title}: {info.summary}\n{info.url}\nbase model: {info.base}; implementation: {info.kernel}\n"
        if not args.json:
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
        emit(args, ["parameter", "kind", "scope", "default", "lowest", "highest", "what it does"], rows)
        return
    listed = catalogue.methods().values()
    emit(args, ["method", "base", "kernel", "what it does"], [(m.name, m.base, m.kernel, m.summary) for m in listed])


def ensemble(home: Home, args: Args) -> None:
    """Puts an ensemble on the shelf: models that stay apart and answer together."""
    from workbench.ensembles.shelf import create_ensemble

    manifest = create_ensemble(home, args.name, {"method": args.how, **pairs(args.set or [])}, args.members)
    show(args, {"name": manifest.name, **manifest.info}, f"{manifest.name} is on the shelf.")


def family(home: Home, args: Args) -> None:
    """The family tree of a model, as text."""
    from workbench.family.tree import as_text
    from workbench.family.tree import family as family_of

    tree = family_of(home, args.name)
    names = {key: index for index, key in enumerate(tree.nodes)}
    edges = [{"parent": names[edge.parent], "child": names[edge.child], "role": edge.role} for edge in tree.edges]
    nodes = [asdict(node) for node in tree.nodes.values()]
    show(args, {"nodes": nodes, "edges": edges, "notes": tree.notes}, as_text(tree))


def card(home: Home, args: Args) -> None:
    """The model card of any model on the shelf."""
    from workbench.core.lineage import read_manifest
    from workbench.family.model_card import model_card
    from workbench.models.shelf import model_folder

    text = model_card(read_manifest(model_folder(home, args.name)), home=home)
    show(args, {"name": args.name, "card": text}, text)


def register(commands: Commands) -> None:
    merged = add(commands, "merge", merge, "merge models by a mergekit configuration with names of the shelf")
    merged.add_argument("recipe", help="a YAML file, or - for standard input")
    merged.add_argument("--name", help="the new model's name on the shelf")
    merged.add_argument("--check", action="store_true", help="only say what would happen, and everything wrong")
    merged.add_argument("--for-mergekit", action="store_true", help="print it with hub ids and folders for names")
    merged.add_argument("--set", nargs="*", metavar="NAME=VALUE", help="seed=1, kernels=stock, proof.dataset=NAME, …")
    listed = add(commands, "merge-methods", methods, "list merge methods, or one's parameters")
    listed.add_argument("name", nargs="?")
    command = add(commands, "ensemble", ensemble, "make an ensemble: models that stay apart and answer together")
    command.add_argument("name")
    command.add_argument("how", help="how they answer together: see `list methods`")
    command.add_argument("members", nargs="+")
    command.add_argument("--set", nargs="*", metavar="NAME=VALUE", help="its settings, such as weights='[1, 2]'")
    tree = add(commands, "family", family, "the family tree of a model")
    tree.add_argument("name")
    carded = add(commands, "card", card, "the model card of a model")
    carded.add_argument("name")
