"""`trivia cost`: what videos cost, by day, channel or stage, and what the fleet cost beside them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

import typer

from trivia_render.cli.console import print_json
from trivia_render.cli.inputs import check_id
from trivia_render.errors import BadInputError
from trivia_render.models.fleet import LedgerPage, Tally
from trivia_render.pipeline.ledger import (
    FleetUse,
    by_channel,
    by_day,
    fleet_use,
    read_ledger,
    total,
    unpriced,
)
from trivia_render.settings import load_settings
from trivia_render.wiring import make_store

DEFAULT_DAYS = 7
By = Literal["day", "channel", "stage"]


class CostRequest(NamedTuple):
    """What the command line asks for."""

    channel: str | None
    days: int | None
    since: str | None
    until: str | None
    by: By


class _Row(NamedTuple):
    """What was done under one name. `unpriced_seconds`: of its machine seconds, those of unknown price."""

    name: str
    tally: Tally
    unpriced_seconds: float

    @property
    def usd_per_video(self) -> float | None:
        """None without a video, and while a machine's price is not known."""
        tally = self.tally
        return tally.usd / tally.videos if tally.videos and not self.unpriced_seconds else None


def run_cost(request: CostRequest, *, as_json: bool) -> None:
    """Print what the ledger says. An empty ledger is no error."""
    if request.channel is not None:
        check_id(request.channel, option="--channel")
    first, last = period(request, today=datetime.now(UTC).date())
    pages = list(read_ledger(make_store(load_settings()), first, last))
    if request.channel is not None:
        pages = [_only(page, request.channel) for page in pages]
    # Machines serve all channels: what they cost idle is no single one's.
    use = fleet_use(pages) if request.channel is None else None
    if as_json:
        for record in records(pages, by=request.by, use=use):
            print_json(record)
        return
    for line in lines_of(pages, by=request.by, use=use, first=first, last=last):
        typer.echo(line)


def period(request: CostRequest, *, today: date) -> tuple[date, date]:
    """Return the first and the last day (UTC) that are asked for. Raises BadInputError."""
    if request.days is not None and (request.since or request.until):
        raise BadInputError("--days goes with neither --since nor --until.", remedy="Give one or the other.")
    if request.until and not request.since:
        raise BadInputError("--until is given without --since.", remedy="Give --since too.")
    if request.since is None:
        return today - timedelta(days=(request.days or DEFAULT_DAYS) - 1), today
    first = _day(request.since, option="--since")
    last = _day(request.until, option="--until") if request.until else today
    if last < first:
        raise BadInputError(f"--since {first} is after {last}.", remedy="Give a day that is not later.")
    return first, last


def _day(text: str, *, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInputError(f"{option} {text!r} is no day.", remedy="Give such as 2026-05-31.") from None


def _only(page: LedgerPage, channel: str) -> LedgerPage:
    kept = {name: tally for name, tally in page.channels.items() if name == channel}
    return page.model_copy(update={"channels": kept})


def lines_of(
    pages: Sequence[LedgerPage], *, by: By, use: FleetUse | None, first: date, last: date
) -> list[str]:
    """Return the table as a person reads it. Pure."""
    span = f"{first}" if first == last else f"{first} to {last}"
    done = total(pages)
    if done == Tally() and not (use and use.up_seconds):
        return [f"The ledger has nothing from {span} (UTC)."]
    if by == "stage":
        lines = [f"{'stage':<12} {'seconds':>12} {'USD':>14} {'of all':>7}"]
        lines += [
            f"{stage:<12} {done.stage_seconds.get(stage, 0.0):>12,.1f} {usd:>14,.6f} "
            f"{usd / done.usd if done.usd else 0.0:>7.1%}"
            for stage, usd in _stages(done)
        ]
        lines.append(f"{'total':<12} {sum(done.stage_seconds.values()):>12,.1f} {done.usd:>14,.6f} {1:>7.0%}")
    else:
        rows = _rows(pages, by)
        width = max(12, *(len(row.name) for row in rows)) if rows else 12
        lines = [
            f"{by:<{width}} {'jobs':>7} {'videos':>7} {'machine s':>12} {'machine $':>10} {'speech $':>10} "
            f"{'storage $':>10} {'total $':>10} {'$ a video':>10}"
        ]
        lines += [_line(row, width) for row in (*rows, _total(pages))]
    lines += _remarks(_total(pages), use)
    return lines


def _line(row: _Row, width: int) -> str:
    tally = row.tally
    return (
        f"{row.name:<{width}} {tally.jobs_completed:>7,} {tally.videos:>7,} {tally.machine_seconds:>12,.1f} "
        f"{tally.machine_usd:>10,.4f} {tally.speech_usd:>10,.4f} {tally.storage_usd:>10,.4f} "
        f"{tally.usd:>10,.4f} {_a_video(row):>10}"
    )


def _a_video(row: _Row) -> str:
    if not row.tally.videos:
        return "-"
    return "unknown" if row.usd_per_video is None else f"{row.usd_per_video:.6f}"


def _remarks(row: _Row, use: FleetUse | None) -> list[str]:
    done, lines = row.tally, []
    if done.jobs_failed or done.runs_given_back:
        lines.append(
            f"With {done.jobs_failed:,} failed jobs and {done.runs_given_back:,} runs that were given back."
        )
    if use is not None and use.up_seconds:
        idle = max(0.0, use.usd - done.machine_usd)
        share = f", {idle / use.usd:.1%}" if use.usd else ""
        lines.append(
            f"Machines were up for {use.up_seconds / 3600:,.2f} h, for ${use.usd:,.4f}: "
            f"${done.machine_usd:,.4f} for jobs, ${idle:,.4f}{share} idle."
        )
    seconds, of = (
        (row.unpriced_seconds, "these machine seconds") if use is None else (use.unpriced_seconds, "that")
    )
    if seconds:
        lines.append(
            f"For {seconds / 3600:,.2f} h of {of} no price is known: "
            "set TRIVIA_MACHINE_TYPE or TRIVIA_USD_PER_HOUR."
        )
    return lines


def records(pages: Sequence[LedgerPage], *, by: By, use: FleetUse | None) -> list[dict[str, object]]:
    """Return one JSON object a row, then the total's, then the fleet's. Pure."""
    done = total(pages)
    if by == "stage":
        rows: list[dict[str, object]] = [
            {
                "row": "stage",
                "stage": stage,
                "seconds": done.stage_seconds.get(stage, 0.0),
                "usd": round(usd, 8),
            }
            for stage, usd in _stages(done)
        ]
    else:
        rows = [{"row": by, by: row.name, **_fields(row)} for row in _rows(pages, by)]
    rows.append({"row": "total", **_fields(_total(pages))})
    if use is not None:
        idle = max(0.0, use.usd - done.machine_usd)
        rows.append({"row": "fleet", **use._asdict(), "idle_usd": round(idle, 6)})
    return rows


def _fields(row: _Row) -> dict[str, object]:
    tally, usd_per_video = row.tally, row.usd_per_video
    return {
        "jobs_completed": tally.jobs_completed,
        "jobs_failed": tally.jobs_failed,
        "runs_given_back": tally.runs_given_back,
        "videos": tally.videos,
        "machine_seconds": tally.machine_seconds,
        "machine_usd": tally.machine_usd,
        "speech_usd": tally.speech_usd,
        "storage_usd": tally.storage_usd,
        "usd": round(tally.usd, 8),
        "usd_per_video": None if usd_per_video is None else round(usd_per_video, 8),
        "unpriced_seconds": row.unpriced_seconds,
    }


def _total(pages: Sequence[LedgerPage]) -> _Row:
    return _Row("total", total(pages), total(unpriced(pages)).machine_seconds)


def _rows(pages: Sequence[LedgerPage], by: By) -> list[_Row]:
    if by == "channel":
        channels = by_channel(unpriced(pages))
        return [
            _Row(name, tally, channels.get(name, Tally()).machine_seconds)
            for name, tally in by_channel(pages).items()
        ]
    days = by_day(unpriced(pages))
    # A day on which machines were up and no run ended has no row.
    return [
        _Row(str(day), tally, days.get(day, Tally()).machine_seconds)
        for day, tally in by_day(pages).items()
        if tally != Tally()
    ]


def _stages(done: Tally) -> list[tuple[str, float]]:
    """Every stage with seconds or money, the dearest first; of equal ones the longest."""
    names = {**done.stage_seconds, **done.stage_usd}
    found = [(name, done.stage_usd.get(name, 0.0)) for name in names]
    return sorted(found, key=lambda item: (-item[1], -done.stage_seconds.get(item[0], 0.0), item[0]))
