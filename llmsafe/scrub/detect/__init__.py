"""Where PHI stands: a normalised view, rules and a tagger over it, and what they agree on."""
