"""Where the page shows the form of a kind of job: plain data beside the spec, drawn by the tabs."""

from dataclasses import dataclass

from workbench.core.reference import Reference

NO_MODEL = ("No models yet", "This works on models of the shelf.", "Get one in the Models tab.")
TWO_MODELS = (
    "Two models are needed",
    "A fine-tuned model, and the base it came from.",
    "Import both in the Models tab.",
)
NO_GGUF = ("No GGUF files yet", "They come from the Quantize tab, or are imported above.", "")


@dataclass(frozen=True)
class JobPage:
    """The form of a kind of job in a tab of the page, and the job among those whose progress the tab shows.

    tab: the id of the tab. section: the id of the tab within it; forms of one section stand beneath each other, and
    '' makes a section of its own, by the kind's id. title: what the section is called; the kind's title unless given.
    button: the label of the button that starts it.
    needs: of what a setting could name there must be how many for the form to make sense; else `empty` says so: what is
    missing, why, what to do. order: among the forms and parts of the tab; the tab's own take the tens. fold: the title
    of a fold that the form lies in, closed at first. takes_paths: shown only where the page may name paths of this
    machine. by_hand: the tab draws the form itself.
    """

    tab: str
    section: str = ""
    title: str = ""
    button: str = "Start"
    needs: tuple[Reference, int] | None = None
    empty: tuple[str, str, str] = NO_MODEL
    order: int = 1000
    fold: str = ""
    takes_paths: bool = False
    by_hand: bool = False
