"""Train an embedded PHI tagger: `llmsafe/assets/phi-ner-en` or `phi-ner-zh`.

    python scripts/train_phi_ner.py --lang en --prose DATA --check FOREIGN.jsonl ... --out OUT
    python scripts/train_phi_ner.py --lang zh --prose TEXTS --steps 2600 --check FOREIGN.jsonl ...

Notes come from the hand-written templates of scripts/phi_ner, filled anew each time and written in
many ways, from the synthetic patients and from public prose: in English from texts without patients
(CC BY), in which nothing is PHI, in Chinese from ordinary language, with people put in. What tells
the checkpoints apart is foreign text, given by --check: notes that nobody filled in, and the
templates that are held out.

A token that is a name is often made unknown (its own row and its name lists are left out), for most
names of the world are in no list. Takes about 15 minutes on one core.
"""

from __future__ import annotations

import argparse
import copy
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
sys.path.insert(0, str(ROOT / "scripts"))

from phi_ner import LANGUAGES, Language, read_templates  # noqa: E402
from phi_ner.mixture import AUDIENCES, Sources, held_notes, mixed  # noqa: E402
from phi_ner.notes import Note  # noqa: E402

from llmsafe.gold import read_gold  # noqa: E402
from llmsafe.notes import CATEGORIES, FOREIGN_TYPES  # noqa: E402
from llmsafe.scrub.detect.lexicon import english  # noqa: E402
from llmsafe.scrub.detect.normalise import normalise  # noqa: E402
from llmsafe.scrub.detect.tagger import PLACES, Features, Token, load_tagger, tokenise  # noqa: E402
from llmsafe.scrub.detect.zh.lexicon import chinese  # noqa: E402
from llmsafe.scrub.detect.zh.view import chinese_view  # noqa: E402

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
    "frequent",
    "seen",
)
"""Words of some kind; the last two are pairs of Chinese characters in ordinary prose."""
NAME_LISTS = ("first", "last", "places")
THRESHOLDS = {"en": (0.3, 0.12), "zh": (0.12, 0.08)}
"""From which chance on a token is PHI, and from which beside one that is; set on the development
halves. They are low, for `detect/en/company.py` keeps what is less sure than 0.7 only where rules
found much, and `detect/zh/tagged.py` only what is made like what it says."""
KINDS = {
    "en": {
        "first": "first nick",
        "last": "last",
        "eponyms": "eponym",
        "places": "city county place street",
        "organisations": "employer hospital clinic facility church school agency pharmacy",
        "products": "drug device",
    },
    "zh": {
        "words": "clinical disease",
        "first": "given nick minority foreign trad_given",
        "last": "surname trad_last pinyin_last",
        "everyday": "full",
        "places": "city district road village estate place province",
        "organisations": "company hospital school home office",
        "products": "drug herb formula",
    },
}
"""Which lists of words take which files: by name, or by what is before the first underscore."""
Tagged = tuple[list[Token], list[int]]
"""Tokens and the number of the tag of each."""


@dataclass(frozen=True)
class Size:
    hashed_rows: int = 32768
    embedding: int = 96
    width: int = 128
    dilations: tuple[int, ...] = (1, 2, 1, 4, 1)


SIZES = {"en": Size(), "zh": Size(width=192, dilations=(1, 2, 4, 8, 1))}
"""A Chinese word is two or three tokens, so the tagger must look further and see more at once."""


class Model(nn.Module):
    """The twin of `llmsafe.scrub.detect.tagger.Tagger` that can be trained."""

    def __init__(self, size: Size, lists: int, tags: Sequence[str]) -> None:
        super().__init__()
        self.size, self.tags = size, tags
        self.table = nn.EmbeddingBag(size.hashed_rows + 4 * lists, size.embedding, mode="sum")
        nn.init.normal_(self.table.weight, std=0.3)
        self.project = nn.Linear(size.embedding, size.width, bias=False)
        self.place = nn.Embedding(PLACES, size.width)
        nn.init.normal_(self.place.weight, std=0.1)
        self.convs = nn.ModuleList(nn.Linear(3 * size.width, size.width) for _ in size.dilations)
        self.norms = nn.ModuleList(nn.LayerNorm(size.width, eps=1e-5) for _ in size.dilations)
        self.out = nn.Linear(size.width, 1 + len(tags))

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
        for conv, norm, gap in zip(self.convs, self.norms, self.size.dilations, strict=True):
            near = F.pad(x, (0, 0, gap, gap))
            y = F.relu(conv(torch.cat([near[:, : x.shape[1]], x, near[:, 2 * gap :]], -1)))
            x = norm(x + F.dropout(y, drop, self.training)) * mask[..., None]
        return self.out(x)


class Batcher:
    """Notes to tensors; the features of a token are worked out once."""

    def __init__(self, features: Features, rng: np.random.Generator) -> None:
        self.features, self.rng = features, rng
        self.names = {
            features.hashed + place * len(LISTS) + LISTS.index(name)
            for name in NAME_LISTS
            for place in range(4)  # the word itself; begun, inside, ended by a Chinese character
        }
        self.cache: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def rows(self, token: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = self.cache.get(token)
        if found is None:
            rows, very = self.features.rows(token), self.features.own(token)
            own = np.array([row in very or row in self.names for row, _ in rows])
            found = (
                np.array([r for r, _ in rows], np.int64),
                np.array([w for _, w in rows], np.float32),
                own,
            )
            if len(self.cache) < 400_000:
                self.cache[token] = found
        return found

    def batch(
        self, notes: Sequence[Tagged], hide: float
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        longest = max(len(tokens) for tokens, _ in notes)
        index = np.zeros((len(notes), longest), np.int64)
        mask = np.zeros((len(notes), longest), np.float32)
        labels = np.full((len(notes), longest), -100, np.int64)
        found, unknown, places = [], [], []
        for line, (tokens, tags) in enumerate(notes):
            index[line, : len(tokens)] = np.arange(len(places), len(places) + len(tokens))
            mask[line, : len(tokens)] = 1.0
            labels[line, : len(tokens)] = tags
            hidden = self.rng.random(len(tokens))
            for token, tag, draw in zip(tokens, tags, hidden, strict=True):
                found.append(self.rows(token.key))
                unknown.append(draw < (hide if tag else hide / 3) and token.text[0].isalnum())
                places.append(token.place)
        lengths = np.array([len(rows) for rows, _, _ in found])
        rows, weights, own = (np.concatenate(parts) for parts in zip(*found, strict=True))
        tensors = [
            rows,
            np.where(own & np.repeat(unknown, lengths), 0.0, weights).astype(np.float32),
            np.concatenate([[0], np.cumsum(lengths)[:-1]]),
            np.array(places),
            index,
            mask,
        ]
        return [torch.from_numpy(t) for t in tensors], torch.from_numpy(labels)


def tags_of(language: Language) -> list[str]:
    """The categories that notes of a language have."""
    return [name for name in CATEGORIES if name in language.categories]


def tagged(note: Note, tags: Sequence[str]) -> Tagged:
    """Tokens of the view and the tag of each: 0, or 1 + the number of its category."""
    text, spans = note
    view = chinese_view(text) if "RESIDENT_ID" in tags else normalise(text)
    tokens = tokenise(view.text)
    numbers = [0] * len(tokens)
    at = 0
    for number, token in enumerate(tokens):
        start, _ = view.span(token.start, token.end)
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        if at < len(spans) and spans[at][0] <= start:
            numbers[number] = 1 + tags.index(spans[at][2])
    return tokens, numbers


# --- the words it knows ---------------------------------------------------------------------------


def word_lists(folder: Path, lang: str) -> dict[str, tuple[int, ...]]:
    """Lower-case word -> numbers of the lists that hold it."""
    found = {name: set[str]() for name in LISTS}
    if lang == "en":
        for name in ("words", "first", "last", "everyday", "capitals", "eponyms"):
            found[name] |= set(getattr(english(), name))
    else:
        lexicon = chinese()
        found["words"] |= lexicon.words
        found["first"] |= lexicon.given | lexicon.given_names
        found["last"] |= lexicon.single | lexicon.compound
        found["everyday"] |= lexicon.telling
        found["frequent"] |= lexicon.frequent
        found["seen"] |= lexicon.seen
    lists_of = {kind: name for name, kinds in KINDS[lang].items() for kind in kinds.split()}
    for path in sorted(folder.glob("*.txt")):
        name = lists_of.get(path.stem, lists_of.get(path.stem.split("_")[0]))
        if name is None:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.rpartition(", ")[0] if path.stem == "city_us" else line
            shortest = 2 if lang == "en" else 1
            words = re.findall(r"[^\W\d_]+", normalise(text).text.lower())
            found[name] |= {word for word in words if len(word) >= shortest}
    lists: dict[str, list[int]] = {}
    for number, name in enumerate(LISTS):
        for word in found[name]:
            if lang == "en" and name in ("places", "organisations") and word in found["words"]:
                continue  # "center", "street": ordinary words say nothing here
            lists.setdefault(word, []).append(number)
    return {word: tuple(numbers) for word, numbers in lists.items()}


# --- foreign text ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    name: str
    notes: list[Tagged]


def foreign(path: Path, tags: Sequence[str]) -> Checked:
    """Gold notes that the tagger is judged on."""
    notes: list[Tagged] = []
    for gold in read_gold(path):
        text, spans = gold.note.text, []
        for span in sorted(gold.spans, key=lambda s: s.start):
            category = FOREIGN_TYPES.get(span.category, span.category)
            ages = [int(n) for n in re.findall(r"\d+", text[span.start : span.end])]
            if category in tags and not (category == "AGE" and ages and max(ages) < 90):
                spans.append((span.start, span.end, category))
        notes.append(tagged((text, spans), tags))
    return Checked(path.parent.name + "/" + path.stem, notes)


Rates = tuple[float, float, float, float]
"""Recall and precision of letters and digits, share of clean notes touched, F1."""


def measure(
    model: Model, batcher: Batcher, check: Checked, thresholds: Sequence[float]
) -> list[Rates]:
    """:data:`Rates` of a model that is being trained, per threshold."""
    model.eval()
    private: list[np.ndarray] = []
    with torch.no_grad():
        for start in range(0, len(check.notes), 64):
            part = check.notes[start : start + 64]
            tensors, _ = batcher.batch(part, 0.0)
            chances = 1 - F.softmax(model(*tensors, 0.0), -1)[..., 0].numpy()
            private += [chances[i, : len(tokens)] for i, (tokens, _) in enumerate(part)]
    model.train()
    return rates(check, private, thresholds)


def rates(
    check: Checked, private: Sequence[np.ndarray], thresholds: Sequence[float]
) -> list[Rates]:
    """:data:`Rates` per threshold, from each token's chance of being PHI."""
    lengths = [
        np.array([(t.end - t.start) * t.text[0].isalnum() for t in tokens])
        for tokens, _ in check.notes
    ]
    golds = [np.array(tags) > 0 for _, tags in check.notes]
    found: list[Rates] = []
    for threshold in thresholds:
        hit = total = picked = touched = clean = 0
        for chance, length, gold in zip(private, lengths, golds, strict=True):
            taken = (chance >= threshold) & (length > 0)
            hit += int(length[taken & gold].sum())
            total += int(length[gold].sum())
            picked += int(length[taken].sum())
            if not gold.any():
                clean += 1
                touched += bool(taken.any())
        recall, precision = hit / max(1, total), hit / max(1, picked)
        f1 = 2 * recall * precision / max(1e-9, recall + precision)
        found.append((recall, precision, touched / max(1, clean), f1))
    return found


# --- training -------------------------------------------------------------------------------------


def main() -> None:
    args = arguments()
    if args.card:
        return write_card(args, LANGUAGES[args.lang])
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


@torch.no_grad()
def average(slow: Model, fast: Model, step: int) -> None:
    """Let ``slow`` follow ``fast``: an exponential mean of its weights over some 300 steps."""
    weight = max(0.003, 20 / (step + 20))
    for one, other in zip(slow.parameters(), fast.parameters(), strict=True):
        one.lerp_(other, weight)


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


MORE = {
    "en": "; notes of `llmsafe synth`; passages\n  of public prose (MedQuAD, OpenStax, open-access "
    "trial reports; CC BY)",
    "zh": "; notes of `llmsafe synth\n  --lang zh` and `zh-Hant`"
    "; ordinary prose (laws and regulations of the PRC, Tatoeba, recipes; see\n"
    "  `scripts/phi_ner/README.md`) in which people, places and firms took the place of others",
}
OPTIONS = {"en": "", "zh": " --prose TEXTS --steps 2600 --notes 40"}
CARD = """# PHI tagger ({lang})

A token tagger of {parameters:,} parameters ({megabytes:.1f} MB in half precision): hashed features
of each token (word, affixes, character n-grams, shape, word lists), {layers} residual convolutions
of width {width}, one of {tags} categories or none. numpy runs it; see
`llmsafe/scrub/detect/tagger.py`.

- **Made by** `scripts/train_phi_ner.py --lang {lang}{options}` (seed 0) from `scripts/phi_ner/`:
  {templates:,} templates ({clean:,} of them without PHI) that the project wrote by hand, filled
  anew each time from word lists that it wrote too{more}.
- **Checkpoint** chosen on the files below and on the templates that are held out, not on notes of
  the generator.
- **Seen of the generator**: names and phrases of the audiences {seen}, with other seeds.
  What is measured on `llmsafe synth` notes of these is no figure for names and phrases unseen.
- **Not seen**: the unseen halves of the stress sets. The development halves were read while the
  last templates were written and the thresholds set: figures on them flatter.
- **Licence** Apache-2.0, weights and lists.
- **Use** as one layer of `llmsafe scrub`, beside rules and known identifiers. Alone it misses what
  the table says, and it has seen no real patient's note: measure on yours.

Tagger alone, tokens from a chance of {threshold:g} on, letters and digits counted:

| gold | recall | precision | notes without PHI touched |
| --- | ---: | ---: | ---: |
{rows}
"""


def write_card(args: argparse.Namespace, language: Language) -> None:
    """The README of a trained tagger, measured on the weights as they are shipped."""
    tagger, tags = load_tagger(args.out), tags_of(language)
    templates = read_templates(args.templates, language)
    rows = []
    for path in args.check:
        check = foreign(path, tags)
        chances = [1 - tagger.probabilities(tokens)[:, 0] for tokens, _ in check.notes]
        [(recall, precision, touched, _)] = rates(check, chances, [tagger.threshold])
        cells = (f"{100 * value:.1f} %" for value in (recall, precision, touched))
        rows.append(f"| {check.name} | {' | '.join(cells)} |")
    weights = tagger.weights
    arrays = [weights.table, weights.project, weights.place, weights.out, weights.out_bias]
    for group in (weights.kernels, weights.biases, weights.scales, weights.shifts):
        arrays += group
    text = CARD.format(
        lang=args.lang,
        parameters=sum(array.size for array in arrays),
        megabytes=(args.out / "model.safetensors").stat().st_size / 1e6,
        layers=len(weights.dilations),
        width=weights.out.shape[0],
        tags=len(tags),
        templates=len(templates),
        clean=sum(template.clean for template in templates),
        more=MORE[args.lang],
        options=OPTIONS[args.lang],
        seen=", ".join(AUDIENCES[args.lang]),
        threshold=tagger.threshold,
        rows="\n".join(rows),
    )
    (args.out / "README.md").write_text(text, encoding="utf-8")


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
