"""Base models and tokens: what training and audit must do in exactly the same way.

Only safetensors weights are loaded, never a pickle; ``trust_remote_code`` does not exist here.
"""

from __future__ import annotations

import functools
import importlib.resources
import importlib.util
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmsafe.errors import InputError, SetupError
from llmsafe.files import sha256_files

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = "llmsafe:"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def resolve_model(name: str) -> str:
    """``llmsafe:base-en`` -> the folder of the embedded model; anything else is returned as it is.

    Raises:
        InputError: no embedded model has this name (those there are listed), or a path at which
            there is nothing.
    """
    if not name.startswith(EMBEDDED):
        # A path says so by its form; anything else may be a hub id.
        if (name.startswith((".", "/", "~")) or name.count("/") > 1) and not Path(name).exists():
            raise InputError(f"model {name} does not exist; give a model folder or a hub id")
        return name
    assets = Path(str(importlib.resources.files("llmsafe"))) / "assets"
    folder = assets / name.removeprefix(EMBEDDED)
    if not (folder / "config.json").is_file():
        known = sorted(EMBEDDED + p.parent.name for p in assets.glob("*/config.json"))
        raise InputError(f"no embedded model {name!r}; embedded: {', '.join(known)}")
    return str(folder)


def check_weights(folder: Path, *, stem: str = "model") -> None:
    """Refuse a local folder that has no safetensors weights.

    Raises:
        InputError: the folder is missing, holds a pickle checkpoint only, or no weights at all.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give a model folder or a hub id (owner/name)")
    if any(folder.glob(f"{stem}*.safetensors")):
        return
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
    if pickles:
        raise InputError(
            f"{folder} holds {pickles[0]}, a pickle that can run code when it is loaded; only "
            "safetensors is accepted: convert it with save_pretrained(..., safe_serialization=True)"
        )
    raise InputError(f"{folder} has no weights; it needs {stem}.safetensors beside its config")


def folder_of(name: str) -> Path:
    """A local folder for a path, an embedded name or a hub id (its snapshot, never a pickle).

    Raises:
        InputError: there is none, or the hub id is not at hand.
    """
    path = Path(resolve_model(name))
    if path.is_dir():
        return path
    if path.exists():
        raise InputError(f"{name} is a file; give the folder that holds the model")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise InputError(f"{name} does not exist; give a folder or a hub id (owner/name)")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    offline = os.environ.get("HF_HUB_OFFLINE", "1") != "0"
    wanted = ["*.json", "*.safetensors", "*.model", "*.txt"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted, local_files_only=offline))
    except HFValidationError as error:
        raise InputError(f"{name} is neither a folder nor a hub id (owner/name)") from error
    except (HfHubHTTPError, OSError) as error:
        way = "set HF_HUB_OFFLINE=0 to allow a download, or " if offline else "check the name, or "
        raise InputError(
            f"{name} is no folder and not in the local model cache; {way}give a folder"
        ) from error


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Tokenizer of a model folder, an embedded model or a hub id."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # notes longer than the context are cut here, on purpose
    try:
        return AutoTokenizer.from_pretrained(resolve_model(name))
    except (OSError, ValueError) as error:
        raise SetupError(_not_loaded("tokenizer", name)) from error


def context_length(name: str) -> int | None:
    """Tokens that a model's positions reach, from its configuration; ``None`` where it says none.

    Raises:
        SetupError: there is no configuration to read.
    """
    from transformers import AutoConfig

    try:
        config: Any = AutoConfig.from_pretrained(resolve_model(name))
    except (OSError, ValueError) as error:
        raise SetupError(_not_loaded("model", name)) from error
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def load_model(
    name: str, *, dtype: torch.dtype | None = None, four_bit: bool = False
) -> PreTrainedModel:
    """Causal language model, safetensors only, in evaluation mode, on the CPU.

    ``dtype`` defaults to float32. ``four_bit`` stores the linear layers as NF4 and computes in
    ``dtype`` (QLoRA, arXiv:2305.14314, section 3); such a model lies on the GPU when there is one.

    Raises:
        InputError: a local folder without safetensors weights, or without some of the model's.
        SetupError: a hub id that is not in the cache while offline, or cannot be loaded, or 4 bits
            without bitsandbytes.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # bars for a few shards would bury the verbs' own output
    path = resolve_model(name)
    if Path(path).exists():
        check_weights(Path(path))
    dtype = dtype or torch.float32
    more = _four_bit(dtype) if four_bit else {}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, use_safetensors=True, output_loading_info=True, **more
        )
    except (OSError, ValueError) as error:
        raise SetupError(_not_loaded("model", name)) from error
    model, info = loaded
    check_complete(public_name(name), info["missing_keys"])
    for module in model.modules() if four_bit else ():
        # In evaluation bitsandbytes repacks weights for a CPU kernel that has no backward pass.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model.eval()


def check_complete(name: str, missing: Collection[str]) -> None:
    """Refuse a model some of whose weights were not in its files: they would be random.

    Raises:
        InputError: ``missing`` names weights.
    """
    if missing:
        raise InputError(
            f"{name} lacks {len(missing)} weights of a causal language model (first: "
            f"{min(missing)}), which would be random; give a complete one, not an encoder or a "
            "classifier"
        )


def _four_bit(dtype: torch.dtype) -> dict[str, Any]:
    import torch
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise SetupError(
            "a base in 4 bits needs the package bitsandbytes; pip install llmsafe[4bit], or set "
            "model.quantisation=none"
        )
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    more: dict[str, Any] = {"quantization_config": config}
    if torch.cuda.is_available():
        more["device_map"] = {"": torch.cuda.current_device()}
    return more


def checkpoint_layers(model: torch.nn.Module) -> None:
    """Keep only the layers' inputs for the backward pass and compute the rest again there.

    Less memory for about a third more time. transformers' own switch works in training mode only,
    which would also switch on dropout; so the layers are wrapped here.

    Raises:
        InputError: the model's layers cannot be checkpointed.
    """
    from torch.utils.checkpoint import checkpoint
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    if not layers:
        raise InputError(
            f"{type(model).__name__} has no layers that can be checkpointed; set "
            "model.gradient_checkpointing=false and a smaller train.tokens_per_batch"
        )
    for layer in layers:
        again = functools.partial(checkpoint, layer.forward, use_reentrant=False)
        setattr(layer, "forward", again)  # noqa: B010


@dataclass(frozen=True, repr=False)
class CutModel:
    """A causal language model cut before its head, so that logits can be had a few at a time.

    ``logits(hidden(ids)[some])`` are the model's own logits at those places.
    """

    body: Any
    head: Any
    scale: float
    cap: float | None

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """[rows, time] token ids -> [rows, time, hidden] states."""
        return self.body(input_ids=ids, use_cache=False).last_hidden_state

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., hidden] -> [..., vocabulary], in the precision in which the model computes them."""
        raw = self.head(hidden)
        logits = raw if self.scale == 1 else raw * self.scale
        return logits if self.cap is None else self.cap * (logits / self.cap).tanh()


def cut_model(model: torch.nn.Module) -> CutModel | None:
    """Body and head of a causal language model, or ``None`` where they cannot be told apart.

    What comes after the head (nothing, a factor as in Cohere and Granite, a soft cap as in Gemma 2)
    is not assumed: what the configuration names is tried on a few fixed tokens, and only a cut that
    gives the model's own logits to the last digits is returned. An adapter that acts before the
    body (prompt tuning) has none. With an adapter the answer holds for its present state, on or
    off.

    Raises:
        InputError: a token's logits change with the tokens after it: no causal model.
    """
    import torch

    get_base: Any = getattr(model, "get_base_model", None)
    causal: Any = get_base() if get_base else model
    body, head = getattr(causal, "base_model", None), causal.get_output_embeddings()
    config: Any = causal.config.get_text_config()
    device = next(causal.parameters()).device
    row = torch.arange(1, 17, device=device) * 7919 % int(config.vocab_size)
    ids = torch.stack([row, torch.cat([row[:12], row[12:].flip(0)])])  # one start, two ends
    with torch.inference_mode():
        whole: torch.Tensor = model(input_ids=ids, use_cache=False).logits[:, -ids.shape[1] :]
        largest = float(whole.abs().max())
        changed = float((whole[0, :12] - whole[1, :12]).abs().max())
        half = torch.finfo(whole.dtype).bits < 32
        if changed > (0.1 if half else 1e-3) * largest:
            raise InputError(
                f"{type(causal).__name__} lets a token see the tokens after it, so what it says "
                "about a token means nothing; give a causal language model"
            )
        if head is None or body is None or body is causal:
            return None
        hidden = getattr(body(input_ids=ids, use_cache=False), "last_hidden_state", None)
        if hidden is None or hidden.shape[:2] != ids.shape:
            return None
        for scale, cap in _after_head(config):
            cut = CutModel(body, head, scale, cap)
            try:
                logits = cut.logits(hidden)
            except RuntimeError:  # the head takes another width: something lies between
                return None
            same = logits.shape == whole.shape and logits.dtype == whole.dtype
            if same and float((logits - whole).abs().max()) <= 8 * largest * _digits(whole):
                return cut
    return None


def _after_head(config: Any) -> Iterator[tuple[float, float | None]]:
    """Factors and soft caps that a configuration may mean, the likeliest first."""
    cap = getattr(config, "final_logit_softcapping", None)
    names = ("logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier")
    named = [getattr(config, name, None) for name in names]
    factors = [float(f) for f in named if isinstance(f, (int, float)) and f]
    for factor in (*(g for f in factors for g in (f, 1 / f)), 1.0):
        if cap is not None:
            yield factor, float(cap)
        yield factor, None


def _digits(values: torch.Tensor) -> float:
    import torch

    return torch.finfo(values.dtype).eps


def _not_loaded(what: str, name: str) -> str:
    offline = os.environ.get("HF_HUB_OFFLINE", "1") != "0"
    way = "set HF_HUB_OFFLINE=0 to allow a download, or " if offline and "/" in name else ""
    return f"cannot load {what} {name!r}; {way}give the path of a model folder"


def encode_note(
    tokenizer: PreTrainedTokenizerBase, text: str, max_tokens: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """Token ids ``[BOS] text [EOS]`` and the character span of each, at most ``max_tokens``.

    A text too long is cut and then has no EOS: its end was not seen. BOS and EOS have the empty
    span (0, 0). BOS is left out for a tokenizer without one. Text is tokenised as one piece, so a
    secret is cut out of the result by offsets, never tokenised alone.
    """
    encoded: Any = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids: list[int] = list(encoded["input_ids"])
    spans: list[tuple[int, int]] = [(int(a), int(b)) for a, b in encoded["offset_mapping"]]
    bos: Any = tokenizer.bos_token_id
    eos: Any = tokenizer.eos_token_id
    if bos is not None:
        ids, spans = [bos, *ids], [(0, 0), *spans]
    if eos is not None:
        ids, spans = [*ids, eos], [*spans, (0, 0)]
    return ids[:max_tokens], spans[:max_tokens]


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` takes CUDA when it is there.

    Raises:
        InputError: the name is neither auto, cpu nor cuda.
        SetupError: CUDA is asked for and absent.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise InputError(f"device {name!r} is unknown; choose auto, cpu or cuda")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError(f"device {name!r} asked for, but torch sees no GPU; use --device cpu")
    return torch.device(name)


def weights_digest(name: str) -> str:
    """Digest of a local or embedded model's safetensors; a hub id stands for itself."""
    folder = Path(resolve_model(name))
    if not folder.is_dir():
        return f"hub:{name}"
    return sha256_files(folder.glob("*.safetensors"))


def public_name(name: str) -> str:
    """What a release says of its base: a hub id or embedded name as it is, of a folder its name.

    A path tells of the machine and of the hospital that owns it.
    """
    return Path(name).resolve().name if Path(name).is_dir() else name
