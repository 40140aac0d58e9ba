"""A worker's ledger, kept at its heartbeats."""

from trivia_render.models.ports import Store
from trivia_render.pipeline.ledger import LedgerBook
from trivia_render.workpool.heartbeat import OnHeartbeat, WorkerBeat


def keep_ledger(store: Store, *, usd_per_hour: float | None) -> OnHeartbeat:
    """Return what counts a worker's runs and its up-time at each heartbeat. Raises the store's errors then.

    `usd_per_hour`: its machine's price, None where that is not known.
    """
    book = LedgerBook(store, usd_per_hour=usd_per_hour)

    def keep(beat: WorkerBeat) -> None:
        book.fold(
            beat.record,
            beat.board_folder,
            ended=beat.ended,
            preemptions=beat.preemptions,
            crashes=beat.crashes,
        )

    return keep
