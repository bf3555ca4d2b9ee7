"""Scrubbing: normalise -> detect -> resolve -> replace, over shards, processes and restarts.

`pipeline.scrub_corpus` is the whole job; `scrubber.Scrubber` is one note at a time. Nothing here
needs torch, and nothing imports Presidio before notes are looked at.
"""
