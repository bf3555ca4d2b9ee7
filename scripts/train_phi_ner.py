"""Train the embedded English PHI tagger: `llmsafe/assets/phi-ner-en`.

    python scripts/train_phi_ner.py --prose DATA --check FOREIGN.jsonl ... --out OUT

Notes come from the hand-written templates in scripts/phi_ner/templates, filled anew each time
(scripts/phi_ner/values.py) and written in many ways (noise.py); from the synthetic patients; and
from public prose without patients (CC BY), in which nothing is PHI. What tells the checkpoints
apart is only foreign text, given by --check: notes that nobody filled in.

A token that is a name is often made unknown (its own row and its name lists are left out), for most
names of the world are in no list. Takes about 15 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "phi_ner"))

import data  # noqa: E402

from llmsafe.gold import read_gold  # noqa: E402
from llmsafe.notes import CATEGORIES, FOREIGN_TYPES  # noqa: E402
from llmsafe.scrub.detect.lexicon import english  # noqa: E402
from llmsafe.scrub.detect.normalise import normalise  # noqa: E402
from llmsafe.scrub.detect.tagger import PLACES, Features, Token, load_tagger, tokenise  # noqa: E402
from llmsafe.synthetic import patients  # noqa: E402

LISTS = (
    "words",
    "first",
    "last",
    "everyday",
    "capitals",
    "eponyms",
    "places",
    "organisations",
    "products",
)
NAME_LISTS = ("first", "last", "places")
EDGE = 0.12
TAGS = [name for name in CATEGORIES if name != "RESIDENT_ID"]
Span = tuple[int, int, str]
Note = tuple[str, list[Span]]


@dataclass(frozen=True)
class Size:
    hashed_rows: int = 32768
    embedding: int = 96
    width: int = 128
    dilations: tuple[int, ...] = (1, 2, 1, 4, 1)


class Model(nn.Module):
    """The twin of `llmsafe.scrub.tagger.Tagger` that can be trained."""

    def __init__(self, size: Size, lists: int) -> None:
        super().__init__()
        self.size = size
        self.table = nn.EmbeddingBag(size.hashed_rows + lists, size.embedding, mode="sum")
        nn.init.normal_(self.table.weight, std=0.3)
        self.project = nn.Linear(size.embedding, size.width, bias=False)
        self.place = nn.Embedding(PLACES, size.width)
        nn.init.normal_(self.place.weight, std=0.1)
        self.convs = nn.ModuleList(
            nn.Conv1d(size.width, size.width, 3, padding=d, dilation=d) for d in size.dilations
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size.width, eps=1e-5) for _ in size.dilations)
        self.out = nn.Linear(size.width, 1 + len(TAGS))

    def forward(
        self,
        rows: torch.Tensor,
        weights: torch.Tensor,
        offsets: torch.Tensor,
        places: torch.Tensor,
        index: torch.Tensor,
        mask: torch.Tensor,
        drop: float,
    ) -> torch.Tensor:
        """Logits [notes, tokens, tags]; ``index`` [notes, tokens] points into the tokens."""
        x = self.project(self.table(rows, offsets, weights)) + self.place(places)
        x = F.dropout(x, drop, self.training)[index] * mask[..., None]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = F.relu(conv(x.transpose(1, 2))).transpose(1, 2)
            x = norm(x + F.dropout(y, drop, self.training)) * mask[..., None]
        return self.out(x)


class Batcher:
    """Notes to tensors; the features of a token are worked out once."""

    def __init__(self, features: Features, listed: range, rng: np.random.Generator) -> None:
        self.features, self.rng = features, rng
        self.names = {features.hashed + LISTS.index(name) for name in NAME_LISTS}
        self.cache: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def rows(self, token: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = self.cache.get(token)
        if found is None:
            rows = self.features.rows(token)
            word = self.features._row(
                "w", "0" * len(token) if token.isdigit() and len(token) > 4 else token.lower()
            )
            own = np.array([row == word or row in self.names for row, _ in rows])
            found = (
                np.array([r for r, _ in rows], np.int64),
                np.array([w for _, w in rows], np.float32),
                own,
            )
            if len(self.cache) < 400_000:
                self.cache[token] = found
        return found

    def batch(
        self, notes: Sequence[tuple[list[Token], list[int]]], hide: float
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        longest = max(len(tokens) for tokens, _ in notes)
        index = np.zeros((len(notes), longest), np.int64)
        mask = np.zeros((len(notes), longest), np.float32)
        labels = np.full((len(notes), longest), -100, np.int64)
        all_rows, all_weights, lengths, places = [], [], [], []
        for line, (tokens, tags) in enumerate(notes):
            index[line, : len(tokens)] = np.arange(len(places), len(places) + len(tokens))
            mask[line, : len(tokens)] = 1.0
            labels[line, : len(tokens)] = tags
            hidden = self.rng.random(len(tokens))
            for token, tag, draw in zip(tokens, tags, hidden, strict=True):
                rows, weights, own = self.rows(token.text)
                if draw < (hide if tag else hide / 3) and token.text[0].isalnum():
                    weights = np.where(own, 0.0, weights).astype(np.float32)
                all_rows.append(rows)
                all_weights.append(weights)
                lengths.append(len(rows))
                places.append(token.place)
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        tensors = [
            np.concatenate(all_rows),
            np.concatenate(all_weights),
            offsets,
            np.array(places),
            index,
            mask,
        ]
        return [torch.from_numpy(t) for t in tensors], torch.from_numpy(labels)


def tagged(note: Note) -> tuple[list[Token], list[int]]:
    """Tokens of the normalised view and the tag of each: 0, or 1 + the number of its category."""
    text, spans = note
    view = normalise(text)
    tokens = tokenise(view.text)
    tags = [0] * len(tokens)
    at = 0
    for number, token in enumerate(tokens):
        start, _ = view.span(token.start, token.end)
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        if at < len(spans) and spans[at][0] <= start:
            tags[number] = 1 + TAGS.index(spans[at][2])
    return tokens, tags


def synthetic_notes(seed: int) -> Iterator[Note]:
    """Notes of invented patients, cut to pieces as long as the templates'."""
    rng = random.Random(seed)
    for person in patients(seed, 100_000):
        for note in person.notes[:2]:
            spans = [(s["start"], s["end"], s["category"]) for s in note.extra["spans"]]
            text = note.text
            start = rng.randrange(max(1, len(text) - 700))
            start = text.rfind("\n", 0, start) + 1
            end = min(len(text), start + rng.randrange(200, 900))
            inside = [(a - start, b - start, c) for a, b, c in spans if a >= start and b <= end]
            cut = [(a, b) for a, b, _ in spans if (a < start < b) or (a < end < b)]
            if cut:
                continue
            pieces, at = [], 0
            for a, b, category in inside:
                pieces += [
                    (text[start + at : start + a], None),
                    (text[start + a : start + b], category),
                ]
                at = b
            pieces.append((text[start + at : end], None))
            yield data.labelled(data.dress([p for p in pieces if p[0]], "plain", rng))


NAMED = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Prof|et al|University|Hospital|Institute|Foundation|Copyright|Inc)\b|@|www|https?:"
)


def prose_notes(folder: Path, seed: int) -> Iterator[Note]:
    """Passages in which nothing is PHI."""
    import pretrain_data

    rng = random.Random(seed)
    readers = [pretrain_data.read_trials, pretrain_data.read_medquad, pretrain_data.read_openstax]
    streams = [iter(read(folder)) for read in readers]
    while streams:
        stream = rng.choice(streams)
        document = next(stream, None)
        if document is None:
            streams.remove(stream)
            continue
        passages = [p for p in re.split(r"\n+|(?<=\.) (?=[A-Z])", document[1]) if len(p) > 40]
        rng.shuffle(passages)
        for passage in passages[:6]:
            months = re.search(
                r"\b(?:January|February|April|June|July|August|September|October|November|December)\b",
                passage,
            )
            if not NAMED.search(passage) and not months:
                yield data.labelled(data.dress([(passage[:600], None)], "plain", rng))


def mixed(args: argparse.Namespace, lexicon: data.Lexicon) -> Iterator[Note]:
    """Templates above all."""
    rng = random.Random(args.seed)
    templates = data.read_templates(args.templates)
    streams = [data.notes(templates, lexicon, rng), synthetic_notes(args.seed + 77_000)]
    weights = [0.75, 0.12]
    if args.prose:
        streams.append(prose_notes(args.prose, args.seed))
        weights.append(0.13)
    while True:
        note = next(rng.choices(streams, weights)[0], None)
        if note and note[0].strip():
            yield note


# --- the words it knows ---------------------------------------------------------------------------


def word_lists(folder: Path) -> dict[str, tuple[int, ...]]:
    """Lower-case word -> numbers of the lists that hold it."""
    lexicon, found = english(), {name: set[str]() for name in LISTS}
    for name in ("words", "first", "last", "everyday", "capitals", "eponyms"):
        found[name] |= set(getattr(lexicon, name))
    for path in folder.glob("*.txt"):
        kind = path.stem.split("_")[0]
        target = {
            "first": "first",
            "nick": "first",
            "last": "last",
            "city": "places",
            "county": "places",
            "place": "places",
            "street": "places",
            "drug": "products",
            "device": "products",
            "eponym": "eponyms",
        }.get(
            kind,
            "organisations"
            if kind
            in (
                "employer",
                "hospital",
                "clinic",
                "facility",
                "church",
                "school",
                "agency",
                "pharmacy",
            )
            else None,
        )
        if target is None:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.rpartition(", ")[0] if kind == "city" and ", " in line else line
            found[target] |= {w for w in re.findall(r"[^\W\d_]{2,}", normalise(text).text.lower())}
    lists: dict[str, list[int]] = {}
    for number, name in enumerate(LISTS):
        for word in found[name]:
            if name in ("places", "organisations") and word in found["words"]:
                continue  # "center", "street": ordinary words say nothing here
            lists.setdefault(word, []).append(number)
    return {word: tuple(numbers) for word, numbers in lists.items()}


# --- foreign text ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    name: str
    notes: list[tuple[list[Token], list[int]]]


def foreign(path: Path) -> Checked:
    """Gold notes that the tagger is judged on."""
    notes: list[tuple[list[Token], list[int]]] = []
    for gold in read_gold(path):
        text, spans = gold.note.text, []
        for span in sorted(gold.spans, key=lambda s: s.start):
            category = FOREIGN_TYPES.get(span.category, span.category)
            ages = [int(n) for n in re.findall(r"\d+", text[span.start : span.end])]
            if category in TAGS and not (category == "AGE" and ages and max(ages) < 90):
                spans.append((span.start, span.end, category))
        notes.append(tagged((text, spans)))
    return Checked(path.parent.name + "/" + path.stem, notes)


def measure(
    model: Model, batcher: Batcher, check: Checked, thresholds: Sequence[float]
) -> list[tuple[float, float, float, float]]:
    """Per threshold: recall and precision of tokens' letters, clean notes touched, and their F1."""
    model.eval()
    private: list[np.ndarray] = []
    with torch.no_grad():
        for start in range(0, len(check.notes), 64):
            part = check.notes[start : start + 64]
            tensors, _ = batcher.batch(part, 0.0)
            chances = 1 - F.softmax(model(*tensors, 0.0), -1)[..., 0].numpy()
            private += [chances[i, : len(tokens)] for i, (tokens, _) in enumerate(part)]
    model.train()
    lengths = [
        np.array([(t.end - t.start) * t.text[0].isalnum() for t in tokens])
        for tokens, _ in check.notes
    ]
    golds = [np.array(tags) > 0 for _, tags in check.notes]
    rows = []
    for threshold in thresholds:
        hit = total = found = touched = clean = 0
        for chance, length, gold in zip(private, lengths, golds, strict=True):
            picked = (chance >= threshold) & (length > 0)
            hit += int(length[picked & gold].sum())
            total += int(length[gold].sum())
            found += int(length[picked].sum())
            if not gold.any():
                clean += 1
                touched += bool(picked.any())
        recall, precision = hit / max(1, total), hit / max(1, found)
        rows.append(
            (
                recall,
                precision,
                touched / max(1, clean),
                2 * recall * precision / max(1e-9, recall + precision),
            )
        )
    return rows


# --- training -------------------------------------------------------------------------------------


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    size = Size()
    lists = word_lists(args.lexicon)
    features = Features(size.hashed_rows, lists)
    lexicon = data.read_lexicon(args.lexicon)
    batcher = Batcher(features, range(len(LISTS)), np.random.default_rng(args.seed))
    model = Model(size, len(LISTS))
    checks = [foreign(path) for path in args.check]
    stream = mixed(args, lexicon)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01)
    begun, best, averaged = time.monotonic(), -1.0, None
    thresholds = (0.1, 0.2, 0.3, 0.5)
    for step in range(1, args.steps + 1):
        rate = args.rate * min(1, step / 100) * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        notes = [tagged(next(stream)) for _ in range(args.notes)]
        notes = [(tokens[:400], tags[:400]) for tokens, tags in notes if tokens]
        tensors, labels = batcher.batch(notes, args.hide)
        logits = model(*tensors, args.dropout)
        loss = F.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=-100, label_smoothing=0.02
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % args.every == 0 or step == args.steps:
            print(
                f"step {step} loss {loss.item():.4f} {time.monotonic() - begun:.0f} s", flush=True
            )
            scores = []
            for check in checks:
                rows = measure(model, batcher, check, thresholds)
                shown = "  ".join(
                    f"{t:g}: R {r:.3f} P {p:.3f} clean {c:.2f}"
                    for t, (r, p, c, _) in zip(thresholds, rows, strict=True)
                )
                print(f"  {check.name:32s} {shown}", flush=True)
                scores.append(max(f for *_, f in rows))
            if np.mean(scores) > best:
                best = float(np.mean(scores))
                save(model, features, args.out, args.threshold)
                print(f"  kept: mean F1 on foreign text {best:.4f}", flush=True)
    if args.out.exists():
        check_twin(model, args.out, checks[0] if checks else None)


def save(model: Model, features: Features, out: Path, threshold: float) -> None:
    """What `llmsafe.scrub.tagger.load_tagger` reads; the table in half precision."""
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
        kernel = state[f"convs.{number}.weight"]  # [to, from, 3]
        tensors[f"kernel.{number}"] = half(kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0]))
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
        "categories": TAGS,
        "threshold": threshold,
        "edge": EDGE,
    }
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def check_twin(model: Model, out: Path, check: Checked | None) -> None:
    """What was written must load."""
    tagger = load_tagger(out)
    if check:
        tokens, _ = max(check.notes, key=lambda note: len(note[0]))
        print(f"reads back: {tagger.probabilities(tokens).shape}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--templates", type=Path, default=ROOT / "scripts/phi_ner/templates")
    parser.add_argument("--lexicon", type=Path, default=ROOT / "scripts/phi_ner/lexicon")
    parser.add_argument("--prose", type=Path, help="folder of public prose; see pretrain_data.py")
    parser.add_argument("--check", type=Path, nargs="*", default=[], help="foreign gold")
    parser.add_argument("--out", type=Path, default=ROOT / "llmsafe/assets/phi-ner-en")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--notes", type=int, default=48, help="a step")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--hide", type=float, default=0.3, help="share of PHI tokens made unknown")
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--threshold", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
