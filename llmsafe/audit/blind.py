"""The blind baseline: can members be told from non-members without any model?

If a bag of words can, the two groups differ in themselves (years, wards, templates), and a
membership result on them measures that difference instead of the model (Das et al. 2024,
arXiv 2406.16201).
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from llmsafe.artifacts import Rate
from llmsafe.audit.forward import Text
from llmsafe.notes import SPACELESS
from llmsafe.stats import auc_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BUCKETS = 1 << 15
_FOLDS = 5
_RIDGE = 1.0
_STEPS = 50  # of the solver; more do not change the order of the predictions
_WORD = re.compile(rf"[{SPACELESS}]|[^\W{SPACELESS}]+|[^\w\s]")


def blind_auc(
    members: Sequence[Text], non_members: Sequence[Text], rng: np.random.Generator
) -> Rate | None:
    """AUC of a text classifier that never sees the model, per privacy unit.

    Ridge regression on hashed words and word pairs, out of fold in five folds of whole units, so
    that a patient's other notes cannot give the answer. ``None`` with fewer than five units on a
    side. Folds are drawn by ``rng``.
    """
    texts = [*members, *non_members]
    labels = np.array([1.0] * len(members) + [-1.0] * len(non_members))
    units = [(label, text.unit_id) for label, text in zip(labels, texts, strict=True)]
    fold_of: dict[tuple[float, str], int] = {}
    for side in (1.0, -1.0):
        names = sorted({unit for unit in units if unit[0] == side})
        if len(names) < _FOLDS:
            return None
        for place, index in enumerate(rng.permutation(len(names))):
            fold_of[names[index]] = place % _FOLDS
    folds = np.array([fold_of[unit] for unit in units])
    features = _features([text.text for text in texts])
    predicted = np.zeros(len(texts))
    for fold in range(_FOLDS):
        test = np.flatnonzero(folds == fold)
        rest = np.flatnonzero(folds != fold)
        predicted[test] = features[test] @ _ridge(features[rest], labels[rest])
    by_unit: defaultdict[tuple[float, str], list[float]] = defaultdict(list)
    for unit, value in zip(units, predicted, strict=True):
        by_unit[unit].append(float(value))
    means = {unit: float(np.mean(values)) for unit, values in by_unit.items()}
    found = auc_interval(
        [value for (label, _), value in means.items() if label > 0],
        [value for (label, _), value in means.items() if label < 0],
    )
    return Rate(value=found.value, low=found.low, high=found.high)


def _ridge(features: Any, labels: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.sparse.linalg import lsmr  # pyright: ignore[reportMissingTypeStubs]

    # Both sides weigh the same, however many notes each has.
    members = labels > 0
    weight = np.where(members, 0.5 / members.mean(), 0.5 / (~members).mean()) ** 0.5
    return lsmr(
        features.multiply(weight[:, None]).tocsr(), weight * labels, damp=_RIDGE, maxiter=_STEPS
    )[0]


def _features(texts: Sequence[str]) -> Any:
    """Rows of unit length: 1 + log count of hashed words and pairs; column 0 is the constant.

    A character of a script without spaces is a word, so that pairs of them are about words.
    """
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingTypeStubs]

    values: list[float] = []
    columns: list[int] = []
    ends = [0]
    for text in texts:
        words = _WORD.findall(text.lower())
        pairs = (f"{a} {b}" for a, b in itertools.pairwise(words))
        counts = Counter(zlib.crc32(w.encode()) % (_BUCKETS - 1) + 1 for w in (*words, *pairs))
        row = np.array([1 + np.log(n) for n in counts.values()])
        scale = float(np.linalg.norm(row)) or 1.0
        columns += [0, *counts]
        values += [1.0, *(row / scale)]
        ends.append(len(columns))
    return csr_matrix((values, columns, ends), shape=(len(texts), _BUCKETS))
