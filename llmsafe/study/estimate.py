"""How long a study will take: from stages that are done already, else from a short trial."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from llmsafe.cli.jobs import config_file
from llmsafe.config import RunConfig, load_config
from llmsafe.study.definition import Study, override
from llmsafe.study.scheduler import finished
from llmsafe.study.stages import Done, Job, Stage, StageName

_SCRUBBED = 40.0  # notes a second, one process of a slow core
_WRITTEN = 400.0  # invented patients a second
_FORWARD = 3.0  # scoring is so many times as fast as training
_PROBE = 2.0  # seconds


class Estimate:
    """Seconds of each stage. ``source`` says in words where they come from.

    Where no training, audit or evaluation is done yet, a trial of a few seconds is made, on so many
    threads as a stage will have.
    """

    def __init__(
        self, study: Study, jobs: Sequence[Job], work: Path, *, threads: int | None = None
    ) -> None:
        stages = unique(job.stages for job in jobs)
        self._known: defaultdict[StageName, list[float]] = defaultdict(list)
        self._study = study
        for stage in stages:
            record = finished(work, stage)
            if record is not None:
                self._known[stage.name].append(record.seconds)
        self._config = training_config(study)
        missing = {stage.name for stage in stages if stage.name not in self._known}
        self._rate = self._start = None
        needed = missing & {"train", "audit", "evaluate"}
        if needed:
            self._start = start_up()
            cell = jobs[0].cell
            self._rate = tokens_a_second(cell.base, self._config, cell.rank, threads)
        measured = f"{self._rate:,.0f} training tokens a second here" if self._rate else None
        done = sum(map(len, self._known.values()))
        earlier = f"{done} stages that are done" if done else None
        self.source = " and ".join(filter(None, (earlier, measured))) or "rough figures"

    def learn(self, record: Done) -> None:
        """Take a stage that has just ended into account."""
        self._known[record.stage].append(record.seconds)

    def seconds(self, stage: Stage) -> float:
        """What a stage is expected to take."""
        known = self._known.get(stage.name)
        if known:
            return median(known)
        start = self._start or 15.0
        match stage.name:
            case "notes" | "prepare":
                return start / 3 + stage.size / _WRITTEN
            case "scrub":
                return start + stage.size / _SCRUBBED
            case "plant":
                return start / 3 + 2.0
            case "train":
                train, data = self._config.train, self._config.data
                tokens = train.steps * train.units_per_step * data.max_tokens
                return start + tokens * data.max_notes_per_unit / (self._rate or 2000.0)
            case "audit":
                texts = self._study.canaries + 2 * self._study.held_back
                return start + self._scoring(texts)
            case "evaluate":
                texts = 2 * self._study.identifiers + 6 * self._study.task_notes
                return start + self._scoring(texts)

    def _scoring(self, texts: int) -> float:
        # By the model and by its base.
        return 2 * texts * self._config.data.max_tokens / (_FORWARD * (self._rate or 2000.0))


def training_config(study: Study) -> RunConfig:
    """The training configuration of a study's cells, but for what a cell decides."""
    words = [override(key, value) for key, value in study.set.items()]
    return load_config(RunConfig, config_file(study.config), words)


def unique(stages: Iterable[Sequence[Stage]]) -> list[Stage]:
    """Every stage once, those that others wait for before them."""
    return list(dict.fromkeys(stage for several in stages for stage in several))


def start_up() -> float:
    """Seconds that a stage takes before it does anything: the libraries' own."""
    begun = time.monotonic()
    code = "import llmsafe, torch, transformers, peft, accelerate, scipy"
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    return 1.5 * (time.monotonic() - begun)


def tokens_a_second(base: str, config: RunConfig, rank: int, threads: int | None = None) -> float:
    """Tokens that training takes in a second here, from passes over random tokens."""
    import warnings

    import torch

    from llmsafe.models import pick_device
    from llmsafe.train.held_out import make_adapter, row_losses

    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries, to their authors
    if threads:
        torch.set_num_threads(threads)
    device = pick_device()
    model: Any = make_adapter(base, rank).to(device).eval()
    rows = max(1, min(32, config.train.tokens_per_batch // config.data.max_tokens))
    ids = torch.randint(5, 200, (rows, config.data.max_tokens), device=device)
    mask = torch.ones_like(ids)
    done, begun = 0, 0.0
    while not begun or time.monotonic() - begun < _PROBE:
        row_losses(model, ids, mask).sum().backward()
        model.zero_grad()
        if begun:
            done += ids.numel()
        else:
            begun = time.monotonic()  # the first pass is slower
    if device.type == "cuda":
        torch.cuda.synchronize()
    return done / (time.monotonic() - begun)
