"""Errors that reach a user: one line that names the value, the rule and the way out.

The command line turns each class into its exit code. No message holds note text.
"""


class LlmsafeError(Exception):
    """Base of every error a user can cause or meet; ``exit_code`` is what the shell sees."""

    exit_code = 2


class PolicyError(LlmsafeError):
    """The work was done and a policy rejects its result."""

    exit_code = 1


class InputError(LlmsafeError):
    """Wrong usage, configuration or input."""

    exit_code = 2


class EvidenceError(LlmsafeError):
    """Evidence is missing, inconclusive, or does not belong to what it is shown for."""

    exit_code = 3


class SetupError(LlmsafeError):
    """The environment cannot do what was asked: a missing package, device or permission."""

    exit_code = 4
