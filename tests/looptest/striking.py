"""Ends ``azaion up`` at random moments of a wanted stage, and tells which stage it was in."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from azaion_common.contracts.jobs import EXPORTS, PUBLICATIONS, TRAININGS
from looptest.evidence import ANNOTATIONS, IMAGES, Evidence
from looptest.program import START_S, Up, log_of, start_up, survivors, wait_until

QUEUES = {"train": TRAININGS, "export": EXPORTS, "publish": PUBLICATIONS}
STAGES = ("ingest", "augment", *QUEUES)
SPANS_S = {"ingest": 1.0, "augment": 4.0, "train": 12.0, "export": 8.0, "publish": 0.4}
"""How long after the beginning of its work in a stage a process is ended at the latest."""

ORPHAN_S = 5.0
"""How long children may outlive their process, counted from the start of the next one."""


def stage_of(evidence: Evidence) -> str:
    """The earliest stage that has something to do; ``rest`` when none has."""
    if evidence.unread("ingestor", ANNOTATIONS):
        return "ingest"
    if evidence.unread("augmentor", IMAGES):
        return "augment"
    for stage, queue in QUEUES.items():
        if evidence.open_jobs(queue):
            return stage
    made = {
        kind: len(evidence.of_type(kind)) for kind in ("model.trained", "model.exported", "model.published")
    }
    if made["model.trained"] > made["model.exported"]:
        return "export"
    return "publish" if made["model.exported"] > made["model.published"] else "rest"


@dataclass
class Striker:
    """Starts the program, waits for a stage, ends it there; remembers how often it hit which stage."""

    home: Path
    rng: random.Random
    end: Callable[[Up], None] = Up.kill
    hits: Counter[str] = field(default_factory=Counter)
    generations: list[str] = field(default_factory=list)
    children: int = 0
    """Processes that those that were ended had started and not yet ended themselves."""

    def strike(self, wanted: str, *, reach: float = 1.0) -> str:
        """End a new process within ``reach`` x the stage's span after it took up ``wanted``; returns the stage hit."""
        evidence = Evidence(self.home)
        taken_before = _taken(evidence, wanted)
        up = start_up(self.home)
        self.generations.append(up.generation)
        try:
            self._await_work(up, wanted, taken_before)
            time.sleep(self.rng.uniform(0, SPANS_S[wanted] * reach))
            assert up.alive, log_of(self.home)[-3:]
            self.children += len(survivors([up.generation])) - 1
            self.end(up)
        finally:
            up.kill()
        hit = stage_of(evidence)
        self.hits[hit] += 1
        return hit

    def _await_work(self, up: Up, wanted: str, taken_before: int) -> None:
        wait_until(lambda: up.ready or not up.alive, "start of the services", START_S)
        wait_until(
            lambda: not survivors(self.generations[:-1]), "end of the children of an ended process", ORPHAN_S
        )
        wait_until(
            lambda: not up.alive or _is_at_work(Evidence(self.home), wanted, taken_before),
            f"work in stage {wanted}",
        )

    def summary(self) -> str:
        """How many of them hit which stage."""
        hits = ", ".join(f"{stage} {self.hits[stage]}" for stage in (*STAGES, "rest"))
        return f"{self.hits.total()}: {hits}; {self.children} children had to die with them"


def _taken(evidence: Evidence, stage: str) -> int:
    return sum(times for _, times in evidence.open_jobs(QUEUES[stage])) if stage in QUEUES else 0


def _is_at_work(evidence: Evidence, wanted: str, taken_before: int) -> bool:
    """This process has taken the stage's job, or the stage is open, or it has passed."""
    stage = stage_of(evidence)
    order = (*STAGES, "rest")
    if order.index(stage) != order.index(wanted):
        return order.index(stage) > order.index(wanted)
    return wanted not in QUEUES or _taken(evidence, wanted) > taken_before
