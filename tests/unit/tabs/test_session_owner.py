"""Who is offered as an annotator: those with accounts who may judge, where there are accounts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tabs.label.session_owner import known_voters
from workbench.core.home import Home
from workbench.people.accounts import add_person, disable_person
from workbench.preferences import store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    home = Home.at(tmp_path)
    for name, role in (("olga", "owner"), ("ann", "annotator"), ("vera", "viewer"), ("bert", "annotator")):
        add_person(home, name, role, "local")
    disable_person(home, "bert", "local")
    return home


def test_who_may_judge_is_offered_with_accounts_and_nobody_without(home: Home) -> None:
    ctx: Any = SimpleNamespace(home=home, accounts=True)
    assert known_voters(ctx) == [("olga · owner, invited", "olga"), ("ann · annotator, invited", "ann")]
    ctx.accounts = False
    assert known_voters(ctx) == []
