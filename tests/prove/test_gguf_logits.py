"""A GGUF of plain floats computes what its source does, whatever the architecture: or it is refused."""

from pathlib import Path

import pytest

from tests.prove.architectures import ARCHITECTURES, source
from tests.prove.gguf_logits import largest_difference
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.gguf import converting
from workbench.models.model_import import import_folder
from workbench.models.model_references import resolve

pytestmark = [pytest.mark.prove, pytest.mark.usefixtures("exact")]
REFUSED = {
    "gpt-j": "does not know GPTJForCausalLM", "opt": "does not know OPTForCausalLM", "deepseek-v2": "26 or 27 layers",
}  # fmt: skip
NO_TEXT = ("mamba", "bert", "t5", "llava")


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in NO_TEXT])
def test_a_gguf_computes_what_its_source_does_or_is_refused(name: str, own_home: Path) -> None:
    home = Home.at(own_home)
    import_folder(home, source(name, home.root / "source"), name)
    problems = Problems()
    converting.check_conversion(resolve(home, name), problems)
    if name in REFUSED:
        assert REFUSED[name] in str(problems.found[0])
        return
    assert not problems.found
    converting.convert(resolve(home, name), home.root / "made.gguf")
    assert largest_difference(home.root / "source", home.root / "made.gguf") < 0.005
