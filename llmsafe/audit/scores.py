"""The score table: what the model says about every token of every text, before and after.

One pass over the target and one over the base, on the same batches, gives per token all that the
membership, exposure and verbatim-extraction measures need. The table is streamed to a private
parquet file and read back, so that every figure of an audit can be computed again without the
model. It holds no text; it is un-noised and stays in the vault.

Several processes share the batches: each streams a part file beside the table, and the leader joins
the parts. Batches are those of one process, so the scores are too (bit for bit, where devices and
threads are).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmsafe.audit.forward import (
    DEFAULT_SAMPLER,
    STATS,
    Encoded,
    Role,
    Sampler,
    Scorer,
    Text,
    TokenStats,
    encode,
    plan_batches,
)
from llmsafe.audit.ranks import ALONE, Ranks, clean_end
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import atomic_file, open_file

if TYPE_CHECKING:
    from llmsafe.audit.target import Target

Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], object]]]
"""``progress(label, total)`` opens a progress bar; its value is called with each advance."""

_VERSION = "2"  # 2: what a sampler draws; which sampler
_ROWS_PER_GROUP = 512
_TURN = 1.0  # seconds


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
    """All rows of an audit; the order carries no meaning.

    ``sampler`` is the one that the column ``sampled`` speaks of.
    """

    rows: tuple[Row, ...]
    max_tokens: int
    sampler: Sampler = DEFAULT_SAMPLER

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


# --- the table ----------------------------------------------------------------------------------


def score_texts(
    target: Target,
    texts: Sequence[Text],
    path: Path,
    *,
    max_tokens: int,
    batch_tokens: int | None = None,
    sampler: Sampler = DEFAULT_SAMPLER,
    ranks: Ranks = ALONE,
    progress: Progress = silence,
) -> ScoreTable:
    """Score all texts by target and base into the parquet file ``path`` (0600); read it back.

    With no text the table is empty. ``batch_tokens`` bounds the padded tokens of a batch; the
    default suits device and memory. ``progress`` hears how many texts are done. The file appears
    complete or not at all.

    Of several processes each must be given the same texts and gets the same table; the file is
    the leader's ``path``, on a disk that all of them see. When one fails, the others end too.

    Raises:
        InputError: two texts with one id and role; a model that gives no finite score.
        SetupError: the file cannot be written, a batch does not fit the device, or another
            process failed or was given other texts.
    """
    if len({(text.role, text.text_id) for text in texts}) != len(texts):
        raise InputError("ids repeat among the texts of one role; make them unique")
    encoded = [encode(target.tokenizer, text, max_tokens) for text in texts]
    # Without a BOS an empty text has no scored token, and there is nothing to say about it.
    encoded = [item for item in encoded if item.scored > 0]
    metadata = {"schema_version": _VERSION, "max_tokens": str(max_tokens)}
    metadata |= {f"sampler.{name}": str(value) for name, value in asdict(sampler).items()}
    with clean_end():
        scoring = _Scoring(target, sampler)
        budget = batch_tokens or scoring.batch_tokens
        batches = plan_batches([len(item.ids) for item in encoded], budget)
        path = _same_work(ranks, path, encoded, batches)
        mine = batches[ranks.index :: ranks.size]
        with _part(path, ranks) as part:
            total = sum(len(batch) for batch in mine)
            shown = progress if ranks.leader else silence
            with _writer(part, metadata) as parquet, shown("texts", total) as advance:
                waiting: list[dict[str, Any]] = []
                left = iter([[encoded[index] for index in batch] for batch in mine])
                while found := scoring.turn(left, budget):
                    waiting += found
                    if len(waiting) >= _ROWS_PER_GROUP:
                        _flush(parquet, waiting)
                    advance(len(found))
                _flush(parquet, waiting)
            if ranks.size > 1:
                _join(path, ranks, metadata, len(encoded))
        table = read_scores(path)
        ranks.wait()  # the leader may move the file once it goes on
    return table


class _Scoring:
    """Target and base, each in its state, on the same batches."""

    def __init__(self, target: Target, sampler: Sampler) -> None:
        pad = cast("int", target.tokenizer.pad_token_id or 0)
        self._target = target
        self._ours = Scorer(target.model, pad, sampler)
        self._theirs: Scorer | None = None
        if target.has_base:
            with target.base() as base:
                self._theirs = Scorer(base, pad, sampler)

    @property
    def batch_tokens(self) -> int:
        both = (self._ours, self._theirs or self._ours)
        return min(scorer.batch_tokens for scorer in both)

    def turn(self, batches: Iterator[list[Encoded]], budget: int) -> list[dict[str, Any]]:
        """Records of as many of the batches as the target scores in ``_TURN`` seconds.

        Putting an adapter off and on again takes as long as a small batch: not once for each.
        """
        taken: list[list[Encoded]] = []
        ours: list[TokenStats] = []
        theirs: list[TokenStats] = []
        began = time.monotonic()
        try:
            for batch in batches:
                taken.append(batch)
                ours += self._ours(batch)
                if time.monotonic() - began > _TURN:
                    break
            if self._theirs is not None and taken:
                with self._target.base():
                    for batch in taken:
                        theirs += self._theirs(batch)
        except RuntimeError as error:  # out of memory: one class on a GPU, another on a CPU
            if "memory" not in str(error):
                raise
            raise SetupError(
                f"a batch of {budget} tokens does not fit the device; use --batch-tokens "
                f"{max(1, budget // 2)}"
            ) from error
        items = [item for batch in taken for item in batch]
        pairs = zip(items, ours, theirs or [None] * len(items), strict=True)
        return [_record(*row) for row in pairs]


# --- several processes --------------------------------------------------------------------------


def _same_work(
    ranks: Ranks, path: Path, encoded: Sequence[Encoded], batches: Sequence[Sequence[int]]
) -> Path:
    """The leader's path, once it is sure that this process has the leader's batches."""
    if ranks.size == 1:
        return path
    digest = hashlib.sha256(repr(batches).encode())
    for item in encoded:
        digest.update(repr((item.source.role, item.source.text_id, item.ids)).encode())
    path, expected = ranks.agree((path.absolute(), digest.digest()))
    if digest.digest() != expected:
        raise SetupError(
            f"process {ranks.index} was given other texts than the first one; all processes of an "
            "audit must read the same files and have the same devices"
        )
    return path


@contextmanager
def _part(path: Path, ranks: Ranks) -> Generator[Path, None, None]:
    """Where this process writes: ``path`` itself, or a file beside it that is gone afterwards.

    Whoever is left removes the unfinished files of all: a process that was killed cannot.
    """
    if ranks.size == 1:
        yield path
        return
    try:
        yield _part_path(path, ranks.index)
    finally:
        for pattern in (f".{path.name}.*", f"..{path.name}.part-*"):
            for left in path.parent.glob(pattern):
                left.unlink(missing_ok=True)


def _part_path(path: Path, index: int) -> Path:
    return path.with_name(f".{path.name}.part-{index:04d}")


def _join(path: Path, ranks: Ranks, metadata: dict[str, str], expected: int) -> None:
    """The leader joins the parts when all are complete; the others wait for it."""
    import pyarrow.parquet as pq

    ranks.wait()
    if ranks.leader:
        with _writer(path, metadata) as parquet:
            rows = 0
            for index in range(ranks.size):
                with open_file(_part_path(path, index)) as file, pq.ParquetFile(file) as part:
                    for group in range(part.num_row_groups):
                        rows += part.metadata.row_group(group).num_rows
                        parquet.write_table(part.read_row_group(group))
            if rows != expected:
                raise SetupError(
                    f"the processes wrote {rows} of {expected} rows into {path.parent}; they must "
                    "share one disk"
                )
    ranks.wait()


# --- the file -----------------------------------------------------------------------------------


def read_scores(path: Path) -> ScoreTable:
    """Read a score table written by :func:`score_texts`.

    Raises:
        EvidenceError: no such file, damaged, or of another version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(path) as file:
            table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise EvidenceError(
            f"cannot read scores {path}: {type(error).__name__}; audit again"
        ) from error
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    version = metadata.get("schema_version")
    if version != _VERSION or not table.schema.equals(_schema()):
        found = f"of version {version}" if version else "no score table"
        raise EvidenceError(f"{path} is {found}; this llmsafe reads {_VERSION}: audit again")
    rows: list[Row] = []
    for batch in table.to_batches():
        rows.extend(_rows_of(batch))
    return ScoreTable(tuple(rows), int(metadata["max_tokens"]), _sampler_of(metadata))


def _sampler_of(metadata: dict[str, str]) -> Sampler:
    top_k = metadata["sampler.top_k"]
    return Sampler(
        temperature=float(metadata["sampler.temperature"]),
        top_k=None if top_k == "None" else int(top_k),
        top_p=float(metadata["sampler.top_p"]),
    )


def _rows_of(batch: Any) -> Iterator[Row]:
    plain = {name: batch.column(name).to_pylist() for name in _PLAIN}
    stats: dict[str, tuple[Any, Any]] = {}
    for prefix in ("target", "base"):
        for name in STATS:
            column: Any = batch.column(f"{prefix}_{name}")
            flat = column.values.to_numpy(zero_copy_only=False)
            stats[f"{prefix}_{name}"] = (flat, column.offsets.to_numpy())
    without: Any = batch.column("base_logp").is_null().to_pylist()

    def tokens(prefix: str, index: int) -> TokenStats:
        arrays: list[Any] = []
        for name in STATS:
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
    kinds = [pa.float32(), pa.bool_(), pa.int32(), *([pa.float32()] * 3)]
    lists = [
        pa.field(f"{prefix}_{name}", pa.list_(kind))
        for prefix in ("target", "base")
        for name, kind in zip(STATS, kinds, strict=True)
    ]
    return pa.schema([*(pa.field(n, k) for n, k in zip(_PLAIN, plain, strict=True)), *lists])


@contextmanager
def _writer(path: Path, metadata: dict[str, str]) -> Generator[Any, None, None]:
    """A parquet writer to the private file ``path``, which is there if all goes well."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema().with_metadata(metadata)
    try:
        with (
            atomic_file(path, private=True) as file,
            pq.ParquetWriter(file, schema) as parquet,
        ):
            yield parquet
    except pa.ArrowException as error:
        raise SetupError(f"cannot write {path}: {error}; free space or choose --out") from error


def _flush(parquet: Any, waiting: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    columns = {name: [row[name] for row in waiting] for name in parquet.schema.names}
    parquet.write_table(pa.table(columns, schema=parquet.schema))
    waiting.clear()


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
        for name in STATS:
            record[f"{prefix}_{name}"] = None if stats is None else getattr(stats, name)
    return record
