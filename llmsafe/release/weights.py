"""The weights that ship: the adapter as it is, or merged into its base, then in 8 or 4 bits.

Weights are rounded as they are, by their own size alone, so no text is needed to quantise them and
none is read: neither the notes nor any other.
"""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmsafe.artifacts import Form
from llmsafe.audit.loading import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    Dtype,
    Place,
    attach,
    folder_of,
    load_causal,
    load_tokenizer,
)
from llmsafe.errors import EvidenceError, InputError, SetupError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

METHODS: dict[Form, str] = {
    "adapter": "the adapter as training wrote it, to be put on its base",
    "merged": "the adapter added to its base, in the base's own precision",
    "int8": "merged, then linear layers in 8-bit integers with one scale a row (torchao, "
    "weights only)",
    "int4": "merged, then linear layers in 4 bits, NF4 in blocks of 64 (bitsandbytes, weights "
    "only)",
}
_PACKAGES: dict[Form, str] = {"int8": "torchao", "int4": "bitsandbytes"}
_DTYPES: dict[str, Dtype] = {
    "float32": "float32",
    "bfloat16": "bfloat16",
    "float16": "float16",
}
# How far logits may move by rounding, as a share of their length: a few per mil in 8 bits and a
# tenth in 4 is usual, 0.7 was a file in another layout.
_ROUNDED: dict[Form, float] = {"int8": 0.1, "int4": 0.4}
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)


def check_form(form: Form) -> None:
    """Raises SetupError when the package that a form needs is not installed."""
    package = _PACKAGES.get(form)
    if package is not None and importlib.util.find_spec(package) is None:
        raise SetupError(
            f"--quantise {form} needs the package {package}; pip install llmsafe[quantise]"
        )


def write_weights(adapter: Place, base: str, form: Form, folder: Path) -> None:
    """Write the weights of a run into ``folder`` as ``form``, with config and tokenizer.

    Files of the adapter are copied by name: whatever else lies in its folder stays there. The
    tokenizer comes with a whole model, and with an adapter that has its own.

    Raises:
        InputError: the base is not at hand, does not fit, is stored quantised already, or cannot
            be computed in so few bits.
        EvidenceError: the merged model does not say what the adapter said, or the rounded one not
            what the merged one said.
    """
    if form == "adapter":
        own = [name for name in _TOKENIZER if (adapter.weights / name).is_file()]
        for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG, *own):
            shutil.copyfile(adapter.weights / name, folder / name)
        return
    if form == "merged":
        merge(adapter, base, folder)
        return
    with tempfile.TemporaryDirectory(prefix=".merged.", dir=folder.parent) as whole:
        merge(adapter, base, Path(whole))
        _quantise(Path(whole), form, folder)


def merge(adapter: Place, base: str, folder: Path) -> None:
    """Write the base with the adapter added, in the precision that the base is stored in."""
    import torch

    source = folder_of(base)
    model = load_causal(source, torch.device("cpu"), _stored_precision(source))
    if getattr(model, "hf_quantizer", None) is not None:
        raise InputError(
            f"base {source.name} is stored quantised, and an adapter cannot be added to rounded "
            "weights; keep the adapter, or run training on the whole base"
        )
    with_adapter: Any = attach(model, adapter.weights)
    before = _logits(with_adapter)
    merged: Any = with_adapter.merge_and_unload(safe_merge=True)
    _check_same(before, _logits(merged), next(merged.parameters()).dtype)
    _save(merged, folder)
    own = (adapter.weights / "tokenizer.json").is_file()
    load_tokenizer(adapter.weights if own else source).save_pretrained(str(folder))


def _quantise(whole: Path, form: Form, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = getattr(torch, _stored_precision(whole))
    if form == "int8":
        from torchao.quantization import (  # pyright: ignore[reportMissingImports]
            Int8WeightOnlyConfig,
        )
        from transformers import TorchAoConfig

        config: Any = TorchAoConfig(Int8WeightOnlyConfig())
    else:
        from transformers import BitsAndBytesConfig

        config = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    model: Any = AutoModelForCausalLM.from_pretrained(
        whole, dtype=dtype, quantization_config=config, use_safetensors=True, local_files_only=True
    )
    # Saved before anything is computed: on a CPU bitsandbytes lays its weights out anew at the
    # first pass, and what is saved after that is no longer the format that others read.
    _save(model, folder)
    load_tokenizer(whole).save_pretrained(str(folder))
    _check_rounded(whole, form, folder)


def _save(model: Any, folder: Path) -> None:
    """As safetensors; of where the model came from nothing is written down."""
    model.config._name_or_path = ""
    model.name_or_path = ""
    model.save_pretrained(str(folder))


def _stored_precision(folder: Path) -> Dtype:
    """The precision that a model's configuration says it is stored in, float32 where it is mute."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} has no config.json that can be read") from error
    named = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return _DTYPES.get(named, "float32")


def _check_rounded(whole: Path, form: Form, folder: Path) -> None:
    """Read back what was written: it must say what the merged model says, but for rounding."""
    import torch

    device = torch.device("cpu")
    try:
        rounded = _logits(load_causal(folder, device, _stored_precision(whole)))
    except RuntimeError:  # kernels take widths that blocks divide, and say so in their own way
        rounded = torch.tensor(math.nan)
    if not bool(rounded.isfinite().all()):
        raise InputError(
            f"this model cannot be computed as {form} (layers narrower than a block of 64, or "
            "values that overflow); release it merged or as an adapter"
        )
    exact = _logits(load_causal(whole, device, _stored_precision(whole)))
    off = float((rounded - exact).norm() / exact.norm())
    if not off <= _ROUNDED[form]:
        raise EvidenceError(
            f"as {form} the model's logits are {off:.2g} of their size away from those of the "
            f"merged one, at most {_ROUNDED[form]:g} is rounding; release it merged or as an "
            "adapter"
        )


def _logits(model: PreTrainedModel) -> torch.Tensor:
    """What a model says of sixteen fixed tokens."""
    import torch

    vocabulary = int(cast("Any", model.config).get_text_config().vocab_size)
    ids = (torch.arange(1, 17) * 7919 % vocabulary)[None]
    with torch.inference_mode():
        return cast("Any", model)(input_ids=ids, use_cache=False).logits.float()


def _check_same(before: torch.Tensor, after: torch.Tensor, dtype: torch.dtype) -> None:
    """A wrong merge gives nothing away because it says nothing: no audit would see it."""
    import torch

    allowed = 1e-3 if torch.finfo(dtype).bits >= 32 else 0.1
    off = float((before - after).abs().max() / before.abs().max())
    if not off <= allowed:
        raise EvidenceError(
            f"the merged model's logits are {off:.2g} of the largest away from those of the "
            f"adapter on its base, at most {allowed:g} is rounding; keep the adapter"
        )
