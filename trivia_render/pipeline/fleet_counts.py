"""Counters made of ledger pages and decisions. They begin at zero and never fall."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from trivia_render.models.fleet import Histogram, LedgerPage, PastDecision, Tally, Trigger
from trivia_render.models.fleet_view import FleetCounts
from trivia_render.pipeline.ledger import fleet_use, total


class _Seen(NamedTuple):
    """The most that one page has said."""

    day: date
    counts: FleetCounts


#: Earlier than any decision.
_NEVER = datetime.min.replace(tzinfo=UTC)


class RunningCounts:
    """Adds up what is new in each page and in the history of decisions.

    What is there at the start is the baseline: none of it is counted, only what it grows by. Until `begin` a
    page that was not seen before belongs to the baseline; from then on it counts from its beginning. A page
    that vanishes or comes back changes nothing.
    """

    def __init__(self) -> None:
        self._counts = FleetCounts()
        self._begun = False
        self._seen: dict[str, _Seen] = {}
        self._decided_until: datetime | None = None

    @property
    def counts(self) -> FleetCounts:
        """All that was counted. What the baseline names, such as a stage, is there with zero."""
        return self._counts

    def begin(self) -> None:
        """Take the baseline as complete: all pages of the start were added. Again, it changes nothing."""
        self._begun = True

    def add_page(self, key: str, page: LedgerPage) -> None:
        """Count what a page has more than when it was added last."""
        now = _counts_of(page)
        first = FleetCounts() if self._begun else now
        before = self._seen[key].counts if key in self._seen else first
        more = _growth(before, now)
        self._seen[key] = _Seen(page.day, _sum(before, more))
        self._counts = _sum(self._counts, more)

    def forget_before(self, day: date) -> None:
        """Forget the pages of earlier days, which must not be added again; what they counted stays."""
        self._seen = {key: seen for key, seen in self._seen.items() if seen.day >= day}

    def add_decisions(self, decisions: Iterable[PastDecision]) -> None:
        """Count the decisions that are later than any added before, the oldest first; at first none."""
        if self._decided_until is None:
            self._decided_until = max((past.at for past in decisions), default=_NEVER)
            return
        more: dict[Trigger, int] = {}
        for past in decisions:
            if past.at > self._decided_until:
                more[past.trigger] = more.get(past.trigger, 0) + 1
                self._decided_until = past.at
        if more:
            self._counts = _sum(self._counts, FleetCounts(decisions=more))


def _counts_of(page: LedgerPage) -> FleetCounts:
    use = fleet_use([page])
    return FleetCounts(
        tally=total([page]),
        machine_usd=use.usd,
        unpriced_seconds=use.unpriced_seconds,
        preemptions=page.preemptions,
        crashes=page.crashes,
    )


def _growth(before: FleetCounts, now: FleetCounts) -> FleetCounts:
    return FleetCounts(
        tally=Tally(**_more(before.tally, now.tally, Tally.model_fields)),
        **_more(before, now, ("machine_usd", "unpriced_seconds", "preemptions", "crashes")),
    )


def _more(before: Any, now: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: _difference(getattr(before, name), getattr(now, name)) for name in names}


def _difference(before: Any, now: Any) -> Any:
    """Return what `now` has more, nothing being less than nothing."""
    if isinstance(now, dict):
        return {
            key: _difference(before[key], value) if key in before else value for key, value in now.items()
        }
    if isinstance(now, Histogram):
        earlier = before.counts or (0,) * len(now.counts)
        counts = tuple(max(0, mine - its) for mine, its in zip(now.counts, earlier, strict=False))
        return Histogram(counts=counts, total_seconds=max(0.0, now.total_seconds - before.total_seconds))
    return max(now - before, type(now)(0))


def _sum(mine: FleetCounts, its: FleetCounts) -> FleetCounts:
    return FleetCounts(
        tally=mine.tally + its.tally,
        machine_usd=mine.machine_usd + its.machine_usd,
        unpriced_seconds=mine.unpriced_seconds + its.unpriced_seconds,
        preemptions=mine.preemptions + its.preemptions,
        crashes=mine.crashes + its.crashes,
        decisions={
            trigger: mine.decisions.get(trigger, 0) + its.decisions.get(trigger, 0)
            for trigger in {**mine.decisions, **its.decisions}
        },
    )
