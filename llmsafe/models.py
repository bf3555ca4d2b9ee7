"""Base models and tokens: what training and audit must do in exactly the same way.

Only safetensors weights are loaded, never a pickle; ``trust_remote_code`` does not exist here.
"""

from __future__ import annotations

import functools
import importlib.resources
import importlib.util
import os
from collections.abc import Collection
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
