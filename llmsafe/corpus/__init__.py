"""Reading and writing corpora.

Read and written: jsonl, parquet, csv. Read only: a folder of txt, FHIR ndjson (bulk export), HL7 v2
messages, C-CDA documents, a hub id. Files of text may be gzipped (``notes.jsonl.gz``).

A corpus path may also be a folder that ``scrub``, ``canary`` or ``synth`` made (its ``corpus/``
subfolder is read). Nothing is cached. A record that cannot be read is never left out in silence:
:meth:`Corpus.records` says which it is and why, by file and line and rule, never by its content,
and :meth:`Corpus.notes` refuses it.
"""

from llmsafe.corpus.records import MAX_CHARACTERS, Bad, Columns, note_to_row
from llmsafe.corpus.source import (
    SHARD_NOTES,
    Corpus,
    Format,
    open_corpus,
    write_corpus,
    written_format,
)

__all__ = [
    "MAX_CHARACTERS",
    "SHARD_NOTES",
    "Bad",
    "Columns",
    "Corpus",
    "Format",
    "note_to_row",
    "open_corpus",
    "write_corpus",
    "written_format",
]
