"""What tests ask of the generator's phrases."""

from __future__ import annotations

from llmsafe.synthetic.grammar import Choice, Ref, Sequence


def references(phrase: Sequence) -> set[str]:
    """All names that a phrase refers to."""
    out: set[str] = set()
    for node in phrase:
        if isinstance(node, Ref):
            out.add(node.name)
        elif isinstance(node, Choice):
            out |= {name for option in node.options for name in references(option)}
    return out
