"""Public text for `pretrain_base.py`: readers, tokenizer, token files, batches."""

from __future__ import annotations

import csv
import gzip
import hashlib
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
# A pre-token is a contraction, a word, ONE digit, a run of symbols, or white space. Numbers are
# split so that a secret costs as many tokens as it has digits, whatever the tokenizer saw.
SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"


@dataclass(frozen=True)
class Data:
    lang: str  # en: prose and synthetic notes; zh: what `pretrain_zh.py` makes
    synthetic_patients: int
    synthetic_seed: int
    holdout: float  # share of documents kept back, by hash of their key
    tokenizer_megabytes: float  # per source, so that the largest does not own the vocabulary


@dataclass(frozen=True)
class Stage:
    until: float  # share of the budget at which the stage ends
    context: int
    batch: int  # rows per micro-batch
    accumulate: int
    mix: dict[str, float]  # source -> weight; a source that was not prepared is left out


# ------------------------------------------------------------------------------ public text

Document = tuple[str, str]  # key that groups what must be kept back together, text


def jsonl(path: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def read_trials(prose: Path) -> Iterator[Document]:
    """Open-access trial reports without their back matter; section labels as plain headings."""
    back = re.compile(
        r"COMPETING|CONTRIBUTIONS|PRE-PUBLICATION|ABBREVIATIONS|SUPPLEMENTARY|SUPPORTING INFO"
        r"|ACKNOWLEDG|FUNDING|REFERENCES|CONSENT FOR PUBL|AVAILABILITY OF|DISCLOSURE"
    )
    label = re.compile(r"^ ?(?:TITLE|(?:ABSTRACT|BODY)(?:\.[^\n]{1,120})?):", re.M)
    for row in jsonl(prose / "evidence_inference_pmc" / "pmc_rct_ccby.jsonl.gz"):
        text = row["text"]
        starts = [m.start() for m in label.finditer(text)] + [len(text)]
        parts = [text[a:b].strip() for a, b in itertools.pairwise(starts)]
        kept = [
            re.sub(r"^(?:ABSTRACT|BODY)\.(?:\d+\. )?", "", p)
            for p in parts
            if not back.search(p.split(":", 1)[0].upper())
        ]
        yield row["id"], "\n\n".join(kept)


def read_medquad(prose: Path) -> Iterator[Document]:
    for row in jsonl(prose / "medquad" / "medquad.jsonl.gz"):
        yield row["url"], f"{row['question'].strip()}\n{row['answer'].strip()}"


def read_openstax(prose: Path) -> Iterator[Document]:
    for row in jsonl(prose / "openstax_health" / "openstax_health.jsonl.gz"):
        yield row["id"], f"{row['title'].strip()}\n{row['text'].strip()}"


def read_aci(prose: Path) -> Iterator[Document]:
    for name in ("train.csv", "valid.csv"):
        with (prose / "aci-bench" / name).open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                yield row["encounter_id"], row["note"].strip()


def read_primock(prose: Path) -> Iterator[Document]:
    for path in sorted((prose / "primock57" / "notes").glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))["note"].strip()


PROSE: dict[str, Callable[[Path], Iterator[Document]]] = {
    "trials": read_trials,
    "medquad": read_medquad,
    "openstax": read_openstax,
    "aci": read_aci,
    "primock": read_primock,
}
FOLDERS = {
    "trials": "evidence_inference_pmc",
    "medquad": "medquad",
    "openstax": "openstax_health",
    "aci": "aci-bench",
    "primock": "primock57",
}


def read_synthetic(seed: int, count: int) -> Iterator[Document]:
    from llmsafe.synthetic import patients

    for index, patient in enumerate(patients(seed, count, audience="public")):
        for note in patient.notes:
            yield f"public-{index}", note.text


# ------------------------------------------------------------------------------ prepare


def kept_back(key: str, share: float) -> bool:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") < share * 2**32


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE: every text round-trips; `<s>` is prepended on encode, `</s>` is not added."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A {BOS}:1 $B:1",
        special_tokens=[(BOS, bpe.token_to_id(BOS))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def write_tokens(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast, path: Path) -> int:
    """`<s> text </s>` of every text, end to end, as uint16. Returns the number of tokens."""
    eos, total = tokenizer.eos_token_id, 0
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        for chunk in batched(texts, 256):
            for row in tokenizer.backend_tokenizer.encode_batch(chunk):
                np.asarray([*row.ids, eos], dtype=np.uint16).tofile(out)
                total += len(row.ids) + 1
    partial.rename(path)
    return total


def markdown(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [header, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


@dataclass(frozen=True)
class Corpus:
    """The documents of a language by source, and those its vocabulary is learnt on."""

    sources: dict[str, Callable[[], Iterator[Document]]]
    sample: tuple[Callable[[], Iterator[Document]], ...]
    facts: Callable[[PreTrainedTokenizerFast, str], str] = lambda tokenizer, trained: ""


def english(data: Data, prose: Path | None) -> Corpus:
    if prose is None:
        sys.exit("--prose-dir is needed for English; it holds one folder per source")
    if missing := [name for name in FOLDERS.values() if not (prose / name).is_dir()]:
        sys.exit(f"{prose}: lacks {', '.join(missing)}; --prose-dir holds one folder per source")
    sources: dict[str, Callable[[], Iterator[Document]]] = {
        name: (lambda read=read: read(prose)) for name, read in PROSE.items()
    }
    # Prose alone: invented names, many as they are, should not earn merges of their own.
    sample = tuple(sources.values())
    if data.synthetic_patients:
        sources["synthetic"] = lambda: read_synthetic(data.synthetic_seed, data.synthetic_patients)
    return Corpus(sources, sample)


def chinese(data: Data) -> Corpus:
    import pretrain_zh as zh

    notes = (data.synthetic_seed, data.synthetic_patients)
    return Corpus(
        {
            "synthetic": lambda: zh.read_synthetic(*notes),
            "templates": lambda: zh.read_templates(data.synthetic_seed),
        },
        (lambda: zh.tokenizer_sample(*notes),),
        zh.facts,
    )


def prepare(data: Data, vocabulary: int, prose: Path | None, work: Path) -> None:
    """Write `tokenizer.json`, `SOURCE.{train,heldout}.bin`, held-out texts, `data.md`, `facts.md`.

    A tokenizer that is there already is kept, so sources can be added to a run under way.
    """
    corpus = chinese(data) if data.lang == "zh" else english(data, prose)
    work.mkdir(parents=True, exist_ok=True)

    def sample() -> Iterator[str]:
        for read in corpus.sample:
            left = data.tokenizer_megabytes * 1e6
            # The few real notes are small and matter most: a source may come round 8 times.
            for key, text in itertools.chain.from_iterable(read() for _ in range(8)):
                if kept_back(key, data.holdout):
                    continue
                yield text
                left -= len(text)
                if left < 0:
                    break

    if not (work / "tokenizer.json").exists():
        train_tokenizer(sample(), vocabulary).save_pretrained(work)
    tokenizer = AutoTokenizer.from_pretrained(work)
    rows: list[list[str]] = []
    trained: list[str] = []
    for name, read in corpus.sources.items():
        for split in ("heldout", "train"):
            path = work / f"{name}.{split}.bin"
            held = split == "heldout"
            texts = [t for k, t in read() if kept_back(k, data.holdout) == held and t]
            trained += [] if held else texts
            tokens = write_tokens(texts, tokenizer, path)
            if held:
                with gzip.open(work / f"{name}.heldout.jsonl.gz", "wt", encoding="utf-8") as out:
                    out.writelines(json.dumps({"text": t}) + "\n" for t in texts)
            characters = sum(map(len, texts))
            each = f"{characters / tokens:.2f}" if tokens else "-"
            rows.append([name, split, f"{len(texts):,}", f"{characters:,}", f"{tokens:,}", each])
            print(*rows[-1], flush=True)
    header = ["source", "split", "documents", "characters", "tokens", "characters a token"]
    (work / "data.md").write_text(markdown(header, rows) + "\n", encoding="utf-8")
    facts = corpus.facts(tokenizer, "\n".join(trained))
    (work / "facts.md").write_text(facts + "\n", encoding="utf-8")


# ------------------------------------------------------------------------------ batches


class Source:
    """Rows of one token file, each epoch cut at a fresh offset and visited in a fresh order.

    Row `k` depends on (seed, context, k) alone, so a resumed run continues where it was.
    """

    def __init__(self, path: Path, context: int, seed: int) -> None:
        self.tokens = np.memmap(path, dtype=np.uint16, mode="r")
        self.width, self.seed, self.epoch = context + 1, seed, -1
        self.rows = (len(self.tokens) - 1) // self.width - 1
        self.order = np.empty(0, dtype=np.int64)
        self.offset = 0
        if self.rows < 1:
            sys.exit(f"{path.name}: {len(self.tokens)} tokens are fewer than two rows")

    def row(self, k: int) -> np.ndarray:
        epoch, index = divmod(k, self.rows)
        if epoch != self.epoch:
            rng = np.random.default_rng([self.seed, self.width, epoch])
            self.order, self.offset = rng.permutation(self.rows), int(rng.integers(self.width))
            self.epoch = epoch
        start = self.offset + int(self.order[index]) * self.width
        return self.tokens[start : start + self.width].astype(np.int64)


class Mixture:
    """Draws rows from several sources; `counts` (rows taken per source) is its whole state."""

    def __init__(self, work: Path, stage: Stage, seed: int, counts: dict[str, int]) -> None:
        weights = {n: w for n, w in stage.mix.items() if (work / f"{n}.train.bin").exists()}
        self.names, self.counts, self.context = list(weights), counts, stage.context
        self.weights = np.array(list(weights.values())) / sum(weights.values())
        self.sources = [Source(work / f"{n}.train.bin", stage.context, seed) for n in self.names]
        self.seed = seed

    def batch(self, step: int, rows: int) -> torch.Tensor:
        """[rows, context + 1] token ids."""
        rng = np.random.default_rng([self.seed, step])
        out = np.empty((rows, self.context + 1), dtype=np.int64)
        for i, which in enumerate(rng.choice(len(self.names), size=rows, p=self.weights)):
            key = f"{self.names[which]}@{self.context}"
            out[i] = self.sources[which].row(self.counts.get(key, 0))
            self.counts[key] = self.counts.get(key, 0) + 1
        return torch.from_numpy(out)
