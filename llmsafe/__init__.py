"""llmsafe: use medical text for language models without giving patients away."""

__version__ = "0.1.0"
