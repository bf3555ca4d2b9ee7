"""Open what is audited: a run, a release, an adapter, a full model or a hub id.

All become one :class:`Target`: a causal language model, its tokenizer, the model before
fine-tuning where it is known, and the evidence that the run left behind.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmsafe.artifacts import AuditedModel, PrivacyStatement, Unmeasured
from llmsafe.audit.evidence import Evidence, check_base, read_evidence
from llmsafe.audit.loading import (
    Dtype,
    Kind,
    Place,
    attach,
    context_of,
    load_causal,
    load_tokenizer,
    locate,
)
from llmsafe.errors import EvidenceError, InputError
from llmsafe.models import check_weights, folder_of, pick_device, public_name

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_DEFAULT_MAX_TOKENS = 512


@dataclass(frozen=True, repr=False)
class Target:
    """The model under audit and all that is known about it.

    The model before fine-tuning is the same model with its adapter off (``adapter``) or a second
    model (``reference``); :meth:`base` yields whichever there is.
    """

    kind: Kind
    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    adapter: bool
    reference: PreTrainedModel | None
    base_name: str | None
    weights_digest: str
    parameters: int
    adapter_parameters: int | None
    privacy: PrivacyStatement | None
    evidence: Evidence
    release: Path | None
    context: int
    unmeasured: tuple[Unmeasured, ...]

    @property
    def has_base(self) -> bool:
        """Whether the model before fine-tuning can be scored too."""
        return self.adapter or self.reference is not None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @contextmanager
    def base(self) -> Generator[PreTrainedModel, None, None]:
        """The model before fine-tuning, for the length of a ``with`` block.

        Raises:
            EvidenceError: it is not known.
        """
        if self.reference is not None:
            yield self.reference
        elif self.adapter:
            with cast("Any", self.model).disable_adapter():
                yield self.model
        else:
            raise EvidenceError(f"{self.name}: no base model is known; name it with --base")

    def max_tokens(self, wanted: int | None = None) -> int:
        """Tokens per text: what was asked for, else as in training, else 512; within the context.

        Raises:
            InputError: ``wanted`` is over the context of the model, or under 8.
        """
        if wanted is None:
            return min(self.evidence.max_tokens or _DEFAULT_MAX_TOKENS, self.context)
        if not 8 <= wanted <= self.context:
            raise InputError(
                f"--max-tokens {wanted} is outside 8..{self.context}, the context of {self.name}"
            )
        return wanted

    def described(self) -> AuditedModel:
        """The part of ``audit.json`` that names the model; no local path."""
        return AuditedModel(
            kind=self.kind,
            name=self.name,
            base=self.base_name,
            weights_digest=self.weights_digest,
            parameters=self.parameters,
            adapter_parameters=self.adapter_parameters,
        )


def open_target(
    path: str | Path | Place,
    *,
    base: str | None = None,
    device: str = "auto",
    dtype: Dtype = "auto",
) -> Target:
    """Load the model at ``path`` with everything known about it.

    The base of an adapter is the one that the vault's lineage says training was given, else the
    one that its configuration names (of a local folder, a release shows no more than its name).
    ``base`` replaces it, or is the model before fine-tuning of a full model.

    ``dtype`` ``auto`` is float32 on a CPU and for models under 1.5 billion parameters, else the
    precision the weights are stored in. Nothing reaches the network unless the user
    allowed it (``HF_HUB_OFFLINE=0``) and ``path`` or ``base`` is a hub id.

    Raises:
        InputError: nothing there, no weights, a pickle checkpoint, an adapter that does not fit
            its base, no causal language model.
        EvidenceError: lineage, privacy statement and weights do not belong together.
        SetupError: a hub id that is not at hand, a missing device.
    """
    where = pick_device(device)
    place = path if isinstance(path, Place) else locate(str(path))
    privacy, evidence, missing = read_evidence(place)
    reference = None
    if place.adapter:
        name = base or evidence.base or place.base_name()
        folder = _base_folder(name, place, given=base is not None)
        missing += check_base(name, evidence)
        model = attach(load_causal(folder, where, dtype), place.weights)
        own = (place.weights / "tokenizer.json").is_file()
        tokenizer = load_tokenizer(place.weights if own else folder)
    else:
        name = base or (evidence.base if place.made else None)
        model = load_causal(place.weights, where, dtype)
        tokenizer = load_tokenizer(place.weights)
        if name is not None:
            folder = _base_folder(name, place, given=base is not None)
            missing += check_base(name, evidence)
            reference = load_causal(folder, where, dtype)
            _check_same_vocabulary(model, reference, name)
        else:
            why = "a full model does not name what it was fine-tuned from; give it with --base"
            missing.append(Unmeasured(what="comparison with the base model", why=why))
    return Target(
        kind=place.kind,
        name=place.name,
        model=model,
        tokenizer=tokenizer,
        adapter=place.adapter,
        reference=reference,
        base_name=None if name is None else public_name(name),
        weights_digest=place.digest(),
        parameters=sum(int(p.numel()) for p in model.parameters()),
        adapter_parameters=place.adapter_parameters(),
        privacy=privacy,
        evidence=evidence,
        release=place.weights if place.kind in ("run", "release") else None,
        context=context_of(model),
        unmeasured=tuple(missing),
    )


def _base_folder(name: str, place: Place, *, given: bool) -> Path:
    try:
        folder = folder_of(name)
        check_weights(folder)
        return folder
    except InputError as error:
        if given:
            raise InputError(f"--base: {error}") from error
        raise InputError(
            f"base model {name!r}, named by {place.name}, cannot be used ({error}); "
            "point to it with --base PATH"
        ) from error


def _check_same_vocabulary(model: Any, reference: Any, name: str) -> None:
    ours, theirs = model.config.vocab_size, reference.config.vocab_size
    if ours != theirs:
        raise InputError(
            f"--base {name}: {theirs} tokens in its vocabulary, the model has {ours}; "
            "give the model it was fine-tuned from"
        )
