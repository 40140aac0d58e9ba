"""What all collectors of this program share: a registry of their own, and its text."""

from abc import abstractmethod
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector


class Exposition(Collector):
    """Metrics that are made at each scrape, and nothing beside them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Return the metrics, in format version 0.0.4 with names that every version can have."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing is read when this is registered."""
        return []

    @abstractmethod
    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
