"""Where an audit's files go: what may be published to the release, the rest to the vault."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import VAULT, locked_folder, make_folder, sha256_file, staged_folder
from llmsafe.seal.policy import LOG, POLICY
from llmsafe.seal.store import keep_access

if TYPE_CHECKING:
    from llmsafe.audit.loading import Place

AUDIT, PAGE, SCORES = "audit.json", "audit.html", "scores.parquet"
PUBLISHED = (AUDIT, PAGE)
_OURS = ("scores*.parquet", "shadows.json", "measured.json", "canary_outcomes.json")


@contextmanager
def audit_files(place: Place, out: Path | None, *, force: bool) -> Generator[Path, None, None]:
    """Yield a private folder to write into; its files move where they belong if all goes well.

    In a run folder ``PUBLISHED`` go to release/ and everything else to vault/, in place of what an
    earlier audit left there, and lineage and card take the audit up; elsewhere all goes to one
    folder with a vault/ of its own. If something fails once all is scored, the tables are kept,
    and no older page stays beside them.

    Raises:
        InputError: an earlier audit without ``force``, or a folder that holds other files.
        SetupError: a folder cannot be written.
    """
    if out is None and place.vault is not None:
        with _in_run(place.weights, place.vault, force=force) as stage:
            yield stage
    else:
        source = place.vault or place.weights
        with _in_folder(out_folder(place, out), source, force=force) as stage:
            yield stage


@contextmanager
def _in_run(release: Path, vault: Path, *, force: bool) -> Generator[Path, None, None]:
    check_absent(release / AUDIT, force=force)
    for folder in (release, vault):
        if not os.access(folder, os.W_OK):
            raise SetupError(f"{folder} cannot be written; give --out, or the right to write")
    with locked_folder(vault, keep_lock=False):
        check_absent(release / AUDIT, force=force)  # another process may have come between
        with _writing(vault):
            for left in vault.glob(".audit.*"):  # of an audit that was killed
                shutil.rmtree(left, ignore_errors=True)
            stage = Path(tempfile.mkdtemp(prefix=".audit.", dir=vault))
        try:
            yield stage
            with _writing(vault):
                _move(stage, release, vault)
            take_up(release, vault)
        except BaseException:
            if _keeps_scores(stage):
                with _writing(vault):
                    for name in PUBLISHED:
                        (release / name).unlink(missing_ok=True)
                    _move(stage, release, vault)
                take_up(release, vault)
            raise
        finally:
            shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def _in_folder(folder: Path, source: Path, *, force: bool) -> Generator[Path, None, None]:
    # The whole folder is replaced, so it must be one that an audit made: never a run or a home.
    ours = {*PUBLISHED, VAULT, POLICY, LOG}
    strangers = {p.name for p in folder.iterdir()} - ours if folder.is_dir() else {}
    if strangers or (folder / VAULT / "lineage.json").exists():
        raise InputError(f"--out {folder} holds other files; name a folder of its own")
    failure: BaseException | None = None
    with staged_folder(folder, force=force) as stage:
        keep_access(source, stage)
        vault = make_folder(stage / VAULT, private=True)
        try:
            yield vault
            for name in PUBLISHED:
                (vault / name).replace(stage / name)
        except BaseException as error:
            if not _keeps_scores(vault):
                raise
            failure = error
    if failure is not None:
        raise failure


@contextmanager
def _writing(folder: Path) -> Generator[None, None, None]:
    """The disk's refusal as one line; only around what writes: nothing else may be called so."""
    try:
        yield
    except OSError as error:
        raise SetupError(f"cannot write {folder}: {error.strerror}") from error


def _keeps_scores(stage: Path) -> bool:
    """Whether an audit that failed had scored everything; a half-written page is dropped."""
    from llmsafe.audit.run import MEASURED
    from llmsafe.cli.common import say

    if not (stage / MEASURED).is_file():
        return False
    for name in PUBLISHED:
        (stage / name).unlink(missing_ok=True)
    say("the scores are kept; assess them by llmsafe audit --from-scores, with the same --out")
    return True


@contextmanager
def assessed_again(
    place: Place, out: Path | None, *, force: bool
) -> Generator[tuple[Path, Path], None, None]:
    """Yield where an earlier audit lies, with its vault held alone; then lineage and card follow.

    Raises:
        InputError: an earlier audit without ``force``, or another process at it.
    """
    published, vault = earlier_audit(place, out)
    check_absent(published / AUDIT, force=force)
    if not vault.is_dir():
        raise EvidenceError(f"{vault} holds no scores of an audit; audit without --from-scores")
    with locked_folder(vault, keep_lock=False):
        check_absent(published / AUDIT, force=force)
        yield published, vault
        if published == place.weights:
            take_up(published, vault)


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


def take_up(release: Path, vault: Path) -> None:
    """Name the audit in the lineage of the run, in place of an earlier one, and in its card.

    Of an audit that failed after scoring there is no more to name than what it measured.
    """
    from llmsafe import __version__
    from llmsafe.artifacts import Lineage, LineageStep, Measured
    from llmsafe.audit.run import MEASURED
    from llmsafe.report.card import write_card

    model = Measured.load(vault / MEASURED).model
    path = vault / "lineage.json"
    files = {"audit": release / AUDIT, "page": release / PAGE, "measured": vault / MEASURED}
    if path.is_file():
        step = LineageStep(
            step="audit",
            version=__version__,
            inputs={"adapter": model.weights_digest},
            outputs={name: sha256_file(file) for name, file in files.items() if file.is_file()},
        )
        steps = [one for one in Lineage.load(path).steps if one.step != "audit"]
        Lineage(steps=[*steps, step]).save(path, private=True)
    if (release / "privacy.json").is_file() and model.adapter_parameters is not None:
        write_card(release)


def _move(stage: Path, release: Path, vault: Path) -> None:
    """New files first; then what an earlier audit left and this one has not written."""
    names = {path.name for path in stage.iterdir()}
    for name in sorted(names):
        (stage / name).replace((release if name in PUBLISHED else vault) / name)
    for old in (path for pattern in _OURS for path in vault.glob(pattern)):
        if old.name not in names:
            old.unlink()
