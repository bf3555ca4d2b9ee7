"""``sbom.cdx.json``: the files of a release and the packages that made it, in CycloneDX 1.6."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from llmsafe.artifacts import Release
from llmsafe.errors import SetupError
from llmsafe.files import sha256_file, write_text

SBOM = "sbom.cdx.json"


def write_sbom(folder: Path, release: Release) -> Path:
    """List every file that lies in ``folder`` with its SHA-256, its base and the packages.

    Packages are those that llmsafe needs and that are installed, with theirs.

    Raises:
        SetupError: the package that writes CycloneDX is not installed.
    """
    from cyclonedx import model
    from cyclonedx.model import bom as boms
    from cyclonedx.model import component as components
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    # Its decorators hide the constructors of its classes from a type checker.
    Component: Any = components.Component
    Property: Any = model.Property
    HashType: Any = model.HashType
    ComponentType, HashAlgorithm = components.ComponentType, model.HashAlgorithm

    def sha256(digest: str) -> list[Any]:
        return [HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))]

    whole = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=release.name,
        version=release.made_on.isoformat(),
        bom_ref="release",
        properties=[
            Property(name="llmsafe:form", value=release.form),
            Property(name="llmsafe:method", value=release.method),
            Property(name="llmsafe:weights", value=release.weights_digest),
        ],
    )
    bom: Any = boms.Bom()
    bom.metadata.timestamp = bom.metadata.timestamp.replace(microsecond=0)
    bom.metadata.component = whole
    base = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=release.base,
        bom_ref="base",
        properties=[Property(name="llmsafe:weights", value=release.base_digest)],
    )
    parts: list[Any] = [base]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        digest = sha256_file(path)
        parts.append(
            Component(
                type=ComponentType.FILE, name=name, bom_ref=f"file:{name}", hashes=sha256(digest)
            )
        )
    packages: list[Any] = []
    for name, version in packages_of("llmsafe"):
        purl = PackageURL(type="pypi", name=name, version=version)
        packages.append(
            Component(
                type=ComponentType.LIBRARY,
                name=name,
                version=version,
                purl=purl,
                bom_ref=str(purl),
            )
        )
    for part in (*parts, *packages):
        bom.components.add(part)
    bom.register_dependency(whole, [*parts, *packages])
    return write_text(folder / SBOM, JsonV1Dot6(bom).output_as_string(indent=2) + "\n")


def check_writer() -> None:
    """Raises SetupError when the package that writes CycloneDX is not installed."""
    try:
        import cyclonedx  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise SetupError(
            "a release needs the package cyclonedx-python-lib; pip install llmsafe[release]"
        ) from error


def packages_of(name: str) -> list[tuple[str, str]]:
    """A distribution and all that it needs and that is installed: (normal name, version)."""
    found: dict[str, str] = {}
    left = [name]
    while left:
        one = _normal(left.pop())
        if one in found:
            continue
        try:
            distribution = metadata.distribution(one)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed, or another platform's
        found[one] = distribution.version
        left += _needs(distribution, extras=one == _normal(name))
    return sorted(found.items())


def _needs(distribution: metadata.Distribution, *, extras: bool) -> Iterator[str]:
    """Names that it requires; those of its extras, but the developers', if ``extras``."""
    for line in distribution.requires or ():
        of_extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        if of_extra and (not extras or of_extra.group(1) == "dev"):
            continue
        named = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
        if named:
            yield named.group()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
