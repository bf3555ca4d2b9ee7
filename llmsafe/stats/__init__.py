"""Audit statistics: bounds on epsilon, exposure, extraction counts, ROC figures and intervals.

Everything here takes plain numbers and score arrays, needs numpy and scipy only, and is a pure
function: where chance enters, the generator is a parameter. Scores are oriented so that a
*higher* score speaks for membership. Every interval is two-sided and holds its confidence for
finite samples or says where it does not; none shrinks to a point when the data are extreme.
"""

from llmsafe.stats.bounds import (
    dp_tpr_ceiling,
    epsilon_clopper_pearson,
    epsilon_one_run,
    epsilon_one_run_ceiling,
    one_run_guesses,
    one_run_p_value,
)
from llmsafe.stats.intervals import Interval, binomial_interval, mean_interval
from llmsafe.stats.membership import (
    RocCurve,
    TprAtFpr,
    auc,
    auc_interval,
    non_members_needed,
    roc_curve,
    tpr_at_fpr,
)
from llmsafe.stats.memorisation import (
    exposure,
    exposure_excess,
    exposure_null_mean,
    samples_to_extract,
)

__all__ = [
    "Interval",
    "RocCurve",
    "TprAtFpr",
    "auc",
    "auc_interval",
    "binomial_interval",
    "dp_tpr_ceiling",
    "epsilon_clopper_pearson",
    "epsilon_one_run",
    "epsilon_one_run_ceiling",
    "exposure",
    "exposure_excess",
    "exposure_null_mean",
    "mean_interval",
    "non_members_needed",
    "one_run_guesses",
    "one_run_p_value",
    "roc_curve",
    "samples_to_extract",
    "tpr_at_fpr",
]
