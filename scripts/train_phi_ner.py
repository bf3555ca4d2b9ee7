"""Train an embedded PHI tagger: `llmsafe/assets/phi-ner-en` or `phi-ner-zh`.

    python scripts/train_phi_ner.py --lang en --prose DATA --check FOREIGN.jsonl ... --out OUT
    python scripts/train_phi_ner.py --lang zh --prose TEXTS --notes 40 --check FOREIGN.jsonl ...

Notes come from the hand-written templates of scripts/phi_ner, filled anew each time and written in
many ways, from the synthetic patients and from public prose: in English from texts without patients
(CC BY), in which nothing is PHI, in Chinese from ordinary language, with people put in. What tells
the checkpoints apart is foreign text, given by --check: notes that nobody filled in, and the
templates that are held out.

A token that is a name is often made unknown (its own row and its name lists are left out), for most
names of the world are in no list. Takes about half an hour on one core.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from phi_ner import LANGUAGES  # noqa: E402
from phi_ner.card import write_card  # noqa: E402
from phi_ner.judge import Checked, Tagged, foreign, tagged, tags_of  # noqa: E402
from phi_ner.mixture import Sources, held_notes, mixed  # noqa: E402
from phi_ner.model import SIZES, Batcher, Model, average, measure  # noqa: E402
from phi_ner.notes import Note  # noqa: E402
from phi_ner.words import LISTS, word_lists  # noqa: E402

from llmsafe.scrub.detect.tagger import Features, load_tagger  # noqa: E402

THRESHOLDS = {"en": (0.05, 0.05), "zh": (0.06, 0.05)}
"""From which chance on a token is PHI, and from which beside one that is; set on the development
halves. They are low, for `detect/en/company.py` keeps what is less sure than 0.7 only where rules
found much, and `detect/zh/tagged.py` only what is made like what it says."""


def main() -> None:
    args = arguments()
    if args.card:
        return write_card(args.out, LANGUAGES[args.lang], args.lang, args.templates, args.check)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    size = SIZES[args.lang]
    sources = Sources(args.lang, args.templates, args.lexicon, args.prose, args.seed)
    tags = tags_of(sources.language)
    features = Features(size.hashed_rows, word_lists(args.lexicon, args.lang), len(LISTS))
    batcher = Batcher(features, np.random.default_rng(args.seed))
    model = Model(size, len(LISTS), tags)
    averaged = copy.deepcopy(model)
    checks = [foreign(path, tags) for path in args.check]
    held = [tagged(note, tags) for note in held_notes(sources)]
    checks.append(Checked("templates held out", held))
    stream = mixed(sources)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01)
    begun, best, batches = time.monotonic(), -1.0, []
    thresholds = (0.1, 0.2, 0.3, 0.5)
    for step in range(1, args.steps + 1):
        rate = args.rate * min(1, step / 100) * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        if not batches:
            batches = sorted_batches(stream, args.notes, tags)
        tensors, labels = batcher.batch(batches.pop(), args.hide)
        with torch.autocast("cpu", torch.bfloat16):  # two to four times as fast, where AMX is
            logits = model(*tensors, args.dropout)
        loss = F.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=-100, label_smoothing=0.01
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average(averaged, model, step)
        if step % args.every == 0 or step == args.steps:
            print(
                f"step {step} loss {loss.item():.4f} {time.monotonic() - begun:.0f} s", flush=True
            )
            scores = []
            for check in checks:
                rows = measure(averaged, batcher, check, thresholds)
                shown = "  ".join(
                    f"{t:g}: R {r:.3f} P {p:.3f} clean {c:.2f}"
                    for t, (r, p, c, _) in zip(thresholds, rows, strict=True)
                )
                print(f"  {check.name:32s} {shown}", flush=True)
                scores.append(max(f for *_, f in rows))
            if np.mean(scores) > best:
                best = float(np.mean(scores))
                save(averaged, features, args.out, args.lang)
                print(f"  kept: mean F1 on foreign text {best:.4f}", flush=True)
    save(averaged, features, args.out / "last", args.lang)
    check_twin(averaged, batcher, args.out / "last", tagged(next(stream), tags))


def sorted_batches(
    stream: Iterator[Note], size: int, tags: Sequence[str], count: int = 8
) -> list[list[Tagged]]:
    """Batches of notes of similar length, so that little is computed on padding."""
    made = [tagged(next(stream), tags) for _ in range(size * count)]
    made = sorted(((tokens[:300], tag[:300]) for tokens, tag in made), key=lambda n: len(n[0]))
    batches = [made[start : start + size] for start in range(0, len(made), size)]
    random.Random(len(made[0][0])).shuffle(batches)
    return batches


def save(model: Model, features: Features, out: Path, lang: str) -> None:
    """What `llmsafe.scrub.detect.tagger.load_tagger` reads; the table in half precision."""
    out.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().numpy() for key, value in model.state_dict().items()}
    half = lambda array: np.ascontiguousarray(array, dtype=np.float16)  # noqa: E731
    tensors = {
        "table": half(state["table.weight"]),
        "project": half(state["project.weight"].T),
        "place": half(state["place.weight"]),
        "out": half(state["out.weight"].T),
        "out_bias": half(state["out.bias"]),
    }
    for number in range(len(model.size.dilations)):
        tensors[f"kernel.{number}"] = half(state[f"convs.{number}.weight"].T)
        tensors[f"bias.{number}"] = half(state[f"convs.{number}.bias"])
        tensors[f"scale.{number}"] = half(state[f"norms.{number}.weight"])
        tensors[f"shift.{number}"] = half(state[f"norms.{number}.bias"])
    save_file(tensors, out / "model.safetensors")
    lines = (
        f"{word}\t{','.join(map(str, numbers))}" for word, numbers in sorted(features.lists.items())
    )
    (out / "lexicon.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {
        "hashed_rows": model.size.hashed_rows,
        "dilations": model.size.dilations,
        "lists": LISTS,
        "categories": list(model.tags),
        "threshold": THRESHOLDS[lang][0],
        "edge": THRESHOLDS[lang][1],
    }
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def check_twin(model: Model, batcher: Batcher, out: Path, note: Tagged) -> None:
    """What was written gives what was trained, but for half precision."""
    model.eval()
    tensors, _ = batcher.batch([note], 0.0)
    with torch.no_grad():
        trained = F.softmax(model(*tensors, 0.0), -1)[0].numpy()
    written = load_tagger(out).probabilities(note[0])
    print(f"largest difference of what was written: {np.abs(trained - written).max():.4f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lang", choices=sorted(LANGUAGES), default="en")
    parser.add_argument("--templates", type=Path, help="default: those of the language")
    parser.add_argument("--lexicon", type=Path, help="default: that of the language")
    parser.add_argument("--prose", type=Path, help="folder of public prose; see phi_ner/README.md")
    parser.add_argument("--check", type=Path, nargs="*", default=[], help="foreign gold")
    parser.add_argument("--out", type=Path, help="default: llmsafe/assets/phi-ner-LANG")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--notes", type=int, default=48, help="a step")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--hide", type=float, default=0.35, help="share of PHI tokens made unknown")
    parser.add_argument("--every", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--card", action="store_true", help="only write OUT/README.md, measured")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.templates = args.templates or LANGUAGES[args.lang].templates
    args.lexicon = args.lexicon or LANGUAGES[args.lang].lexicon
    args.out = args.out or ROOT / "llmsafe" / "assets" / f"phi-ner-{args.lang}"
    return args


if __name__ == "__main__":
    main()
