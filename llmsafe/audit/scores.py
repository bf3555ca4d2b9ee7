"""The score table: what the model says about every token of every text, before and after.

One pass over the target and one over the base, on the same batches, gives per token all that the
membership, exposure and verbatim-extraction measures need. The table is streamed to a private
parquet file and read back, so that every figure of an audit can be computed again without the
model. It holds no text; it is un-noised and stays in the vault.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmsafe.audit.forward import (
    STATS,
    Encoded,
    Role,
    Text,
    TokenStats,
    default_batch_tokens,
    encode,
    plan_batches,
    score_batch,
)
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import make_folder

if TYPE_CHECKING:
    from llmsafe.audit.target import Target

Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], object]]]
"""``progress(label, total)`` opens a progress bar; its value is called with each advance."""

_VERSION = "1"
_ROWS_PER_GROUP = 512


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
    kinds = [pa.float32(), pa.bool_(), pa.int32(), pa.float32(), pa.float32()]
    lists = [
        pa.field(f"{prefix}_{name}", pa.list_(kind))
        for prefix in ("target", "base")
        for name, kind in zip(STATS, kinds, strict=True)
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
        for name in STATS:
            record[f"{prefix}_{name}"] = None if stats is None else getattr(stats, name)
    return record
