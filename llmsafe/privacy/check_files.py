"""Do release and vault hold what they may, under the modes they must have?"""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from llmsafe.artifacts import CanaryManifest
from llmsafe.errors import EvidenceError
from llmsafe.files import VAULT
from llmsafe.privacy.evidence import Absent, files_in, present, read_object, short
from llmsafe.seal.keys import needed_key
from llmsafe.seal.log import read_log
from llmsafe.seal.policy import LOG, POLICY
from llmsafe.seal.store import key_for, load_policy, log_place, sealed_file

_RELEASE_SUFFIXES = {".safetensors", ".json", ".md", ".html", ".svg", ".png", ".jinja", ".model"}
_VAULT_NAMES = {"ledger.jsonl", "canaries.json", "lineage.json", "metrics.jsonl", "split.json"}
_MOST_SCANNED = 256 * 2**20


def safe_files(release: Path) -> str:
    files = files_in(release)
    for path in files:
        name = path.relative_to(release)
        if path.is_symlink():
            raise EvidenceError(f"{name} is a link; a release holds plain files only")
        if path.name in _VAULT_NAMES:
            raise EvidenceError(f"{name} belongs into the vault and may not leave the building")
        if path.suffix.lower() not in _RELEASE_SUFFIXES:
            raise EvidenceError(
                f"{name} is of no kind a release may hold (weights are safetensors, never pickle)"
            )
        with path.open("rb") as file:
            head = file.read(2)
        # Pickle protocol 2 and up, or the zip that torch.save writes around one.
        if head == b"PK" or (head[:1] == b"\x80" and path.suffix != ".safetensors"):
            raise EvidenceError(f"{name} holds a pickle or zip under another name; remove it")
    return f"{len(files)} files"


def no_path(release: Path) -> str:
    config = read_object(present(release / "adapter_config.json"))
    name = config.get("base_model_name_or_path")
    if not isinstance(name, str):
        raise Absent("adapter_config.json names no base model")
    if (
        name.startswith(("/", ".", "~"))
        or name.count("/") > 1
        or "\\" in name
        or PureWindowsPath(name).drive
    ):
        raise EvidenceError(
            "adapter_config.json names its base model by a local path, which tells of the machine "
            "it was trained on; put the last part of it, or a hub id, there"
        )
    return f"the base is {name}"


def no_secret(vault: Path, release: Path) -> str:
    manifest = CanaryManifest.load(present(vault / "canaries.json"))
    secrets = [c.text[c.secret_start : c.secret_end].encode() for c in manifest.canaries]
    files = [path for path in files_in(release) if path.stat().st_size <= _MOST_SCANNED]
    for path in files:
        data = path.read_bytes()
        found = sum(secret in data for secret in secrets)
        if found:
            raise EvidenceError(f"{path.name} holds the secrets of {found} canaries; remove it")
    return f"{len(secrets)} secrets sought in {len(files)} files"


def access(run: Path) -> str:
    place = run / POLICY
    if not (place.is_file() and sealed_file(place)):
        # No other file of a run lies beside its log: only a policy made one there.
        if (run / LOG).is_file() and sealed_file(run / LOG):
            raise EvidenceError(f"{POLICY} is gone or spoilt, and {LOG} is there; restore it")
        raise Absent("the run is not sealed by a policy")
    key = needed_key()
    policy, log = load_policy(run, key), log_place(run, run.absolute())
    lines = read_log(log, key_for(log, key)) if log.is_file() else []
    if not lines:
        raise EvidenceError(f"{log.name} is gone: who opened what is not known; restore it")
    clear = [path for path in files_in(run / VAULT) if not _sealed_or_empty(path)]
    if clear:
        names = ", ".join(str(path.relative_to(run)) for path in clear[:3])
        more = f" and {len(clear) - 3} more" if len(clear) > 3 else ""
        raise EvidenceError(f"{names}{more} lie in clear in a sealed run; llmsafe seal the run")
    return (
        f"sealed for {len(policy.key_ids())} keys in {len(policy.roles)} roles; {len(lines)} lines "
        f"of the log, unbroken, the last {short(lines[-1].hash)}"
    )


def _sealed_or_empty(path: Path) -> bool:
    return not path.is_symlink() and (path.stat().st_size == 0 or sealed_file(path))


def modes(vault: Path) -> str:
    if not vault.is_dir():
        raise Absent("no vault/")
    places = [vault, *sorted(vault.rglob("*"))]
    open_places = [p for p in places if not p.is_symlink() and p.stat().st_mode & 0o077]
    if open_places:
        names = ", ".join(str(place.relative_to(vault.parent)) for place in open_places[:3])
        more = f" and {len(open_places) - 3} more" if len(open_places) > 3 else ""
        raise EvidenceError(
            f"others may read {names}{more}; chmod -R u=rwX,go= the vault, and see who did"
        )
    return f"{len(places)} files and folders are the owner's alone"
