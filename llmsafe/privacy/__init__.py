"""Plan, account, charge, noise and state: everything the (ε, δ) claim rests on.

Importing this package loads no heavy library; ``noise`` imports torch, ``accountant`` loads
opacus (or dp-accounting) when it is first asked for a number.
"""
