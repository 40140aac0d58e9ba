"""`trivia batch --quote` and `--budget`: what a batch will cost, before anything is stored."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import typer

from trivia_render.cli.console import print_json
from trivia_render.errors import BudgetExceededError
from trivia_render.fleet.prices import Rates, fleet_rates, read_prices, region_of
from trivia_render.fleet.quote import JobSize, Pace, Quote, jobs_within, pace_of, quote_jobs
from trivia_render.models.batch import BatchJob
from trivia_render.models.ports import RemoteAssets, Store
from trivia_render.pipeline.estimate import job_sizes
from trivia_render.pipeline.ledger import read_ledger, total
from trivia_render.pipeline.submission import ended_before
from trivia_render.settings import Settings
from trivia_render.wiring import google_credentials_of, make_rates, make_remote_assets, make_store

#: The speed is measured over so many days.
PACE_DAYS = 7
#: Reads side by side: each waits for the store, not for this machine.
_READS = 8


class QuotedBatch(NamedTuple):
    """A quote with what it was made of. `passed_over`: jobs that ended before, which are not in it."""

    quote: Quote
    passed_over: int
    sizes: tuple[JobSize, ...]
    pace: Pace
    rates: Rates


def quote_batch(settings: Settings, jobs: Sequence[BatchJob], *, asset_root: Path) -> QuotedBatch:
    """Return what the batch is expected to cost here, or on a fleet where this machine has no price.

    Jobs that were completed or failed before are not rendered again, and not counted. `asset_root`: where
    the configs' images are. Raises BadInputError, AssetInvalidError and the store's errors.
    """
    store = make_store(settings)
    left = _without_ended(store, jobs, asset_root=asset_root, remote=make_remote_assets(settings))
    passed_over = len(jobs) - len(left)
    rates = make_rates(settings)
    notes = [passed_over_note(passed_over)] if passed_over else []
    # What is rendered through a bucket is rendered on Google Cloud, where each machine has credentials.
    google = google_credentials_of(settings) or settings.gcs_bucket is not None
    if rates.usd_per_hour is None:
        table = read_prices(settings.prices)
        notes += rates.notes
        rates = fleet_rates(table, region=region_of(region=settings.region, zone=settings.zone))
        machine = table.fleet
        gpu = f" with {machine.gpu_type}" if machine.gpu_type else ""
        notes.append(
            f"This machine has no price: quoted for a fleet of {machine.machine_type}{gpu}, "
            f"{machine.provisioning}, with Google's voices and Cloud Storage."
        )
        google = True
    today = datetime.now(UTC).date()
    done = total(read_ledger(store, today - timedelta(days=PACE_DAYS - 1), today))
    pace = pace_of(done, days=PACE_DAYS)
    sizes = tuple(job_sizes(left, google_credentials=google))
    quote = quote_jobs(sizes, pace=pace, rates=rates, notes=notes)
    return QuotedBatch(quote, passed_over, sizes, pace, rates)


def _without_ended(
    store: Store, jobs: Sequence[BatchJob], *, asset_root: Path, remote: RemoteAssets
) -> list[BatchJob]:
    def ended(job: BatchJob) -> bool:
        return ended_before(
            store,
            channel=job.job.channel,
            job_id=job.job.job_id,
            config=job.config,
            parsed=job.parsed,
            asset_root=asset_root,
            remote_assets=remote,
        )

    with ThreadPoolExecutor(_READS, thread_name_prefix="quote") as pool:
        try:
            return [job for job, over in zip(jobs, pool.map(ended, jobs), strict=True) if not over]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def passed_over_note(count: int) -> str:
    """Say that so many jobs are not in the quote. Pure."""
    if count == 1:
        return "1 job was completed or failed before and is passed over."
    return f"{count:,} jobs were completed or failed before and are passed over."


def check_budget(quoted: QuotedBatch, budget_usd: float) -> None:
    """Raise BudgetExceededError where the batch is quoted above the budget."""
    quote = quoted.quote
    if quote.total_usd <= budget_usd:
        return
    fitting = jobs_within(quoted.sizes, budget_usd, pace=quoted.pace, rates=quoted.rates)
    first, are = ("job", "is") if fitting == 1 else (f"{fitting} jobs", "are")
    which = f" that {are} not passed over" if quoted.passed_over else ""
    raise BudgetExceededError(
        f"The batch is quoted at ${quote.total_usd:,.4f}, above the budget of ${budget_usd:,.4f}. "
        "Nothing was submitted.",
        evidence="\n".join(
            [
                f"  The first {fitting} of its {quote.jobs} jobs would fit."
                if fitting
                else f"  Not even the first of its {quote.jobs} jobs would fit.",
                f"  machine ${quote.machine_usd:,.4f}, speech ${quote.speech_usd:,.4f}, "
                f"storage ${quote.storage_usd:,.4f}; {quote.pace.source}",
                *([f"  {passed_over_note(quoted.passed_over)}"] if quoted.passed_over else []),
            ]
        ),
        remedy=f"Raise --budget, or submit a file of the first {first}{which}."
        if fitting
        else "Raise --budget, or choose a cheaper voice or machine.",
    )


def show_quote(quote: Quote, *, as_json: bool) -> None:
    """Print the quote."""
    if as_json:
        print_json({"event": "quote", **quote.model_dump(mode="json")})
        return
    for line in lines_of(quote):
        typer.echo(line)


def lines_of(quote: Quote) -> list[str]:
    """Return a quote as a person reads it. Pure."""
    spoken = sum(quote.characters.values())
    families = ", ".join(f"{count:,} {family}" for family, count in sorted(quote.characters.items()))
    rows = [
        (
            "machine",
            quote.machine_usd,
            f"{quote.machine_seconds:,.0f} s at ${quote.usd_per_hour:.4f} an hour",
        ),
        (
            "speech",
            quote.speech_usd,
            f"at most {spoken:,} characters" + (f": {families}" if families else ""),
        ),
        ("storage", quote.storage_usd, "30 days, and the writes"),
        ("total", quote.total_usd, f"${quote.usd_per_video:.6f} a video"),
    ]
    return [
        f"{quote.jobs:,} jobs, {quote.videos:,} videos, {quote.clips:,} clips. Nothing was submitted.",
        *(f"  {name:<8} ${usd:>11,.4f}   {what}" for name, usd, what in rows),
        f"  Speed: {quote.pace.source}.",
        f"  Prices as of {quote.prices_as_of}.",
        *(f"  {note}" for note in quote.notes),
    ]
