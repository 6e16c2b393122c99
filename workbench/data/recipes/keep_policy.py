"""Which of several copies stays: choosing one of every group of equal or nearly equal rows."""

from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.core.display import Display
from workbench.data.recipes.turns import answer_texts, called_functions, in_one_piece
from workbench.rows.split_rows import Rows

Compare = Annotated[Literal["all", "prompt"], Display(labels={"all": "the whole row", "prompt": "the prompt"})]
Labels = NDArray[np.int64]


def compared(rows: Rows, compare: Compare) -> pa.Array:
    """(rows,) the texts that are compared."""
    return in_one_piece(rows.texts(compare))


def apart(rows: Rows, labels: Labels, texts: pa.Array) -> Labels:
    """The groups without what is no copy: rows with nothing to compare, and equal answers with other labels."""
    alone = pc.equal(texts, "").to_numpy(zero_copy_only=False)
    groups = np.where(alone, np.arange(len(labels)), labels)
    if rows.kind != "unpaired":
        return groups
    good = in_one_piece(rows.table.column("label")).to_numpy(zero_copy_only=False)
    return np.where(good, groups, groups + len(labels))


def by_call_names(rows: Rows, labels: Labels, compare: Compare) -> Labels:
    """The groups taken apart by the functions that rows call, in their order: to call another one is to do another
    thing, however alike the rest."""
    firsts: dict[Any, int] = {}
    groups = enumerate(zip(labels.tolist(), called_functions(rows, compare), strict=True))
    return np.array([firsts.setdefault(group, index) for index, group in groups], np.int64)


def best_in_group(labels: Labels, scores: NDArray[np.float64]) -> Labels:
    """(rows,) for each row the position of its group's best one; of equal ones the first."""
    order = np.lexsort((np.arange(len(labels)), -scores, labels))
    opens = np.concatenate([[True], labels[order][1:] != labels[order][:-1]]) if len(order) else np.zeros(0, bool)
    best = order[opens]
    best_of_row = np.empty(len(labels), np.int64)
    best_of_row[order] = best[np.cumsum(opens) - 1]
    return best_of_row


def scores(rows: Rows, keep: str) -> NDArray[np.float64]:
    """(rows,) what the rows are ranked by: place, characters, or words of the answer that do not repeat."""
    places = np.arange(len(rows), dtype=np.float64)
    if keep == "last":
        return places
    if keep == "longest":
        return np.asarray(pc.utf8_length(in_one_piece(rows.texts("all"))), dtype=np.float64)
    if keep == "best":
        from workbench.data.text.repetition_measures import fresh_words

        return fresh_words(in_one_piece(answer_texts(rows))).astype(np.float64)
    return -places
