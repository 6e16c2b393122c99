"""How commands print datasets: rows, what steps did to them, statistics."""

import json
from typing import Any

from workbench.cli.shared import print_table
from workbench.core.paths import read_text_file

LONGEST_CHARACTERS = 300


def on_one_line(text: str, longest: int = LONGEST_CHARACTERS) -> str:
    """A text on one line, cut short."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def rendered(row: dict[str, Any], name: str, file: str) -> dict[str, str]:
    """A row in a chat template, by the title of each side. `file` is a template of one's own."""
    from workbench.rendering.templates import get_template

    if "text" in row:
        return {"text": str(row["text"])}
    own = read_text_file(file, "--template-file") if file else ""
    template = get_template("custom" if own else "chatml" if name == "model" else name, None, own)
    return {title: template.render(turns, tools=row.get("tools", ())) for title, turns in conversations(row).items()}


def as_sides(sides: dict[str, str]) -> str:
    """One side as it is, several under their titles."""
    return (
        "\n".join(f"── {title}\n{text}" for title, text in sides.items()) if len(sides) > 1 else "".join(sides.values())
    )


def conversations(row: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The conversations a row stands for: one, or one for each answer."""
    if "messages" in row:
        return {"conversation": row["messages"]}
    answers = {name: row[name] for name in ("chosen", "rejected", "completion") if name in row}
    return {name: [*row["prompt"], *turns] for name, turns in answers.items()} or {"prompt": row["prompt"]}


def print_rows(listed: list[dict[str, Any]]) -> None:
    """Rows with their numbers, one turn a line; steps know a row by its number in the source, if that is another."""
    for entry in listed:
        source_row = entry.get("source_row", entry["number"])
        columns = f"  (row {source_row} of the source)" if source_row != entry["number"] else ""
        print(f"── {entry['number']}{columns if source_row > 0 else f'  (added, {source_row})'}")
        print("\n".join(_lines(entry["row"])))


def _lines(row: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in row.items():
        if name in ("messages", "prompt", "chosen", "rejected", "completion"):
            side = "" if name in ("messages", "prompt") else f"{name} "
            lines += [f"{side}{turn['role']}: {_said(turn)}" for turn in value]
        else:
            lines.append(f"{name}: {on_one_line(value if isinstance(value, str) else json.dumps(value))}")
    return lines


def _said(turn: dict[str, Any]) -> str:
    calls = f" calls {json.dumps(turn['tool_calls'], ensure_ascii=False)}" if "tool_calls" in turn else ""
    return on_one_line(turn["content"] + calls)


def print_touched(changes: dict[str, Any], change: str) -> None:
    """Rows that a step took out, changed or flagged, each with its number and the reason."""
    for entry in changes["rows"]:
        print(f"── row {entry['number']}: {entry['reason']}{'  (restored)' if entry['restored'] else ''}")
        print("\n".join(_lines(entry["row"])))
        if entry.get("after"):
            print("now:")
            print("\n".join(_lines(entry["after"])))
    print(f"\n{changes['total']:,} rows {change}.")


def print_statistics(figures: dict[str, Any]) -> None:
    """Lengths and roles by split, what is cut off, duplicates, notes."""
    unit = figures["unit"]
    rows = []
    for split, data in figures["splits"].items():
        points = data["lengths"]["percentiles"]
        row = (split, data["rows"], data["lengths"]["mean"], points.get("50", ""), points.get("95", ""))
        rows.append((*row, data["lengths"]["max"], data["refused_rows"]))
    print_table(["split", "rows", f"mean {unit}", "median", "95 %", "longest", "refused"], rows)
    roles = [
        (split, role, text["messages"], text["units"], f"{100 * text['share']:.1f} %")
        for split, data in figures["splits"].items()
        for role, text in data["roles"].items()
    ]
    print()
    print_table(["split", "role", "messages", unit, "share"], roles)
    for split, data in figures["splits"].items():
        if cut := data["cut"]:
            limit = figures["max_length"]
            print(f"\n{split}: {cut['rows']:,} rows are cut at {limit:,} tokens ({cut['tokens']:,} tokens).")
        if data["languages"]:
            print(f"{split}: languages {json.dumps(data['languages'], ensure_ascii=False)}")
    twice = {name: count for name, count in figures["duplicates"].items() if count is not None}
    print("\nduplicates: " + ", ".join(f"{name} {count:,}" for name, count in twice.items()))
    for note in figures["notes"]:
        print(f"note: {note}")
