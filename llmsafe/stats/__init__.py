"""Audit statistics: bounds on epsilon, exposure, extraction counts, ROC figures and intervals.

Everything here takes plain numbers and score arrays, needs numpy and scipy only, and is a pure
function: where chance enters, the generator is a parameter. Scores are oriented so that a
*higher* score speaks for membership. Every interval is two-sided and holds its confidence for
finite samples or says where it does not; none shrinks to a point when the data are extreme.
"""

from llmsafe.stats.bounds import (
    dp_auc_ceiling,
    dp_tpr_ceiling,
    epsilon_clopper_pearson,
    epsilon_one_run,
    epsilon_one_run_ceiling,
    one_run_p_value,
)
from llmsafe.stats.comparisons import (
    Paired,
    difference_interval,
    group_privacy,
    holm,
    paired_difference,
    seed_interval,
)
from llmsafe.stats.extrapolation import (
    Extrapolation,
    SkewNormal,
    exposure_by_extrapolation,
)
from llmsafe.stats.fdp import (
    epsilon_one_run_gdp,
    epsilon_one_run_gdp_ceiling,
    gdp_epsilon,
    mu_one_run,
)
from llmsafe.stats.intervals import Interval, binomial_interval, mean_interval, ratio_interval
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
    exposure_by_sampling,
    exposure_exact,
    exposure_excess,
    exposure_null_mean,
    samples_to_extract,
)
from llmsafe.stats.recapture import missed_by_both
from llmsafe.stats.selection import (
    OneRun,
    RepeatedRuns,
    best_of,
    clopper_pearson_search,
    error_grid,
    guess_grid,
    one_run_guesses,
    one_run_search,
    one_run_sweep,
)

__all__ = [
    "Extrapolation",
    "Interval",
    "OneRun",
    "Paired",
    "RepeatedRuns",
    "RocCurve",
    "SkewNormal",
    "TprAtFpr",
    "auc",
    "auc_interval",
    "best_of",
    "binomial_interval",
    "clopper_pearson_search",
    "difference_interval",
    "dp_auc_ceiling",
    "dp_tpr_ceiling",
    "epsilon_clopper_pearson",
    "epsilon_one_run",
    "epsilon_one_run_ceiling",
    "epsilon_one_run_gdp",
    "epsilon_one_run_gdp_ceiling",
    "error_grid",
    "exposure",
    "exposure_by_extrapolation",
    "exposure_by_sampling",
    "exposure_exact",
    "exposure_excess",
    "exposure_null_mean",
    "gdp_epsilon",
    "group_privacy",
    "guess_grid",
    "holm",
    "mean_interval",
    "missed_by_both",
    "mu_one_run",
    "non_members_needed",
    "one_run_guesses",
    "one_run_p_value",
    "one_run_search",
    "one_run_sweep",
    "paired_difference",
    "ratio_interval",
    "roc_curve",
    "samples_to_extract",
    "seed_interval",
    "tpr_at_fpr",
]
