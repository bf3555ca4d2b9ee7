"""Where an audit's files go: what may be published to the release, the rest to the vault."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llmsafe.errors import InputError, SetupError
from llmsafe.files import LOCK, VAULT, locked_folder, make_folder, sha256_file, staged_folder

if TYPE_CHECKING:
    from llmsafe.artifacts import Audit
    from llmsafe.audit.loading import Place

AUDIT, PAGE, SCORES = "audit.json", "audit.html", "scores.parquet"
PUBLISHED = (AUDIT, PAGE)
_OURS = ("scores*.parquet", "shadows.json", "measured.json", "canary_outcomes.json")


@contextmanager
def audit_files(place: Place, out: Path | None, *, force: bool) -> Generator[Path, None, None]:
    """Yield a private folder to write into; its files move where they belong if all goes well.

    In a run folder ``PUBLISHED`` go to release/ and everything else to vault/, in place of what an
    earlier audit left there; elsewhere all goes to one folder with a vault/ of its own.

    Raises:
        InputError: an earlier audit without ``force``, or a folder that holds other files.
    """
    if out is None and place.vault is not None:
        release, vault = place.weights, place.vault
        check_absent(release / AUDIT, force=force)
        for folder in (release, vault):
            if not os.access(folder, os.W_OK):
                raise SetupError(f"{folder} cannot be written; give --out, or the right to write")
        with locked_folder(vault):
            for left in vault.glob(".audit.*"):  # of an audit that was killed
                shutil.rmtree(left, ignore_errors=True)
            stage = Path(tempfile.mkdtemp(prefix=".audit.", dir=vault))
            try:
                yield stage
                _move(stage, release, vault)
            except OSError as error:
                raise SetupError(f"cannot write {vault}: {error.strerror}") from error
            finally:
                shutil.rmtree(stage, ignore_errors=True)
                (vault / LOCK).unlink(missing_ok=True)  # nothing stays of a refused audit
        return
    folder = out_folder(place, out)
    # The whole folder is replaced, so it must be one that an audit made: never a run or a home.
    strangers = {p.name for p in folder.iterdir()} - {*PUBLISHED, VAULT} if folder.is_dir() else {}
    if strangers or (folder / VAULT / "lineage.json").exists():
        raise InputError(f"--out {folder} holds other files; name a folder of its own")
    with staged_folder(folder, force=force) as stage:
        yield make_folder(stage / VAULT, private=True)
        for name in PUBLISHED:
            (stage / VAULT / name).replace(stage / name)


def earlier_audit(place: Place, out: Path | None) -> tuple[Path, Path]:
    """Folders that an earlier audit wrote: of what is published, and of its tables."""
    if out is None and place.vault is not None:
        return place.weights, place.vault
    folder = out_folder(place, out)
    return folder, folder / VAULT


def out_folder(place: Place, out: Path | None) -> Path:
    """The folder of an audit outside of a run."""
    return out or Path(f"audit-{place.name.replace('/', '-')}")


def check_absent(path: Path, *, force: bool) -> None:
    """Raises InputError if an audit is there and may not be replaced."""
    if path.exists() and not force:
        raise InputError(f"{path} exists; pass --force to replace it, or give --out")


def take_up(result: Audit, release: Path, vault: Path) -> None:
    """Name the audit in the lineage of the run, in place of an earlier one, and in its card."""
    from llmsafe import __version__
    from llmsafe.artifacts import Lineage, LineageStep
    from llmsafe.audit.run import MEASURED
    from llmsafe.report.card import write_card

    path = vault / "lineage.json"
    if path.is_file():
        step = LineageStep(
            step="audit",
            version=__version__,
            inputs={"adapter": result.model.weights_digest},
            outputs={
                "audit": sha256_file(release / AUDIT),
                "page": sha256_file(release / PAGE),
                "measured": sha256_file(vault / MEASURED),
            },
        )
        steps = [one for one in Lineage.load(path).steps if one.step != "audit"]
        Lineage(steps=[*steps, step]).save(path, private=True)
    if (release / "privacy.json").is_file() and result.model.adapter_parameters is not None:
        write_card(release)


def _move(stage: Path, release: Path, vault: Path) -> None:
    """New files first; then what an earlier audit left and this one has not written."""
    names = {path.name for path in stage.iterdir()}
    for name in sorted(names):
        (stage / name).replace((release if name in PUBLISHED else vault) / name)
    for old in (path for pattern in _OURS for path in vault.glob(pattern)):
        if old.name not in names:
            old.unlink()
