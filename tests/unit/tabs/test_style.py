"""The style sheet is one that Gradio's own prefixing of selectors leaves intact."""

import re

from workbench.core.assets import ROOT

STYLE = ROOT / "assets" / "style.css"


def test_no_selector_has_a_comma_in_parentheses_where_gradio_would_put_its_prefix() -> None:
    selectors = re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", STYLE.read_text("utf-8"), flags=re.DOTALL))
    assert len(selectors) > 200
    broken = [one.strip() for one in selectors if not one.strip().startswith("@") and re.search(r"\([^)]*,", one)]
    assert broken == []
