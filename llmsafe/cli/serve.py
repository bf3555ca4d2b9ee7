"""``llmsafe serve``: an OpenAI-compatible endpoint behind an output guard."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmsafe.errors import InputError, SetupError

if TYPE_CHECKING:
    from llmsafe.scrub.known.matcher import Identity
    from llmsafe.serve.endpoint import Policy
    from llmsafe.serve.finders import Finders
    from llmsafe.serve.source import Source

UPSTREAM_KEY = "LLMSAFE_UPSTREAM_KEY"


def serve(
    release: Annotated[
        str | None,
        typer.Argument(help="Run, release, PEFT adapter, model folder or hub id."),
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option(help="Guard this OpenAI-compatible server instead, http://HOST:PORT."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Of --upstream: which of its models.", show_default="the first"),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model of an adapter: folder or hub id.")
    ] = None,
    signed_by: Annotated[
        Path | None,
        typer.Option(help="Public key (PEM) of a release's maker; a signed one needs it."),
    ] = None,
    guard: Annotated[
        str, typer.Option(help="mask: replace PHI by its category. block: end the response.")
    ] = "mask",
    known_identifiers: Annotated[
        list[Path] | None,
        typer.Option(help="Identities that must never come out, as for scrub. Repeatable."),
    ] = None,
    recognizer: Annotated[
        list[str] | None,
        typer.Option(help="Your own Presidio recogniser, module:name. Repeatable."),
    ] = None,
    lang: Annotated[str, typer.Option(help="en, zh, or auto: by the letters.")] = "auto",
    canaries: Annotated[
        Path | None,
        typer.Option(help="Tripwires: the vault's canaries.json, or its --hash-canaries."),
    ] = None,
    on_canary: Annotated[
        str,
        typer.Option(help="When one comes out: unhealthy (answer nothing more), or stop (go on)."),
    ] = "unhealthy",
    keys: Annotated[
        Path | None, typer.Option(help="File of hashed API keys; needed off loopback.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a response.")] = 1024,
    per_minute: Annotated[int, typer.Option(min=1, help="Requests a minute of a key.")] = 60,
    concurrent: Annotated[int, typer.Option(min=1, help="Generations at a time.")] = 4,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Add a key to --keys, print it once, and end.")
    ] = False,
    hash_canaries: Annotated[
        Path | None,
        typer.Option(help="Write the hashes of --canaries, for a server without the vault."),
    ] = None,
) -> None:
    """Serve a model to OpenAI clients; PHI in what it says is masked or blocked.

    Every response goes through the scrubber's engine before it leaves, streamed ones too: text is
    held back until it can no longer become a part of PHI. A guard that fails ends the response.
    A canary that comes out ends it, and with --on-canary unhealthy the service. Counts are at
    /metrics, health at /health; nothing is written of what is asked or answered.

    A release is verified as llmsafe verify does before it is loaded, with the key of --signed-by;
    without that key a signed one is refused, and with it whatever is not signed.

    The guard misses what the scrubber misses, and what a model spells or encodes. Names that
    stand-ins left in a model are masked as any others.

    \b
    Examples:
      llmsafe serve runs/dp_lora
      llmsafe serve runs/dp_lora/release --canaries runs/dp_lora/vault/canaries.json
      llmsafe serve mine-release --signed-by hospital.pub
      llmsafe serve mine-release --signed-by hospital.pub --guard block
      llmsafe serve --upstream http://127.0.0.1:8001 --canaries tripwires.json
      llmsafe serve --keys keys.json --new-key
      llmsafe serve --canaries vault/canaries.json --hash-canaries tripwires.json
      llmsafe serve mine-release --signed-by hospital.pub --host 0.0.0.0 --keys keys.json
    """
    if new_key:
        _new_key(keys)
        return
    if hash_canaries is not None:
        _hash_canaries(canaries, hash_canaries)
        return
    if (release is None) == (upstream is None):
        raise InputError("give a model to serve, or --upstream URL of a server to guard")
    _need_packages()
    from llmsafe.cli.common import say
    from llmsafe.serve.access import Access, load_keys
    from llmsafe.serve.app import build_app
    from llmsafe.serve.endpoint import Endpoint, Limits
    from llmsafe.serve.server import bind, check_host, run

    # Whatever can be wrong is found before the model is loaded.
    allowed = load_keys(keys) if keys else None
    if allowed is not None and not allowed.keys:
        raise InputError(f"{keys} holds no key; make one with --new-key")
    hosts = check_host(host, keys=allowed is not None)
    policy = _policy(guard, canaries, on_canary)
    _check_release(release, signed_by, base)
    known = _known(known_identifiers or [])
    listening = bind(host, port)
    finders = _finders(known, recognizer or [], lang, min(concurrent, os.cpu_count() or 1))
    try:
        source = _source(_Model(release, base, device, dtype), upstream, model)
        finders.check()
        endpoint = Endpoint(
            source,
            finders.find,
            policy=policy,
            limits=Limits(tokens=max_tokens, concurrent=concurrent),
        )
        app = build_app(endpoint, Access(allowed, per_minute), hosts=hosts)
        where = listening.getsockname()

        def started() -> None:
            wires = f", {len(policy.tripwires)} tripwires" if policy.tripwires else ""
            say(f"guard: {policy.mode}{wires}; keys: {'needed' if allowed else 'none'}")
            shown = f"[{where[0]}]" if ":" in where[0] else where[0]
            say(f"{source.name} at http://{shown}:{where[1]}/v1; stop it with Ctrl-C")

        run(app, listening, started=started)
    finally:
        finders.close()


@dataclass(frozen=True)
class _Model:
    path: str | None
    base: str | None
    device: str
    dtype: str


def _new_key(keys: Path | None) -> None:
    from llmsafe.cli.common import say
    from llmsafe.serve.access import make_key

    if keys is None:
        raise InputError("--new-key needs --keys FILE, the file that its hash is added to")
    key = make_key(keys)
    say(f"the key is shown this once; {keys} holds its hash")
    print(key)


def _hash_canaries(canaries: Path | None, target: Path) -> None:
    from llmsafe.canary.draw import load_manifest
    from llmsafe.cli.common import finish, say
    from llmsafe.serve.tripwires import make_tripwires

    if canaries is None:
        raise InputError("--hash-canaries needs --canaries, the vault's canaries.json")
    if target.exists():
        raise InputError(f"{target} exists; name another file or remove it yourself")
    made = make_tripwires(load_manifest(canaries))
    say(f"{sum(map(len, made.digests.values()))} secrets of planted canaries, hashed")
    if made.left_out:
        say(f"{made.left_out} left out: a model may say them by chance")
    finish([made.save(target, private=True)])


def _need_packages() -> None:
    from importlib.util import find_spec

    missing = [
        n for n in ("starlette", "uvicorn", "httpx2", "prometheus_client") if not find_spec(n)
    ]
    if missing:
        raise SetupError(f"serving needs {', '.join(missing)}; pip install 'llmsafe[serve]'")


def _policy(guard: str, canaries: Path | None, on_canary: str) -> Policy:
    from llmsafe.serve.endpoint import Policy, check_on_canary
    from llmsafe.serve.guard import check_mode
    from llmsafe.serve.tripwires import Tripwires, read_tripwires

    return Policy(
        mode=check_mode(guard),
        tripwires=Tripwires(read_tripwires(canaries)) if canaries else None,
        on_canary=check_on_canary(on_canary),
    )


def _known(tables: list[Path]) -> Identity | None:
    from llmsafe.scrub.known.identities import read_identities
    from llmsafe.serve.finders import everybody

    if not tables:
        return None
    identities, shared = read_identities(tables)
    return everybody([*identities.values(), *([shared] if shared else [])])


def _check_release(path: str | None, signed_by: Path | None, base: str | None) -> None:
    from llmsafe.cli.common import say
    from llmsafe.release.verify import verify_served

    if path is None:
        if signed_by is not None:
            raise InputError("--signed-by is for a release; an --upstream is not seen")
        return
    for remark in verify_served(path, signed_by, base=base):
        say(f"note: {remark}")


def _finders(known: Identity | None, recognisers: list[str], lang: str, count: int) -> Finders:
    from llmsafe.scrub.detect.language import check_lang
    from llmsafe.serve.finders import Finders

    return Finders(count=count, known=known, recognisers=recognisers, lang=check_lang(lang))


def _source(own: _Model, upstream: str | None, model: str | None) -> Source:
    from llmsafe.cli.common import quiet_libraries, say

    if upstream is not None:
        from llmsafe.serve.upstream import Upstream, first_model, readable_on_the_way

        if readable_on_the_way(upstream):
            say(
                f"note: prompts go to {upstream} unencrypted; use https unless the network is yours"
            )
        key = os.environ.get(UPSTREAM_KEY)
        return Upstream(upstream, model or first_model(upstream, key), key=key)
    from llmsafe.audit.loading import check_dtype
    from llmsafe.audit.target import open_target
    from llmsafe.serve.local import LocalModel

    assert own.path is not None
    quiet_libraries()
    target = open_target(own.path, base=own.base, device=own.device, dtype=check_dtype(own.dtype))
    if target.privacy is not None and not target.privacy.private:
        say("note: this model is NOT PRIVATE; the guard is a net, and no promise stands behind it")
    return LocalModel(target)
