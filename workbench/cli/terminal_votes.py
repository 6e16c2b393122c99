"""Voting in a terminal: pairs and rankings as they come, and whatever the session asks for with a vote."""

import os
import shlex
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.core.child_process import ChildFailed, run_in_terminal
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.preferences import leases, votes
from workbench.preferences.annotator_view import annotator_view, labelling_settings, latest_guidelines
from workbench.preferences.ballots import BOTH_BAD, FLAG, LEFT, RANKING, RIGHT, SKIP, TIE, Ballot, typed_ranking
from workbench.preferences.blinding import Voter
from workbench.preferences.labelling_settings import STRENGTHS, LabellingSettings

CHOICES = {"l": LEFT, "r": RIGHT, "t": TIE, "b": BOTH_BAD, "s": SKIP, "f": FLAG}
NEVER_IN_ORDER = (LEFT, RIGHT, TIE)
ASPECTS = {"l": LEFT, "e": TIE, "t": TIE, "r": RIGHT}
END_OF_TEXT = "."
PAIR_MENU = "(l)eft (r)ight (t)ie (b)oth bad (s)kip (f)lag"
RANKING_MENU = "the order, best first, such as '2 1=3', or (b) all bad (s)kip (f)lag"
COMMON_MENU = "(u)ndo (v)otes (p)ause (q)uit"


class Cancelled(Exception):
    """Somebody left an answer empty: the pair is asked for again."""


@dataclass
class TerminalVoting:
    """One person at a terminal, with the pair that lies open and what was entered for it."""

    home: Home
    session: str
    who: Voter
    settings: LabellingSettings = field(init=False)
    item: votes.BlindPair | None = field(default=None, init=False)
    edited: tuple[str, str] = field(default=("", ""), init=False)
    """Side and text of a rewritten answer, or two empty texts."""
    shown: float = field(default=0.0, init=False)

    def run(self) -> bool:
        """Asks until nothing is left, or the person quits: then False. An open pair goes back in the end."""
        self.settings = labelling_settings(self.home, self.session)
        self._print_guidelines()
        # asked twice: pairs that lie open where nobody looks at them are given to those who asked in vain
        self._show(self._next() or self._next())
        try:
            while self.item:
                answer = input(self._menu()).strip()
                if answer.lower()[:1] == "q":
                    return False
                self._do(answer)
        finally:
            if self.item:
                votes.give_back(self.home, self.session, self.who.browser, self.item.token)
        return True

    def _next(self) -> votes.BlindPair | None:
        return votes.next_item(self.home, self.session, self.who)

    def _show(self, item: votes.BlindPair | None) -> None:
        self.item, self.edited = item, ("", "")
        if item:
            # nobody sees whether the terminal is looked at: the pair is held for as long as it is leased
            votes.hold(self.home, self.session, self.who.browser, item.token, leases.LEASE_SECONDS)
            self._print_pair()
            self.shown = time.monotonic()

    def _do(self, answer: str) -> None:
        commands = {
            "u": self._undo, "v": self._list_votes, "p": self._pause, "g": self._print_guidelines, "e": self._edit,
        }  # fmt: skip
        letter = answer.lower()[:1]
        try:
            if letter in commands:
                commands[letter]()
            else:
                self._judge(answer.lower())
        except Cancelled:
            self._print_pair()
        except SpecError as error:
            print(error)
        except UserError as error:  # the pair is gone, there is nothing to undo, or the session was closed
            print(error)
            self._show(self._next())

    def _judge(self, answer: str) -> None:
        if self.item is None:
            return
        choice = CHOICES.get(answer[:1], "")
        if self.item.ranked and choice in NEVER_IN_ORDER:
            choice = ""
        if self.item.ranked and not choice and answer[:1].isdigit():
            self._save(RANKING, Ballot(reason=self._reason(), ranking=typed_ranking(answer)))
        elif choice == FLAG:
            self._save(FLAG, Ballot(reason=ask_text("What is wrong with it? ")))
        elif choice == SKIP:
            self._save(SKIP, Ballot())
        elif choice:
            self._save(choice, self._ballot(choice, answer[1:]))
        else:
            print(self._help())

    def _ballot(self, choice: str, grade: str) -> Ballot:
        """What goes with a choice, asked for; `grade` may have been typed behind it, as in 'l2'."""
        if self.item is None or self.item.ranked:
            return Ballot(reason=self._reason())
        strength = 0
        if self.settings.graded and choice in (LEFT, RIGHT):
            names = ", ".join(f"({number}) {name}" for number, name in STRENGTHS.items())
            strength = int(
                ask_letter(f"By how much? {names} ", {str(number): str(number) for number in STRENGTHS}, grade)
            )
        aspects = {name: ask_letter(f"{name}: (l)eft (e)qual (r)ight ", ASPECTS) for name in self.settings.aspects}
        side, text = self.edited
        return Ballot(strength, aspects, self._reason(), text, side)

    def _reason(self) -> str:
        if self.settings.rationale == "off":
            return ""
        if self.settings.rationale == "required":
            return ask_text("Reason: ")
        return input("Reason (Enter for none): ").strip()

    def _save(self, choice: str, ballot: Ballot) -> None:
        if self.item is None:
            return
        seconds = time.monotonic() - self.shown
        saved = votes.vote(
            self.home, self.session, self.who, self.item.token, choice, uuid.uuid4().hex, seconds, ballot
        )
        print("saved")
        if told := saved.feedback:
            better = "Both are equally good." if told.better == TIE else f"The {told.better} answer is better."
            print(f"{'Correct.' if told.right else 'Not correct.'} {better} {told.explanation}".rstrip())
        self._show(self._next())

    def _undo(self) -> None:
        self._show(votes.undo_latest(self.home, self.session, self.who, uuid.uuid4().hex))

    def _list_votes(self) -> None:
        own = votes.own_votes(self.home, self.session, self.who)
        for number, each in enumerate(own, 1):
            grade = f", {STRENGTHS[each.strength]}" if each.strength else ""
            print(f"{number:3}  {each.choice.replace('_', ' ')}{grade}  {each.created}  {each.prompt}")
        if not own:
            print("No vote of yours stands in this session.")
            return
        typed = input("Number of the vote to take back (Enter for none): ").strip()
        if typed.isdigit() and 1 <= int(typed) <= len(own):
            event = own[int(typed) - 1].event
            self._show(votes.take_back(self.home, self.session, self.who, uuid.uuid4().hex, event))

    def _pause(self) -> None:
        """The time of a pause does not count, and the pair may go to somebody who has no other."""
        paused = time.monotonic()
        input("Paused. Press Enter to go on. ")
        item, before = self._next(), self.shown
        token = self.item.token if self.item else ""
        edited = self.edited
        self._show(item)
        if item and item.token == token:
            self.shown, self.edited = before + time.monotonic() - paused, edited

    def _edit(self) -> None:
        if self.item is None or self.item.ranked or not self.settings.edits:
            print(self._help())
            return
        side = ask_letter("Which answer becomes the better one, (l)eft or (r)ight? ", {"l": LEFT, "r": RIGHT})
        before = self.item.left if side == LEFT else self.item.right
        text = rewritten(self.edited[1] if self.edited[0] == side else before, os.environ)
        self.edited = (side, text) if text.strip() and text.strip() != before.strip() else ("", "")
        print(f"The {side} answer was edited; it becomes the chosen one." if self.edited[0] else "Nothing was edited.")

    def _print_guidelines(self) -> None:
        guidelines = latest_guidelines(self.home, self.session)
        if guidelines.version:
            print(f"\nGuidelines (version {guidelines.version})\n\n{guidelines.text.strip()}\n")

    def _print_pair(self) -> None:
        if not (item := self.item):
            return
        pace = annotator_view(self.home, self.session, self.who).pace
        own = f", {pace.judged} by you, about {pace.seconds:.0f} s each" if pace.judged else ""
        turns = [message["content"] for message in item.prompt]
        if len(turns) > 1:
            turns = ["", *(f"{message['role']}: {message['content']}" for message in item.prompt)]
        print(f"\n[{item.done}/{item.total}{own}]  " + "\n".join(turns))
        if item.training:
            print("(a training question: after your vote you see what is known of it)")
        names = [str(number + 1) for number in range(len(item.answers))] if item.ranked else ["left", "right"]
        for name, answer in zip(names, item.answers, strict=True):
            print(f"\n── {name}{' (cut off at the limit)' if answer.cut_off else ''}\n{answer.text}")
        print()

    def _menu(self) -> str:
        return f"{self._help()} > "

    def _help(self) -> str:
        menu = RANKING_MENU if self.item and self.item.ranked else PAIR_MENU
        edit = " (e)dit" if self.settings.edits and self.item and not self.item.ranked else ""
        guidelines = " (g)uidelines" if latest_guidelines(self.home, self.session).version else ""
        return f"{menu}{edit}{guidelines} {COMMON_MENU}"


def ask_letter(question: str, options: Mapping[str, str], answer: str = "") -> str:
    """What an answer stands for, by its first letter; asked until it is one of them. Raises `Cancelled` for none."""
    while answer.strip().lower()[:1] not in options:
        answer = input(question)
        if not answer.strip():
            raise Cancelled
    return options[answer.strip().lower()[:1]]


def ask_text(question: str) -> str:
    """A text that is typed. Raises `Cancelled` for an empty one."""
    text = input(question).strip()
    if not text:
        raise Cancelled
    return text


def rewritten(text: str, environment: Mapping[str, str]) -> str:
    """The text after somebody has edited it: in the editor of $VISUAL or $EDITOR, or typed, up to a line with a dot."""
    editor = environment.get("VISUAL") or environment.get("EDITOR")
    if not editor:
        print(f"Type the better answer; a line with only '{END_OF_TEXT}' ends it.")
        return "\n".join(iter(input, END_OF_TEXT))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.md"
        path.write_text(text, "utf-8")
        try:
            run_in_terminal([*shlex.split(editor), str(path)])
        except (ChildFailed, ValueError) as error:
            print(f"The editor {editor!r} does not work ({error}). Set $VISUAL to another one.")
            raise Cancelled from None
        return path.read_text("utf-8").rstrip("\n")
