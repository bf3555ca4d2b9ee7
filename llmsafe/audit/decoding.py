"""Running a model on many continuations of few texts.

A shared beginning is run through the model once; its keys and values are then given to every
continuation. Where a model keeps no such cache, or one that cannot be handed on, every row is run
whole: slower, with the same result.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmsafe.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_LOGITS_BYTES = {"cpu": 128 << 20, "cuda": 2 << 30}  # of one batch of continuations to score

# --- rows on their way --------------------------------------------------------------------------


class Runner:
    """How a model is called: which arguments it knows, and whether its cache can be handed on."""

    def __init__(self, model: PreTrainedModel) -> None:
        import torch

        self.model: Any = model
        inner: Any = getattr(model, "get_base_model", lambda: model)()
        known = inspect.signature(inner.forward).parameters
        self._short = {"logits_to_keep": 1} if "logits_to_keep" in known else {}
        self._places = "position_ids" in known
        self.caches = False
        configs: dict[str, Any] = getattr(model, "peft_config", {})
        # Prompt tuning puts tokens of its own in front at every call.
        if not any(getattr(c, "is_prompt_learning", False) for c in configs.values()):
            with torch.inference_mode():
                out = self.model(input_ids=torch.zeros((1, 2), dtype=torch.long).to(model.device),
                                 use_cache=True)  # fmt: skip
            self.caches = _can_be_shared(getattr(out, "past_key_values", None))

    def __call__(
        self,
        ids: torch.Tensor,
        cache: Any = None,
        mask: torch.Tensor | None = None,
        *,
        short: bool = True,
    ) -> tuple[torch.Tensor, Any]:
        """Logits (of the last place alone if ``short`` and the model can) and the cache after.

        ``mask`` [rows, time so far] is given when rows are padded on the left.
        """
        more: dict[str, Any] = dict(self._short) if short else {}
        if mask is not None:
            more["attention_mask"] = mask
            if self._places:
                places = (mask.cumsum(-1) - 1).clamp_min(0)
                more["position_ids"] = places[:, -ids.shape[1] :]
        out = self.model(input_ids=ids, past_key_values=cache, use_cache=True, **more)
        return out.logits, out.past_key_values

    def start(self, starts: Sequence[tuple[int, ...]]) -> CachedRows:
        """Rows that begin with ``starts``; each different beginning is run once."""
        import torch

        unique = list(dict.fromkeys(starts))
        width = max(map(len, unique))
        ids = torch.zeros((len(unique), width), dtype=torch.long)
        mask = torch.zeros((len(unique), width), dtype=torch.long)
        for row, start in enumerate(unique):
            ids[row, width - len(start) :] = torch.tensor(start)
            mask[row, width - len(start) :] = 1
        device = self.model.device
        padded = None if bool(mask.all()) else mask.to(device)
        logits, cache = self(ids.to(device), mask=padded)
        which = torch.tensor([unique.index(start) for start in starts], device=device)
        cache.batch_select_indices(which)
        return CachedRows(
            self, logits[:, -1][which], cache, None if padded is None else padded[which]
        )


def _can_be_shared(cache: Any) -> bool:
    """Whether the cache is plain keys and values, row by row; a recurrent state is not."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    plain = (DynamicLayer, DynamicSlidingWindowLayer)
    layers = getattr(cache, "layers", ())
    return len(layers) > 0 and all(type(layer) in plain for layer in layers)


class CachedRows:
    """Rows with a cache."""

    def __init__(
        self, run: Runner, logits: torch.Tensor, cache: Any, mask: torch.Tensor | None
    ) -> None:
        self._run, self._logits, self._cache, self._mask = run, logits, cache, mask

    def logits(self) -> torch.Tensor:
        """What comes next, [rows, vocabulary]."""
        return self._logits

    def advance(self, kept: Sequence[int], tokens: torch.Tensor) -> None:
        """Keep these rows alone, and add a token to each."""
        import torch

        if len(kept) < self._logits.shape[0]:
            which = torch.tensor(kept, device=tokens.device)
            self._cache.batch_select_indices(which)
            self._mask = None if self._mask is None else self._mask[which]
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(kept), 1)], dim=1)
        logits, self._cache = self._run(tokens[:, None], self._cache, self._mask)
        self._logits = logits[:, -1]


class WholeRows:
    """Rows without a cache: right-padded, so that a causal model needs no mask."""

    def __init__(self, model: PreTrainedModel, starts: Sequence[tuple[int, ...]]) -> None:
        self._model, self._rows = model, [list(start) for start in starts]

    def logits(self) -> torch.Tensor:
        return _last(whole_logits(self._model, self._rows), self._rows)

    def advance(self, kept: Sequence[int], tokens: torch.Tensor) -> None:
        self._rows = [
            [*self._rows[place], token]
            for place, token in zip(kept, tokens.tolist(), strict=True)
        ]  # fmt: skip


def whole_logits(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """[rows, time, vocabulary] from one pass over right-padded rows, without a cache."""
    import torch

    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    runnable: Any = model
    return runnable(input_ids=ids.to(model.device), use_cache=False).logits[:, -width:]


def _last(logits: torch.Tensor, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    import torch

    return logits[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])]


# --- many continuations of one text -------------------------------------------------------------


class Prefix:
    """A text that many continuations share (token ids, at least one), run through the model once.

    Hold the model in the same state, adapter on or off, for as long as this is used.
    """

    def __init__(self, model: PreTrainedModel, ids: Sequence[int]) -> None:
        import torch

        if not ids:
            raise InputError("a prefix has no token; begin with the token that begins every text")
        self._model, self._ids = model, list(ids)
        self._run = Runner(model)
        self._cache: Any = None
        if self._run.caches:
            with torch.inference_mode():
                start = torch.tensor([self._ids], device=model.device)
                self._first, self._cache = self._run(start)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        config: Any = self._model.config
        return int(config.get_text_config().vocab_size)

    def logits(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """[rows, longest + 1, vocabulary]: entry t is what comes after t tokens of the row.

        Entries after a row's own end mean nothing.
        """
        import torch

        width = max(map(len, rows))
        with torch.inference_mode():
            if self._cache is None:
                whole = whole_logits(self._model, [[*self._ids, *row] for row in rows])
                return whole[:, len(self._ids) - 1 :]
            first = self._first[:, -1:].expand(len(rows), -1, -1)
            return first if width == 0 else torch.cat([first, self._go_on(rows)], dim=1)

    def after(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """[rows, vocabulary]: what comes after each whole row."""
        import torch

        if self._cache is not None and len(rows[0]) > 0 and len(set(map(len, rows))) == 1:
            with torch.inference_mode():
                return self._go_on(rows, short=True)[:, -1]
        return _last(self.logits(rows), [[0, *row] for row in rows])

    def _go_on(self, rows: Sequence[Sequence[int]], *, short: bool = False) -> torch.Tensor:
        """Logits at the rows' tokens, from a copy of the prefix's cache for every row."""
        import torch

        ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row, dtype=torch.long)
        device = self._model.device
        cache = copy.deepcopy(self._cache)
        cache.batch_select_indices(torch.zeros(len(rows), dtype=torch.long, device=device))
        return self._run(ids.to(device), cache, short=short)[0]

    def logp(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Log-probability of each row given the prefix, summed over its tokens: [rows]."""
        import torch

        found = np.zeros(len(rows))
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        width = max(map(len, rows), default=0) + 1
        for start in range(0, len(order), size := self.rows_at_once(width)):
            some = order[start : start + size]
            logits = self.logits([rows[i] for i in some]).double()
            logits -= logits.logsumexp(-1, keepdim=True)
            for place, index in enumerate(some):
                steps = torch.arange(len(rows[index]))
                tokens = torch.tensor(rows[index], dtype=torch.long)
                found[index] = float(logits[place, steps, tokens].sum())
        return found

    def rows_at_once(self, width: int) -> int:
        """Rows of ``width`` places whose logits fit the memory set aside for them."""
        limit = _LOGITS_BYTES.get(self._model.device.type, _LOGITS_BYTES["cpu"])
        return max(1, min(256, limit // (8 * width * self.vocabulary)))
