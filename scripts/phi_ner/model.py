"""The tagger as it is trained: the network in torch, notes as tensors, a mean of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from llmsafe.scrub.detect.tagger import PLACES, Features

from .judge import Checked, Rates, Tagged, rates
from .words import LISTS, NAME_LISTS


@dataclass(frozen=True)
class Size:
    hashed_rows: int = 32768
    embedding: int = 96
    width: int = 128
    dilations: tuple[int, ...] = (1, 2, 1, 4, 1)


SIZES = {"en": Size(), "zh": Size(width=192, dilations=(1, 2, 4, 8, 1))}
"""A Chinese word is two or three tokens, so the tagger must look further and see more at once."""


class Model(nn.Module):
    """The twin of `llmsafe.scrub.detect.tagger.Tagger` that can be trained."""

    def __init__(self, size: Size, lists: int, tags: Sequence[str]) -> None:
        super().__init__()
        self.size, self.tags = size, tags
        self.table = nn.EmbeddingBag(size.hashed_rows + 4 * lists, size.embedding, mode="sum")
        nn.init.normal_(self.table.weight, std=0.3)
        self.project = nn.Linear(size.embedding, size.width, bias=False)
        self.place = nn.Embedding(PLACES, size.width)
        nn.init.normal_(self.place.weight, std=0.1)
        self.convs = nn.ModuleList(nn.Linear(3 * size.width, size.width) for _ in size.dilations)
        self.norms = nn.ModuleList(nn.LayerNorm(size.width, eps=1e-5) for _ in size.dilations)
        self.out = nn.Linear(size.width, 1 + len(tags))

    def forward(
        self,
        rows: torch.Tensor,
        weights: torch.Tensor,
        offsets: torch.Tensor,
        places: torch.Tensor,
        index: torch.Tensor,
        mask: torch.Tensor,
        drop: float,
    ) -> torch.Tensor:
        """Logits [notes, tokens, tags]; ``index`` [notes, tokens] points into the tokens."""
        x = self.project(self.table(rows, offsets, weights)) + self.place(places)
        x = F.dropout(x, drop, self.training)[index] * mask[..., None]
        for conv, norm, gap in zip(self.convs, self.norms, self.size.dilations, strict=True):
            near = F.pad(x, (0, 0, gap, gap))
            y = F.relu(conv(torch.cat([near[:, : x.shape[1]], x, near[:, 2 * gap :]], -1)))
            x = norm(x + F.dropout(y, drop, self.training)) * mask[..., None]
        return self.out(x)


class Batcher:
    """Notes to tensors; the features of a token are worked out once."""

    def __init__(self, features: Features, rng: np.random.Generator) -> None:
        self.features, self.rng = features, rng
        self.names = {
            features.hashed + place * len(LISTS) + LISTS.index(name)
            for name in NAME_LISTS
            for place in range(4)  # the word itself; begun, inside, ended by a Chinese character
        }
        self.cache: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def rows(self, token: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = self.cache.get(token)
        if found is None:
            rows, very = self.features.rows(token), self.features.own(token)
            own = np.array([row in very or row in self.names for row, _ in rows])
            found = (
                np.array([r for r, _ in rows], np.int64),
                np.array([w for _, w in rows], np.float32),
                own,
            )
            if len(self.cache) < 400_000:
                self.cache[token] = found
        return found

    def batch(
        self, notes: Sequence[Tagged], hide: float
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        longest = max(len(tokens) for tokens, _ in notes)
        index = np.zeros((len(notes), longest), np.int64)
        mask = np.zeros((len(notes), longest), np.float32)
        labels = np.full((len(notes), longest), -100, np.int64)
        found, unknown, places = [], [], []
        for line, (tokens, tags) in enumerate(notes):
            index[line, : len(tokens)] = np.arange(len(places), len(places) + len(tokens))
            mask[line, : len(tokens)] = 1.0
            labels[line, : len(tokens)] = tags
            hidden = self.rng.random(len(tokens))
            for token, tag, draw in zip(tokens, tags, hidden, strict=True):
                found.append(self.rows(token.key))
                unknown.append(draw < (hide if tag else hide / 3) and token.text[0].isalnum())
                places.append(token.place)
        lengths = np.array([len(rows) for rows, _, _ in found])
        rows, weights, own = (np.concatenate(parts) for parts in zip(*found, strict=True))
        tensors = [
            rows,
            np.where(own & np.repeat(unknown, lengths), 0.0, weights).astype(np.float32),
            np.concatenate([[0], np.cumsum(lengths)[:-1]]),
            np.array(places),
            index,
            mask,
        ]
        return [torch.from_numpy(t) for t in tensors], torch.from_numpy(labels)


def measure(
    model: Model, batcher: Batcher, check: Checked, thresholds: Sequence[float]
) -> list[Rates]:
    """:data:`Rates` of a model that is being trained, per threshold."""
    model.eval()
    private: list[np.ndarray] = []
    with torch.no_grad():
        for start in range(0, len(check.notes), 64):
            part = check.notes[start : start + 64]
            tensors, _ = batcher.batch(part, 0.0)
            chances = 1 - F.softmax(model(*tensors, 0.0), -1)[..., 0].numpy()
            private += [chances[i, : len(tokens)] for i, (tokens, _) in enumerate(part)]
    model.train()
    return rates(check, private, thresholds)


@torch.no_grad()
def average(slow: Model, fast: Model, step: int) -> None:
    """Let ``slow`` follow ``fast``: an exponential mean of its weights over some 300 steps."""
    weight = max(0.003, 20 / (step + 20))
    for one, other in zip(slow.parameters(), fast.parameters(), strict=True):
        one.lerp_(other, weight)
