"""What a model gives away: one score table per audit, every figure computed from it.

:mod:`target` opens what is audited, :mod:`population` decides which texts are scored,
:mod:`scores` makes the table, :mod:`membership`, :mod:`canaries` and :mod:`extraction` read it,
:mod:`blind` checks the populations without any model, :mod:`verdict` judges, :mod:`run` joins.
"""
