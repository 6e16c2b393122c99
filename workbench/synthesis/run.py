"""One run of a maker: asks through the log, filters, answers, judges, and counts what became of every item."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from workbench.core.tasks import Task
from workbench.inference.decoding import Decoding
from workbench.synthesis import filters, novelty
from workbench.synthesis.generation_log import MakingLog
from workbench.synthesis.items import Attempt, OutcomeCounts
from workbench.synthesis.novelty import Novelty
from workbench.synthesis.prompts import Prompt
from workbench.synthesis.replies import CUT_OFF, Message, Reply, Request, seed_of
from workbench.synthesis.rules import Checks
from workbench.synthesis.seeds import Seed
from workbench.synthesis.writer import Writer

JUDGE_TOKENS = 16  # tokens of a judge's reply
OVER = "over the limit"


@dataclass(frozen=True)
class RunPlan:
    """The settings of a run. attempts: requests for new prompts at most, for every row wanted."""

    limit: int
    attempts: int
    batch: int
    answers: bool
    decoding: Decoding
    checks: Checks
    seed: int


class RowRules(Protocol):
    """What a run asks of the method it works for."""

    @property
    def makes_prompts(self) -> bool: ...

    def question(self, item: Attempt, work: "Making") -> list[Message]: ...

    def answer_in(self, text: str) -> str: ...

    def objection(self, item: Attempt) -> str: ...


@dataclass
class Making:
    """What a maker works with. Run again over the log of an earlier run, it makes the same rows and goes on.

    seeds: the rows to start from. existing: more rows that new prompts must differ from. requests: asked for new
    prompts so far. planned: items there will be, where the maker can tell.
    """

    maker: RowRules
    plan: RunPlan
    seeds: list[Seed]
    prompts: dict[str, Prompt]
    log: MakingLog
    writer: Writer
    judge: Writer | None
    task: Task
    existing: list[Seed] = field(default_factory=list)
    accepted: list[Attempt] = field(default_factory=list)
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    requests: int = 0
    planned: int = 0

    def __post_init__(self) -> None:
        self.novelty = Novelty(self.plan.checks.novelty)
        self._answered: dict[str, set[str]] = {}
        for seed in [*self.existing, *self.seeds]:
            self.novelty.add(f"seed {seed.row}", seed.text)

    @property
    def wanted(self) -> int:
        """Rows still to be made."""
        return self.plan.limit - len(self.accepted)

    @property
    def may_ask(self) -> bool:
        """Whether more prompts are wanted and may still be asked for."""
        return self.wanted > 0 and self.requests < self.plan.limit * self.plan.attempts

    def request(self, key: str, text: str, seeds: tuple[int, ...] = (), **sampling: Any) -> Request:
        """A question to the writer, with a seed of its own."""
        return self._request(key, [{"role": "user", "content": text}], seeds, **sampling)

    def _request(self, key: str, messages: list[Message], seeds: tuple[int, ...], **sampling: Any) -> Request:
        decoding = self.plan.decoding.model_copy(update={"seed": seed_of(self.plan.seed, key), **sampling})
        return Request(key, messages, decoding, seeds=seeds)

    def ask(self, requests: list[Request], writer: Writer | None = None) -> list[Reply]:
        """The replies, from the log where it has them. What is asked is written down as it comes in."""
        asked = writer or self.writer
        logged = [self.log.reply_to(request, asked.name) for request in requests]
        missing = [request for request, reply in zip(requests, logged, strict=True) if reply is None]

        def heard(exchanges: list[tuple[Request, Reply]]) -> None:
            self.log.add([(request, reply) for request, reply in exchanges if request in missing], asked.name)
            self._say()

        self.task.check_stop()
        if missing:
            asked.write(requests if asked.whole else missing, heard, self.task)
        replies = [self.log.reply_to(request, asked.name) for request in requests]
        return [reply for reply in replies if reply is not None]

    def item(self, item: Attempt) -> Attempt:
        """Counts a new item; every one of them must be finished, failed or dropped."""
        self.counts.asked += 1
        return item

    def fail(self, item: Attempt, reason: str) -> None:
        self._end(item, "failed", self.counts.failed, reason)

    def drop(self, item: Attempt, reason: str) -> None:
        self._end(item, "dropped", self.counts.dropped, reason)

    def finish(self, items: list[Attempt]) -> list[Attempt]:
        """Filters, answers and judges items with prompts, as many as are wanted; returns those that are kept."""
        before, waiting = len(self.accepted), items
        while waiting and self.wanted > 0:
            size = min(self.plan.batch, self.wanted)
            batch, waiting = waiting[:size], waiting[size:]
            for step in (self._checked, self._answer, self._judge):
                batch = step(batch)
            for item in batch:
                self._keep(item)
        for item in waiting:
            self.drop(item, OVER)
        self._say()
        return self.accepted[before:]

    def _checked(self, items: list[Attempt]) -> list[Attempt]:
        if not self.maker.makes_prompts:
            return items
        good = []
        for item in items:
            if reason := self._wrong_prompt(item):
                self.drop(item, reason)
            else:
                self.novelty.add(item.id, item.text)
                good.append(item)
        return good

    def _wrong_prompt(self, item: Attempt) -> str:
        if filters.only_punctuation(item.text):
            return "prompt: only punctuation"
        if self.plan.checks.refusals and filters.refuses(item.text):
            return "prompt: a refusal"
        return "prompt: not new" if self.novelty.nearest(item.text, item.ancestors) else ""

    def _answer(self, items: list[Attempt]) -> list[Attempt]:
        if not self.plan.answers or not items:
            return items
        requests = [self._request(f"answer/{item.id}", self.maker.question(item, self), item.seeds) for item in items]
        good = []
        for item, reply in zip(items, self.ask(requests), strict=True):
            if reply.failure:
                self.fail(item, f"answer: {reply.failure}")
                continue
            item.answer = self.maker.answer_in(reply.text)
            item.provenance["answer_sampling" if self.maker.makes_prompts else "sampling"] = reply.sampling
            if reason := self._wrong_answer(item, reply) or self.maker.objection(item):
                self.drop(item, reason)
            else:
                self._answered.setdefault(repr(item.prompt), set()).add(item.answer)
                good.append(item)
        return good

    def _wrong_answer(self, item: Attempt, reply: Reply) -> str:
        checks, earlier = self.plan.checks, self._answered.get(repr(item.prompt), set())
        wrong = {
            "answer: cut off at the limit of tokens": reply.finish == CUT_OFF and not checks.keep_cut_off,
            "answer: nothing to take from the reply": not item.answer,
            "answer: only punctuation": filters.only_punctuation(item.answer),
            "answer: too short": len(novelty.words(item.answer)) < checks.least_words,
            "answer: a refusal": checks.refusals and filters.refuses(item.answer),
            "answer: the same again": item.answer in earlier,
        }
        return next((reason for reason, is_so in wrong.items() if is_so), "")

    def _judge(self, items: list[Attempt]) -> list[Attempt]:
        if not self.judge or not items:
            return items
        good = []
        for item, reply in zip(items, self.ask([self._rating(item) for item in items], self.judge), strict=True):
            item.score = reply.score
            if reply.failure or item.score is None:
                self.fail(item, f"judge: {reply.failure}")
            elif item.score < self.plan.checks.least_score:
                self.drop(item, "judge: score too low")
            else:
                item.provenance["judge_prompt"] = self.prompts["judge"].provenance()
                good.append(item)
        return good

    def _rating(self, item: Attempt) -> Request:
        asked = "\n\n".join(f"{turn['content']}" for turn in item.prompt)
        text = self.prompts["judge"].render(prompt=asked, answer=item.answer)
        decoding = Decoding(greedy=True, max_new_tokens=JUDGE_TOKENS)
        return Request(f"judge/{item.id}", [{"role": "user", "content": text}], decoding, True, item.seeds)

    def _keep(self, item: Attempt) -> None:
        self.accepted.append(item)
        self.counts.accepted += 1
        self.log.decide(item.id, "kept", score=item.score, seeds=list(item.seeds), prompt=item.text)

    def _end(self, item: Attempt, verdict: str, counts: dict[str, int], reason: str) -> None:
        counts[reason] = counts.get(reason, 0) + 1
        self.novelty.forget(item.id)
        why = {"reason": reason, "score": item.score, "seeds": list(item.seeds), "prompt": item.text}
        self.log.decide(item.id, verdict, **why)

    def _say(self) -> None:
        completed, total = (
            (self.counts.decided, self.planned) if self.planned else (len(self.accepted), self.plan.limit)
        )
        self.task.update(min(completed, total), total, self.counts.words())
