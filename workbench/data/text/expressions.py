"""Regular expressions of RE2 on arrays of texts: linear in time whatever the expression and the text.

https://github.com/google/re2/wiki/Syntax, by way of https://arrow.apache.org/docs/cpp/compute.html#containment-tests
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

OPEN, CLOSE = "\ufdd0", "\ufdd1"  # noncharacters: https://www.unicode.org/faq/private_use.html#nonchar1


def compiled_problem(pattern: str, replacement: str = "") -> str:
    """'' if RE2 understands the expression and the replacement, else what is wrong, to follow its name."""
    try:
        pc.match_substring_regex(pa.array(["x"]), pattern)
        pc.replace_substring_regex(pa.array(["x"]), pattern, replacement)
    except (pa.ArrowException, UnicodeEncodeError) as error:
        reason = (str(error).splitlines() or ["unknown"])[0].split("Invalid regular expression: ")[-1]
        return f"is no regular expression that can be used: {reason[:200]}."
    return "is empty." if not pattern else ""


def matches(texts: pa.Array, pattern: str) -> list[int]:
    """The positions of the texts in which the expression matches."""
    return np.flatnonzero(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)).tolist()


def replaced(texts: pa.Array, pattern: str, replacement: str) -> pa.Array:
    r"""The texts with every match replaced; \1 in the replacement is the first group."""
    return pc.replace_substring_regex(texts, pattern, replacement)


def matches_in(texts: pa.Array, pattern: str) -> list[list[str]]:
    """What matches in each text, as it stands there; nothing for a text that holds the marks used here."""
    marked = pc.replace_substring_regex(texts, f"({pattern})", rf"{OPEN}\1{CLOSE}").to_pylist()
    return [_pieces(text) for text in marked]


def _pieces(marked: str) -> list[str]:
    parts = [piece.split(CLOSE) for piece in marked.split(OPEN)[1:]]
    return [piece[0] for piece in parts if piece[0]] if all(len(piece) == 2 for piece in parts) else []
