"""Checkpoints and the release: safetensors and JSON only, each file written atomically."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load, save
from torch import nn

from llmsafe.errors import EvidenceError
from llmsafe.files import (
    make_folder,
    read_bytes,
    read_text,
    sha256_bytes,
    write_atomic,
    write_text,
)

if TYPE_CHECKING:
    from peft import PeftModel


def save_checkpoint(
    folder: Path, step: int, parameters: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer
) -> None:
    """Write ``folder/step-N/`` (weights and AdamW moments after N steps), drop older ones."""
    tensors: dict[str, torch.Tensor] = {}
    for index, parameter in enumerate(parameters):
        tensors[f"{index}.weight"] = parameter.detach().cpu().contiguous()
        for name, value in optimiser.state.get(parameter, {}).items():
            tensors[f"{index}.{name}"] = torch.as_tensor(value).cpu().contiguous()
    make_folder(folder, private=True)
    place = make_folder(folder / f"step-{step:06d}", private=True)
    data = save(tensors)
    write_atomic(place / "state.safetensors", data, private=True)
    # Written last: a checkpoint without it is incomplete and is not found.
    write_text(
        place / "step.json", json.dumps({"step": step, "state": sha256_bytes(data)}), private=True
    )
    for old in folder.glob("step-*"):
        if old != place:
            shutil.rmtree(old)


def load_checkpoint(
    folder: Path, parameters: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer
) -> int:
    """Restore the latest complete checkpoint in place; returns its step, 0 if there is none.

    Raises:
        EvidenceError: the checkpoint is damaged or belongs to other parameters.
    """
    complete = {
        int(path.parent.name.removeprefix("step-")): path.parent
        for path in folder.glob("step-*/step.json")
        if path.parent.name.removeprefix("step-").isdecimal()
    }
    if not complete:
        return 0
    step = max(complete)
    place = complete[step]
    path = place / "state.safetensors"
    try:
        said = json.loads(read_text(place / "step.json"))
        data = read_bytes(path)
        whole = said["step"] == step and sha256_bytes(data) == said["state"]
    except (OSError, ValueError, TypeError, KeyError):
        data, whole = b"", False
    if not whole:
        raise EvidenceError(
            f"checkpoint {place} is damaged; restore it. Without it the {step} steps it holds are "
            "lost and stay charged"
        )
    tensors = load(data)
    for index, parameter in enumerate(parameters):
        weight = tensors.get(f"{index}.weight")
        if weight is None or weight.shape != parameter.shape:
            raise EvidenceError(f"checkpoint {place} is of another adapter; resume with its config")
        with torch.no_grad():
            parameter.copy_(weight)
        state = {
            name: tensors[f"{index}.{name}"].to(parameter.device if name != "step" else "cpu")
            for name in ("step", "exp_avg", "exp_avg_sq")
            if f"{index}.{name}" in tensors
        }
        if state:
            optimiser.state[parameter] = state
    return step


def share_state(
    parameters: Sequence[nn.Parameter],
    optimiser: torch.optim.Optimizer,
    broadcast: Callable[[Any], Any],
) -> None:
    """Give every rank the first rank's weights and moments; ``broadcast`` returns its object."""
    mine = [parameter.detach().cpu() for parameter in parameters], optimiser.state_dict()
    weights, state = broadcast(mine)
    with torch.no_grad():
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.copy_(weight)
    optimiser.load_state_dict(state)


def weights_digest_of(parameters: Sequence[nn.Parameter]) -> str:
    """Digest of trainable weights, to compare them between ranks."""
    return sha256_bytes(save({str(i): p.detach().cpu() for i, p in enumerate(parameters)}))


def save_adapter(folder: Path, model: PeftModel, base: str) -> Path:
    """Write ``adapter_model.safetensors`` and ``adapter_config.json`` into ``folder``.

    ``base`` is the name under which the adapter's users find the base model.
    """
    from peft import get_peft_model_state_dict

    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in get_peft_model_state_dict(
            model,
            save_embedding_layers=False,  # "auto" would ask the hub about the base
        ).items()
    }
    settings: dict[str, Any] = model.peft_config["default"].to_dict()
    settings |= {"base_model_name_or_path": base, "inference_mode": True}
    # Sets have no order: sorted, so that the same run writes the same bytes.
    settings = {k: sorted(v) if isinstance(v, set) else v for k, v in settings.items()}
    write_text(
        folder / "adapter_config.json", json.dumps(settings, indent=2, sort_keys=True) + "\n"
    )
    return write_atomic(folder / "adapter_model.safetensors", save(state, {"format": "pt"}))
