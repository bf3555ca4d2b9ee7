"""The score table: what the model says about every token of every text, before and after.

One pass over the target and one over the base, on the same batches, gives per token all that the
membership, exposure and verbatim-extraction measures need. The table is streamed to a private
parquet file and read back, so that every figure of an audit can be computed again without the
model. It holds no text; it is un-noised and stays in the vault.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from llmsafe.artifacts import make_folder
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.models import encode_note

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from llmsafe.audit.target import Target

Role = Literal["planted", "withheld", "member", "non_member"]
ROLES: tuple[Role, ...] = ("planted", "withheld", "member", "non_member")
FloatArray = NDArray[np.float32]

Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], object]]]
"""``progress(label, total)`` opens a progress bar; its value is called with each advance."""

_VERSION = "1"
_STATS = ("logp", "hit", "rank", "mean", "std")
_ROWS_PER_GROUP = 512
# Bytes of one batch of logits, and of one float32 block inside the log-softmax.
_LOGITS_BYTES = {"cpu": 256 << 20, "cuda": 4 << 30}
_BLOCK_BYTES = {"cpu": 16 << 20, "cuda": 512 << 20}
_MAX_BATCH_TOKENS = 16_384


@dataclass(frozen=True, repr=False)
class Text:
    """A text to score. ``secret`` is a half-open span of characters, for canaries."""

    text_id: str
    unit_id: str
    role: Role
    text: str
    secret: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"Text({self.role}, <{len(self.text)} characters>)"


@dataclass(frozen=True, repr=False)
class Encoded:
    """A text as tokens. Token t of ``ids`` is scored as entry t - 1: the first has no context.

    ``secret`` is the half-open range of scored tokens that overlap the secret; ``None`` without
    a secret, or when part of it was cut off. ``zlib_bytes`` is the compressed size of the part of
    the text that was not cut off.
    """

    source: Text
    ids: tuple[int, ...]
    secret: tuple[int, int] | None
    zlib_bytes: int

    @property
    def scored(self) -> int:
        """Number of tokens with a score."""
        return len(self.ids) - 1


@dataclass(frozen=True, repr=False)
class TokenStats:
    """Per scored token, arrays of shape [tokens], natural logarithms.

    ``logp`` log-probability of the token given all before it; ``hit`` whether it is what greedy
    decoding emits; ``rank`` number of vocabulary entries with a larger logit; ``mean`` and
    ``std`` of the log-probability of a token drawn from the model at this place (``mean`` is
    minus the entropy), as Min-K%++ needs them (arXiv 2404.02936, section 4).
    """

    logp: FloatArray
    hit: NDArray[np.bool_]
    rank: NDArray[np.int32]
    mean: FloatArray
    std: FloatArray

    def __len__(self) -> int:
        return int(self.logp.size)

    def slice(self, start: int, end: int) -> TokenStats:
        """The entries of a half-open range."""
        cut = slice(start, end)
        return TokenStats(*(getattr(self, name)[cut] for name in _STATS))


@dataclass(frozen=True, repr=False)
class Row:
    """One text of the table. ``base`` is ``None`` where no base model was at hand."""

    text_id: str
    unit_id: str
    role: Role
    zlib_bytes: int
    secret: tuple[int, int] | None
    target: TokenStats
    base: TokenStats | None


@dataclass(frozen=True, repr=False)
class ScoreTable:
    """All rows of an audit; the order carries no meaning."""

    rows: tuple[Row, ...]
    max_tokens: int

    def of(self, *roles: Role) -> list[Row]:
        """The rows of the given roles, ordered by role and id."""
        return sorted((r for r in self.rows if r.role in roles), key=lambda r: (r.role, r.text_id))

    @property
    def has_base(self) -> bool:
        """Whether every row was scored by the base model too."""
        return bool(self.rows) and all(row.base is not None for row in self.rows)


def silence(label: str, total: int | None) -> AbstractContextManager[Callable[[int], object]]:
    """Report no progress."""
    return nullcontext(lambda n: None)


# --- tokens -------------------------------------------------------------------------------------


def encode(tokenizer: PreTrainedTokenizerBase, text: Text, max_tokens: int) -> Encoded:
    """Tokenise as training does; find the secret's tokens by offsets in the whole text.

    A token that straddles the border of the secret counts as part of it.
    """
    ids, spans = encode_note(tokenizer, text.text, max_tokens)
    secret = None
    if text.secret is not None:
        start, end = text.secret
        inside = [t for t, (a, b) in enumerate(spans) if a < b and a < end and b > start]
        # The last character of the secret must be there, and the first must have a context.
        if inside and inside[0] >= 1 and spans[inside[-1]][1] >= end:
            secret = (inside[0] - 1, inside[-1])
    seen = max((b for _, b in spans), default=0)
    return Encoded(text, tuple(ids), secret, len(zlib.compress(text.text[:seen].encode())))


def plan_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of at most ``budget`` padded tokens, sorted by length, longest first.

    Sorting leaves next to no padding; the longest first shows a lack of memory at once. A text
    longer than the budget is a batch of its own.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


# --- one forward pass ---------------------------------------------------------------------------


def default_batch_tokens(vocabulary: int, device: str) -> int:
    """Tokens whose logits fill the memory set aside for them (float32), at least 512."""
    fits = _LOGITS_BYTES.get(device, _LOGITS_BYTES["cpu"]) // (4 * vocabulary)
    return max(512, min(_MAX_BATCH_TOKENS, fits))


def score_batch(model: PreTrainedModel, batch: Sequence[Encoded], pad: int) -> list[TokenStats]:
    """Token statistics of each text of a right-padded batch; one forward pass.

    The log-softmax is in float32 over blocks of real (not padding) positions, so memory is
    bounded by the logits themselves.

    Raises:
        InputError: the model gives a log-probability that is not finite.
    """
    import torch

    width = max(len(item.ids) for item in batch)
    ids = torch.full((len(batch), width), pad, dtype=torch.long)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for row, item in enumerate(batch):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        mask[row, : len(item.ids)] = 1
    # Position t predicts token t + 1; flat indices of all positions that predict a real token.
    places = torch.cat([row * width + torch.arange(item.scored) for row, item in enumerate(batch)])
    device = model.device
    with torch.inference_mode():
        output = model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
        logits = output.logits.flatten(0, 1)
        labels = ids.flatten().to(device)
        places = places.to(device)
        block = max(1, _block_bytes(device) // (4 * logits.shape[-1]))
        parts = [
            _block_stats(logits[chunk], labels[chunk + 1])
            for chunk in cast("Any", places).split(block)
        ]
    columns = [torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)]
    flat = TokenStats(*cast("Any", columns))
    if not (np.isfinite(flat.logp).all() and np.isfinite(flat.std).all()):
        raise InputError(
            "the model gives log-probabilities that are not finite: its weights are damaged, or "
            "its precision is too low for it; audit it with --dtype float32"
        )
    ends = np.cumsum([item.scored for item in batch])
    return [
        flat.slice(int(end) - item.scored, int(end)) for item, end in zip(batch, ends, strict=True)
    ]


def _block_stats(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """``logits`` [n, vocabulary], ``labels`` [n] -> logp, hit, rank, mean, std, each [n]."""
    import torch

    z = logits.float()
    hit = z.argmax(-1) == labels
    chosen = z.gather(-1, labels[:, None])
    rank = (z > chosen).sum(-1, dtype=torch.int32)
    logs = z.log_softmax(-1)
    weights = logs.exp()
    mean = (weights * logs).sum(-1)
    # Centred before squaring: E[x²] - E[x]² loses everything when the model is sure of itself.
    spread = (weights * (logs - mean[:, None]).square_()).sum(-1).clamp_min_(0).sqrt()
    return logs.gather(-1, labels[:, None]).squeeze(-1), hit, rank, mean, spread


def _block_bytes(device: torch.device) -> int:
    return _BLOCK_BYTES.get(device.type, _BLOCK_BYTES["cpu"])


# --- the table ----------------------------------------------------------------------------------


def score_texts(
    target: Target,
    texts: Sequence[Text],
    path: Path,
    *,
    max_tokens: int,
    batch_tokens: int | None = None,
    progress: Progress = silence,
) -> ScoreTable:
    """Score all texts by target and base into the parquet file ``path`` (0600); read it back.

    With no text the table is empty. ``batch_tokens`` bounds the padded tokens of a batch; the
    default fits the logits into memory.
    ``progress`` hears how many texts are done. The file appears complete or not at all.

    Raises:
        InputError: two texts with one id and role; a model that gives no finite score.
        SetupError: the file cannot be written, or a batch does not fit the device.
    """
    if len({(text.role, text.text_id) for text in texts}) != len(texts):
        raise InputError("ids repeat among the texts of one role; make them unique")
    encoded = [encode(target.tokenizer, text, max_tokens) for text in texts]
    # Without a BOS an empty text has no scored token, and there is nothing to say about it.
    encoded = [item for item in encoded if item.scored > 0]
    vocabulary = int(cast("Any", target.model.config).vocab_size)
    budget = batch_tokens or default_batch_tokens(vocabulary, target.device.type)
    pad = cast("int", target.tokenizer.pad_token_id or 0)
    metadata = {"schema_version": _VERSION, "max_tokens": str(max_tokens)}
    with _writer(path, metadata) as write, progress("texts", len(encoded)) as advance:
        for batch in plan_batches([len(item.ids) for item in encoded], budget):
            items = [encoded[index] for index in batch]
            try:
                ours = score_batch(target.model, items, pad)
                theirs: Sequence[TokenStats | None] = [None] * len(items)
                if target.has_base:
                    with target.base() as base:
                        theirs = score_batch(base, items, pad)
            except RuntimeError as error:  # out of memory: one class on a GPU, another on a CPU
                if "memory" not in str(error):
                    raise
                raise SetupError(
                    f"a batch of {budget} tokens does not fit the device; use --batch-tokens "
                    f"{max(1, budget // 2)}"
                ) from error
            write(zip(items, ours, theirs, strict=True))
            advance(len(items))
    return read_scores(path)


def read_scores(path: Path) -> ScoreTable:
    """Read a score table written by :func:`score_texts`.

    Raises:
        EvidenceError: no such file, damaged, or of another version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise EvidenceError(
            f"cannot read scores {path}: {type(error).__name__}; audit again"
        ) from error
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    if metadata.get("schema_version") != _VERSION or not table.schema.equals(_schema()):
        raise EvidenceError(f"{path} is no score table of version {_VERSION}; audit again")
    rows: list[Row] = []
    for batch in table.to_batches():
        rows.extend(_rows_of(batch))
    return ScoreTable(tuple(rows), int(metadata["max_tokens"]))


def _rows_of(batch: Any) -> Iterator[Row]:
    plain = {name: batch.column(name).to_pylist() for name in _PLAIN}
    stats: dict[str, tuple[Any, Any]] = {}
    for prefix in ("target", "base"):
        for name in _STATS:
            column: Any = batch.column(f"{prefix}_{name}")
            flat = column.values.to_numpy(zero_copy_only=False)
            stats[f"{prefix}_{name}"] = (flat, column.offsets.to_numpy())
    without: Any = batch.column("base_logp").is_null().to_pylist()

    def tokens(prefix: str, index: int) -> TokenStats:
        arrays: list[Any] = []
        for name in _STATS:
            flat, offsets = stats[f"{prefix}_{name}"]
            arrays.append(flat[offsets[index] : offsets[index + 1]])
        return TokenStats(*arrays)

    for index in range(batch.num_rows):
        start, end = plain["secret_start"][index], plain["secret_end"][index]
        yield Row(
            text_id=plain["id"][index],
            unit_id=plain["unit_id"][index],
            role=plain["role"][index],
            zlib_bytes=plain["zlib_bytes"][index],
            secret=None if start is None else (start, end),
            target=tokens("target", index),
            base=None if without[index] else tokens("base", index),
        )


_PLAIN = ("id", "unit_id", "role", "tokens", "zlib_bytes", "secret_start", "secret_end")


def _schema() -> Any:
    import pyarrow as pa

    plain = [pa.string(), pa.string(), pa.string(), *([pa.int32()] * 4)]
    kinds = [pa.float32(), pa.bool_(), pa.int32(), pa.float32(), pa.float32()]
    lists = [
        pa.field(f"{prefix}_{name}", pa.list_(kind))
        for prefix in ("target", "base")
        for name, kind in zip(_STATS, kinds, strict=True)
    ]
    return pa.schema([*(pa.field(n, k) for n, k in zip(_PLAIN, plain, strict=True)), *lists])


_Scored = Iterable[tuple[Encoded, TokenStats, TokenStats | None]]
_Write = Callable[[_Scored], None]


@contextmanager
def _writer(path: Path, metadata: dict[str, str]) -> Generator[_Write, None, None]:
    """Stream rows to a private file beside ``path``; it takes that name when all went well."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    make_folder(path.parent, private=True)
    schema = _schema().with_metadata(metadata)
    waiting: list[dict[str, Any]] = []
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror}; choose another --out") from error
    try:
        with os.fdopen(descriptor, "wb") as file, pq.ParquetWriter(file, schema) as parquet:

            def flush() -> None:
                columns = {n: [row[n] for row in waiting] for n in schema.names}
                parquet.write_table(pa.table(columns, schema=schema))
                waiting.clear()

            def write(scored: _Scored) -> None:
                waiting.extend(_record(*item) for item in scored)
                if len(waiting) >= _ROWS_PER_GROUP:
                    flush()

            yield write
            flush()
            parquet.close()
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except (OSError, pa.ArrowException) as error:
        raise SetupError(f"cannot write {path}: {error}; free space or choose --out") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def _record(item: Encoded, target: TokenStats, base: TokenStats | None) -> dict[str, Any]:
    start, end = item.secret or (None, None)
    record: dict[str, Any] = {
        "id": item.source.text_id,
        "unit_id": item.source.unit_id,
        "role": item.source.role,
        "tokens": item.scored,
        "zlib_bytes": item.zlib_bytes,
        "secret_start": start,
        "secret_end": end,
    }
    for prefix, stats in (("target", target), ("base", base)):
        for name in _STATS:
            record[f"{prefix}_{name}"] = None if stats is None else getattr(stats, name)
    return record
