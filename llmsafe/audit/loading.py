"""Find and load models: safetensors only, no code from a model folder, no silent gap.

A folder that loads only in part (an encoder given as a causal model, an adapter that fits another
base) would be audited as something it is not, so every tensor must find its place.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from llmsafe.artifacts import LineageStep
from llmsafe.errors import InputError, SetupError
from llmsafe.files import RELEASE, VAULT, sha256_file, sha256_files
from llmsafe.models import check_complete, check_weights, folder_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Kind = Literal["run", "release", "adapter", "model"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# Below this size float32 costs little and takes rounding out of ranks and ties.
_FLOAT32_PARAMETERS = 1_500_000_000


@dataclass(frozen=True)
class Place:
    """Where the parts of a target lie; ``weights`` holds an adapter or a full model.

    ``made`` tells how a full model was made of the adapter that the vault is about.
    """

    kind: Kind
    name: str
    weights: Path
    vault: Path | None
    adapter: bool
    made: LineageStep | None = None

    def digest(self) -> str:
        """Digest of the weights under audit."""
        if self.adapter:
            return sha256_file(self.weights / ADAPTER_WEIGHTS)
        return sha256_files(self.weights.glob("model*.safetensors"))

    def base_name(self) -> str:
        """The base that the adapter's configuration names.

        Raises:
            InputError: it names none.
        """
        path = self.weights / ADAPTER_CONFIG
        try:
            name = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
        except (OSError, ValueError, KeyError, TypeError):
            name = None
        if not isinstance(name, str) or not name:
            raise InputError(f"{path} names no base model; name it with --base")
        return name

    def adapter_parameters(self) -> int | None:
        """Number of values in the adapter's tensors; ``None`` for a full model."""
        from safetensors import safe_open

        if not self.adapter:
            return None
        with safe_open(self.weights / ADAPTER_WEIGHTS, framework="pt") as opened:
            file: Any = opened
            names: list[str] = file.keys()
            return sum(math.prod(file.get_slice(name).get_shape()) for name in names)


def locate(path: str) -> Place:
    """Recognise a run, a release, an adapter or a full model; nothing is loaded yet.

    A release folder inside a run folder finds the vault beside it.

    Raises:
        InputError: nothing there, no weights, an unfinished run, or a pickle checkpoint.
    """
    folder = folder_of(path)
    _refuse_unfinished(folder)
    name = folder.resolve().name if Path(path).exists() else path
    if (folder / RELEASE).is_dir():
        return _place("run", name, folder / RELEASE, folder / VAULT)
    if (folder / "privacy.json").is_file():
        resolved = folder.resolve()
        name = resolved.parent.name if resolved.name == RELEASE else name
        return _place("release", name, folder, resolved.parent / VAULT)
    kind = "adapter" if (folder / ADAPTER_CONFIG).is_file() else "model"
    return _place(kind, name, folder, None)


def _refuse_unfinished(folder: Path) -> None:
    resolved = folder.resolve()
    run = resolved.parent if resolved.name == RELEASE else resolved
    release = run / RELEASE
    saved = (path for stem in ("adapter_model*", "model*") for path in release.glob(stem))
    if (run / VAULT / "ledger.jsonl").is_file() and not any(saved):
        raise InputError(
            f"{folder} is an unfinished run: go on with --resume (its ledger has charges, its "
            "release no weights yet)"
        )


def _place(kind: Kind, name: str, weights: Path, vault: Path | None) -> Place:
    adapter = (weights / ADAPTER_CONFIG).is_file()
    check_weights(weights, stem="adapter_model" if adapter else "model")
    if not adapter and not (weights / "config.json").is_file():
        raise InputError(
            f"{weights} is no model: it needs {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS} (adapter), "
            "or config.json and model.safetensors (full model)"
        )
    if adapter and not (weights / ADAPTER_WEIGHTS).is_file():
        raise InputError(f"{weights} has no {ADAPTER_WEIGHTS}; save the adapter as one file")
    return Place(kind, name, weights, vault if vault and vault.is_dir() else None, adapter)


def check_dtype(name: str) -> Dtype:
    """The type of number of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    for dtype in get_args(Dtype):
        if name == dtype:
            return dtype
    raise InputError(f"--dtype {name!r} is unknown; choose auto, float32, bfloat16 or float16")


def load_causal(folder: Path, device: torch.device, dtype: Dtype) -> PreTrainedModel:
    """A causal language model with every weight from the folder, in evaluation mode.

    A quantised one is computed as it is stored, whatever ``dtype``.

    Raises:
        InputError: no weights, a pickle, an unknown architecture, or weights that are missing.
        SetupError: it is quantised in a format whose package is not installed.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    check_weights(folder)
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    auto: Any = AutoModelForCausalLM
    try:
        loaded: Any = auto.from_pretrained(
            folder,
            dtype=named.get(dtype, "auto"),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except ImportError as error:
        raise SetupError(
            f"{folder} is stored in a format that needs another package "
            f"({str(error).splitlines()[0]}); install it"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"{folder} cannot be loaded as a causal language model ({type(error).__name__}); "
            "it needs a known architecture, all its safetensors files and no code of its own"
        ) from error
    model, info = loaded
    check_complete(str(folder), info["missing_keys"])
    small = sum(int(p.numel()) for p in model.parameters()) < _FLOAT32_PARAMETERS
    quantised = getattr(model, "hf_quantizer", None) is not None
    if dtype == "auto" and (device.type == "cpu" or small) and not quantised:
        model = model.float()
    return cast("PreTrainedModel", model.to(device).eval())


def attach(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Put the adapter on; every tensor of its file must find its place, and none be left over.

    Raises:
        InputError: the adapter does not fit this base, or its file is damaged.
    """
    import warnings

    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as opened:
            file: Any = opened
            stored: set[str] = set(file.keys())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a tensor out of place is an error below
            peft: Any = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
            # Left to itself this asks the hub whether the vocabulary was resized.
            state = get_peft_model_state_dict(peft, save_embedding_layers=False)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        raise InputError(
            f"{folder} does not fit its base model ({type(error).__name__}); "
            "name the base it was trained on with --base"
        ) from error
    placed: set[str] = set(cast("dict[str, Any]", state))
    # A resized embedding is saved with the adapter under the name it has in the model.
    stray = (placed - stored) | (stored - placed - set(peft.state_dict()))
    if stray:
        raise InputError(
            f"{folder}: {len(stray)} adapter tensors do not match the base model; "
            "name the base it was trained on with --base"
        )
    return cast("PreTrainedModel", peft.to(model.device).eval())


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """A tokenizer with offsets.

    Raises:
        InputError: none there, or one that needs code of its own or has no offsets.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InputError(
            f"{folder} has no tokenizer that can be loaded ({type(error).__name__}); "
            "put its tokenizer.json there"
        ) from error
    if not tokenizer.is_fast:
        raise InputError(f"{folder}: a slow tokenizer has no offsets; convert it to tokenizer.json")
    return cast("PreTrainedTokenizerBase", tokenizer)


def context_of(model: PreTrainedModel) -> int:
    """The longest input of a model in tokens; a large number where it has no limit."""
    config: Any = model.config
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return 1 << 20
