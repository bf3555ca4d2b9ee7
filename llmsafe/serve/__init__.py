"""Serving: an OpenAI-compatible endpoint behind an output guard.

:mod:`~llmsafe.serve.guard` is a filter of text streams and knows no server; the endpoint puts it
between a source of text (a model in this process, or any OpenAI-compatible server) and whoever
asks. Nothing is written of what is asked or answered.
"""
