"""The result panel of the Label tab asks for the session's report once a redraw, and redraws only what changed."""

import uuid
from types import SimpleNamespace

import gradio as gr
import pytest

from tabs.label import result
from tests.voting import by, close, make_session
from workbench.core.home import Home
from workbench.preferences import store
from workbench.preferences.blinding import unblind
from workbench.preferences.votes import next_item, vote

ANN = by("ann")


@pytest.fixture
def ctx(tmp_path, monkeypatch):
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    home = Home.at(tmp_path)
    make_session(home, "round", 4)
    return SimpleNamespace(home=home, accounts=False, answering=lambda: [("Tuned", "tuned"), ("Base", "base")])


@pytest.fixture
def reports(monkeypatch):
    """The arguments of every call of `report`."""
    calls = []
    real = result.report

    def counting(*arguments):
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(result, "report", counting)
    return calls


def cast(home):
    item = next_item(home, "round", ANN)
    vote(home, "round", ANN, item.token, "left", uuid.uuid4().hex, 1.0)


@pytest.mark.parametrize("own", [False, True])
def test_a_redraw_of_a_closed_session_makes_one_report(ctx, reports, own):
    cast(ctx.home)
    close(ctx.home, "round")
    drawn = result.redraw(ctx, "round", own, ANN.browser)
    assert len(drawn) == result.OUTPUTS
    assert len(reports) == 1


def test_a_voter_of_an_open_session_costs_no_report(ctx, reports):
    cast(ctx.home)
    result.redraw(ctx, "round", False, ANN.browser)
    assert reports == []


def test_a_poll_after_a_redraw_makes_no_report_until_a_vote_comes_in(ctx, reports):
    unblind(ctx.home, "round", by("judge"))
    mark, *_ = result.redraw(ctx, "round", False, by("judge").browser)
    still = result.redraw_if_changed(ctx, mark, "round", False, by("judge").browser)
    assert still == [gr.skip()] * result.OUTPUTS
    assert len(reports) == 1
    cast(ctx.home)
    changed = result.redraw_if_changed(ctx, mark, "round", False, by("judge").browser)
    assert changed[0] != mark
    assert len(reports) == 2
