"""What does the output guard cost, and what does a stream miss that the whole text would show?

    OMP_WAIT_POLICY=PASSIVE python scripts/bench_serve.py --rounds 5 --notes 40

**Latency.** The embedded model answers the same requests by a real server on loopback, with the
guard and without it, in turn; streamed, so that the time to the first text and the rate of tokens
can be told apart, and whole. The model is as small as they come: where a token takes longer, the
guard, which works in a process of its own beside the model, costs a smaller share.

**Reach.** Synthetic notes (invented patients, gold spans) are put through the guard as streams with
several reaches, and as whole texts. A gold span leaks if a letter or digit of it comes out. What
is masked of the rest of the text is the price.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import json
import random
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import bench_dp_lora as page_of
import httpx2
import uvicorn
from starlette.types import ASGIApp

from llmsafe.audit.target import open_target
from llmsafe.notes import Note, PhiSpan
from llmsafe.serve.access import Access
from llmsafe.serve.app import build_app
from llmsafe.serve.endpoint import Endpoint, Limits
from llmsafe.serve.finders import Finders
from llmsafe.serve.guard import WHOLE, Find, Guard, Reach
from llmsafe.serve.local import LocalModel
from llmsafe.serve.server import bind
from llmsafe.synthetic import patients

PROMPT = "HISTORY OF PRESENT ILLNESS: The patient is a"
REACHES = {
    "60 ahead": Reach(ahead=60),
    "120 ahead (the default)": Reach(),
    "240 ahead": Reach(ahead=240),
    "whole text": WHOLE,
}


@dataclass(frozen=True)
class Timing:
    """Seconds to the first text and to the end, and tokens."""

    first: float
    total: float
    tokens: int


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The address of ``app`` on a real server."""
    listening = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


def streamed(client: httpx2.Client, url: str, model: str, tokens: int) -> Timing:
    """One streamed request."""
    body = {
        "model": model,
        "prompt": PROMPT,
        "max_tokens": tokens,
        "temperature": 1.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    begun, first, made = time.perf_counter(), 0.0, 0
    with client.stream("POST", f"{url}/v1/completions", json=body) as response:
        for line in response.iter_lines():
            if not line.startswith("data: {"):
                continue
            data = json.loads(line[6:])
            if not first and data["choices"] and data["choices"][0]["text"]:
                first = time.perf_counter() - begun
            made = data.get("usage", {}).get("completion_tokens", made)
    return Timing(first, time.perf_counter() - begun, made)


def whole(client: httpx2.Client, url: str, model: str, tokens: int) -> Timing:
    """One request that is not streamed."""
    body = {"model": model, "prompt": PROMPT, "max_tokens": tokens, "temperature": 1.0}
    begun = time.perf_counter()
    answer = client.post(f"{url}/v1/completions", json=body).raise_for_status().json()
    spent = time.perf_counter() - begun
    return Timing(spent, spent, answer["usage"]["completion_tokens"])


def latency(find: Find, rounds: int, tokens: int) -> str:
    """The table of the first question."""
    source = LocalModel(open_target("llmsafe:base-en", device="cpu"))
    limits = Limits(tokens=tokens)
    apps = {
        name: build_app(Endpoint(source, finder, limits=limits), Access(None, 10**6))
        for name, finder in (("without", None), ("with", find))
    }
    kinds: dict[str, Callable[[httpx2.Client, str, str, int], Timing]]
    kinds = {"streamed": streamed, "whole": whole}
    seen: dict[tuple[str, str], list[Timing]] = {}
    with (
        serving(apps["without"]) as bare,
        serving(apps["with"]) as guarded,
        httpx2.Client(trust_env=False, timeout=300) as client,
    ):
        jobs = [
            (k, name, url) for k in kinds for name, url in (("without", bare), ("with", guarded))
        ]
        for turn in range(rounds + 1):
            random.Random(turn).shuffle(jobs)
            for kind, name, url in jobs:
                timing = kinds[kind](client, url, source.name, tokens)
                if turn:  # the first round warms up
                    seen.setdefault((kind, name), []).append(timing)
    lines = [
        "| response | guard | first text, s | whole response, s | tokens/s |",
        "|---|---|---:|---:|---:|",
    ]
    for (kind, name), timings in sorted(seen.items()):
        first = spread([t.first for t in timings])
        total = spread([t.total for t in timings])
        rate = spread([t.tokens / t.total for t in timings], 0)
        lines.append(f"| {kind} | {name} | {first} | {total} | {rate} |")
    lines.append("")
    for kind in kinds:
        pairs = zip(seen[kind, "with"], seen[kind, "without"], strict=True)
        ratios = [(a.total / a.tokens) / (b.total / b.tokens) for a, b in pairs]
        lines.append(
            f"Time of a token with the guard, in the same round, {kind}: {spread(ratios)} times."
        )
    return "\n".join(lines)


def spread(values: list[float], digits: int = 2) -> str:
    """Median and range."""
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}–{max(values):.{digits}f}]"


def reach_table(find: Find, notes: list[Note]) -> str:
    """The table of the second question."""
    lines = [
        "| reach | gold spans leaked | late | other text masked | ms per 1,000 characters |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, reach in REACHES.items():
        leaked = spans = late = lost = other = 0
        begun = time.perf_counter()
        for note in notes:
            guard = Traced(find, reach)
            for character in note.text:
                guard.feed(character)
            guard.finish()
            if guard.ended:
                raise SystemExit(f"the guard ended a note: {guard.ended} {guard.failure}")
            gold: set[int] = set()
            for span in note.extra["spans"]:
                place = range(span["start"], span["end"])
                spans += 1
                leaked += any(i not in guard.hidden and note.text[i].isalnum() for i in place)
                gold.update(place)
            late += guard.late
            letters = [i for i, c in enumerate(note.text) if c.isalnum() and i not in gold]
            other += len(letters)
            lost += sum(i in guard.hidden for i in letters)
        spent = time.perf_counter() - begun
        size = sum(len(note.text) for note in notes)
        lines.append(
            f"| {name} | {leaked} of {spans} ({leaked / spans:.1%}) | {late} "
            f"| {lost / other:.2%} | {1e6 * spent / size:.0f} |"
        )
    return "\n".join(lines)


class Traced(Guard):
    """A guard that also tells which characters of the text it masked."""

    def __init__(self, find: Find, reach: Reach) -> None:
        super().__init__(find, reach=reach)
        self.hidden: set[int] = set()

    def _replace(self, window: str, base: int, cut: int, spans: Sequence[PhiSpan]) -> Iterator[str]:
        moved = self._read - len(self._held) - base
        for span in spans:
            place = range(max(span.start, base), min(span.end, cut))
            self.hidden.update(i + moved for i in place)
        yield from super()._replace(window, base, cut, spans)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--notes", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("docs/results/bench-serve.md"))
    args = parser.parse_args()
    load = os.getloadavg()[0]
    finders = Finders(seconds=60)
    finders.check()
    notes = [note for person in patients(11, args.notes, max_notes=3) for note in person.notes][
        : args.notes
    ]
    try:
        timed = latency(finders.find, args.rounds, args.tokens)
        reached = reach_table(finders.find, notes)
    finally:
        finders.close()
    page = f"""# What the output guard costs, and what a stream misses

Written by `scripts/bench_serve.py`; do not edit. `--help` says what is compared.

```console
$ python {shlex.join(["scripts/bench_serve.py", *sys.argv[1:]])}
```

Machine: {page_of.machine("cpu", int(os.environ.get("OMP_NUM_THREADS", 0)) or os.cpu_count() or 1)}.
Other programs kept {load:.0f} processes busy when it began: compare within a round.

## Latency

Model: llmsafe:base-en (2.6 million parameters), at most {args.tokens} tokens, {args.rounds}
rounds in turn after one to warm up. Medians, lowest to highest in brackets.

{timed}

A stream with the guard begins later by the time that the model needs for the text held back
(at most 120 + 48 characters and a word), and by one look of the detector.

## Reach

{len(notes)} synthetic notes, {sum(len(note.text) for note in notes):,} characters, in single
characters. The same recogniser reads all; only how much it sees at a time differs. A leak in the
last line is what the scrubber itself misses.

{reached}

"Late" counts spans whose beginning had been sent when they were found. Other text masked is what
belongs to no gold span.
"""
    args.out.write_text(page, encoding="utf-8")
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
