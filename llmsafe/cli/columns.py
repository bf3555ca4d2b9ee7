"""Options that name the columns of a corpus, the same for every verb that reads one."""

from __future__ import annotations

from typing import Annotated

import typer

TextColumn = Annotated[str, typer.Option("--text-column", help="Column that holds the note.")]
IdColumn = Annotated[
    str | None,
    typer.Option("--id-column", help="Column of the note id.", show_default="note_id if present"),
]
PatientColumn = Annotated[
    str | None,
    typer.Option(
        "--patient-column",
        help="Column of the patient id; makes the patient the privacy unit.",
        show_default="patient_id if present",
    ),
]
DateColumn = Annotated[
    str | None,
    typer.Option("--date-column", help="Column of the date.", show_default="date if present"),
]
