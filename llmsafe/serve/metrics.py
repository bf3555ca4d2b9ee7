"""What is counted, in the form that Prometheus reads. Categories and reasons; never a text."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = {"registry": self._registry}
        self.responses = Counter(
            "llmsafe_responses", "Responses by how they ended.", ["end"], **own
        )
        self.phi = Counter(
            "llmsafe_phi", "Spans of PHI masked or blocked, by category.", ["category"], **own
        )
        self.late = Counter(
            "llmsafe_phi_late", "Spans whose beginning was sent before they were found.", **own
        )
        self.canaries = Counter(
            "llmsafe_canaries", "Secrets of canaries that the model said.", **own
        )
        self.guard_failures = Counter(
            "llmsafe_guard_failures", "Responses that the guard could not read.", ["kind"], **own
        )
        self.refused = Counter(
            "llmsafe_refused", "Refusals and failures, by HTTP status.", ["status"], **own
        )
        self.errors = Counter(
            "llmsafe_errors", "Errors that nobody foresaw, by kind.", ["kind"], **own
        )
        self.tokens = Counter("llmsafe_tokens", "Tokens generated.", **own)
        self.running = Gauge("llmsafe_running", "Generations running now.", **own)
        self.seconds = Histogram("llmsafe_seconds", "Seconds from request to end.", **own)

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
