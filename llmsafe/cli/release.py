"""``llmsafe release``: a run becomes what may leave the building, or the reasons why not."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from llmsafe.errors import InputError


class Bits(str, Enum):
    """What ``--quantise`` takes."""

    int8 = "int8"
    int4 = "int4"


def release(
    run: Annotated[Path, typer.Argument(help="Run folder that training wrote, audited.")],
    policy: Annotated[
        str, typer.Option(help="Policy file (YAML), or a shipped one: release, strict.")
    ],
    key_file: Annotated[
        Path | None,
        typer.Option(help="Private key to sign with: elliptic curve, PEM, mode 0600."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: RUN-release beside the run.")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Add the adapter to its base: one whole model.")
    ] = False,
    quantise: Annotated[
        Bits | None,
        typer.Option(help="Merge, and store linear layers in 8 or 4 bits (needs an extra)."),
    ] = None,
    device: Annotated[str, typer.Option(help="For the audit: auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="release.json on stdout.")] = False,
) -> None:
    """Make, audit, judge and sign what leaves the building.

    Refuses a run without statement, ledger, lineage or audit, or with one that is broken (exit 3).
    Then the artefact is made as it will ship, attacked anew by the same attacks as the run's own
    audit, and judged by the policy on its own figures. What fails is not written (exit 1); its
    audit is kept in OUT-refused. What passes is described (card, statement, both audits, SBOM,
    compliance.md), signed and verified, and appears all at once. On any failure the run is
    untouched. Nothing of the vault enters a release.

    Weights are quantised by rounding alone, without any text. The private key never goes into the
    release; hand the public half on by another way. A passphrase is read from
    LLMSAFE_SIGNING_PASSPHRASE.

    \b
    Make a key once:
      openssl ecparam -name prime256v1 -genkey -noout -out signing.pem
      openssl ec -in signing.pem -pubout -out signing.pub; chmod 600 signing.pem

    \b
    Examples:
      llmsafe release runs/mine --policy release --key-file signing.pem
      llmsafe release runs/mine --policy hospital.yaml --merge --key-file signing.pem
      llmsafe release runs/mine --policy strict --quantise int8 --key-file signing.pem --out m-int8
    """
    from llmsafe.audit.verdict import load_policy
    from llmsafe.cli.audit import detector, quiet
    from llmsafe.cli.common import emit_json, finish, progress, say
    from llmsafe.release.build import Order, refused
    from llmsafe.release.build import release as build
    from llmsafe.release.signing import MAKE_KEY
    from llmsafe.report.tables import print_comparison

    if key_file is None:
        raise InputError(f"a release is signed: give --key-file; make a key once by {MAKE_KEY}")
    rules = load_policy(policy)
    place = run.resolve()
    order = Order(
        run=run,
        policy=rules,
        form=quantise.value if quantise else "merged" if merge else "adapter",
        key=key_file,
        out=out or place.with_name(f"{place.name}-release"),
        device=device,
    )
    quiet()
    try:
        note, audit, parent = build(order, detector=detector, progress=progress)
    except Exception:
        page = refused(order.out) / "audit.html"
        if page.is_file():
            say(f"the audit that decided is kept: {page}")
        raise
    if as_json:
        emit_json(note.model_dump(mode="json"))
    else:
        print_comparison([("this release", audit), ("adapter as trained", parent)])
    say(f"verdict: {audit.verdict.status} (policy {rules.name}); signed and verified")
    say(f"key: SHA-256 {note.signer}; hand the public half on by another way than the release")
    finish([order.out], as_json=as_json)
