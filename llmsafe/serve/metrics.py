"""What is counted, in the form that Prometheus reads. Categories and reasons; never a text."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"llmsafe_{name}", what, labels, registry=registry)

        self.responses = counter("responses", "Responses by how they ended.", "end")
        self.phi = counter("phi", "Spans of PHI masked or blocked, by category.", "category")
        self.late = counter("phi_late", "Spans whose beginning was sent before they were found.")
        self.canaries = counter("canaries", "Secrets of canaries that the model said.")
        self.guard_failures = counter("guard_failures", "Responses the guard failed on.", "kind")
        self.refused = counter("refused", "Refusals and failures, by HTTP status.", "status")
        self.errors = counter("errors", "Errors that nobody foresaw, by kind.", "kind")
        self.tokens = counter("tokens", "Tokens generated.")
        self.running = Gauge("llmsafe_running", "Generations running now.", registry=registry)
        self.seconds = Histogram("llmsafe_seconds", "Seconds of a response.", registry=registry)

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
