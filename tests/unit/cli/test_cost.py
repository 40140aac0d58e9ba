"""`trivia cost`, and the quote and the budget of `trivia batch`."""

import json
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.command import trivia
from trivia_render.cli.cost import CostRequest, period
from trivia_render.cli.quoting import quote_batch
from trivia_render.errors import BadInputError, StoreUnavailableError
from trivia_render.models.batch import read_batch
from trivia_render.models.fleet import LedgerPage, Tally
from trivia_render.models.ports import ObjectInfo
from trivia_render.models.results import JobState, JobStatus
from trivia_render.pipeline.submission import submit_job
from trivia_render.settings import load_settings
from trivia_render.storage.keys import ledger_key, status_key
from trivia_render.storage.local import LocalStore
from trivia_render.wiring import make_ports

TODAY = datetime.now(UTC).date()
CONFIG: dict[str, Any] = {
    "channel": "quiz",
    "total_questions": 1,
    "tts_voice": "en-US-Neural2-F",
    "questions": [{"question": "Is it?", "answer_a": "Yes", "answer_b": "No", "correct_answer": "Yes"}],
}


def tally(**fields: Any) -> Tally:
    values: dict[str, Any] = {
        "jobs_completed": 2, "videos": 4, "machine_seconds": 3600.0, "machine_usd": 0.2,
        "speech_usd": 0.1, "storage_usd": 0.02, "stage_seconds": {"encode": 3000.0, "speech": 600.0},
        "stage_usd": {"encode": 0.15, "speech": 0.15, "storage": 0.02},
    }  # fmt: skip
    return Tally(**values | fields)


def put(
    folder: Path,
    day: date,
    *,
    worker: str = "vm-1",
    price: float | None = 0.2,
    up: float = 7200.0,
    **channels: Tally,
) -> None:
    page = LedgerPage(
        day=day, worker=worker, channels=channels, up_seconds=up, usd_per_hour=price,
        updated_at=datetime.now(UTC),
    )  # fmt: skip
    LocalStore(folder / ".trivia").write(
        ledger_key(day, worker), page.model_dump_json().encode(), content_type="application/json"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, TODAY, quiz=tally(), history=tally(videos=1, jobs_failed=1))
    put(tmp_path, TODAY - timedelta(days=1), worker="vm-2", quiz=tally())
    put(tmp_path, TODAY - timedelta(days=30), quiz=tally(videos=1000))
    (tmp_path / "jobs.jsonl").write_text(
        "\n".join(json.dumps(CONFIG | {"title": f"Quiz {number}"}) for number in range(3))
    )
    return tmp_path


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_table_has_a_row_a_day_and_their_sum_and_shows_idle_machines(folder: Path) -> None:
    done = trivia("cost", cwd=folder)
    assert done.returncode == 0, done.stderr
    head, first, second, total, failed, machines = done.stdout.splitlines()
    assert " ".join(head.split()) == (
        "day jobs videos machine s machine $ speech $ storage $ total $ $ a video"
    )
    assert first.split() == [
        str(TODAY - timedelta(days=1)), "2", "4", "3,600.0",
        "0.2000", "0.1000", "0.0200", "0.3200", "0.080000",
    ]  # fmt: skip
    assert second.split()[:4] == [str(TODAY), "4", "5", "7,200.0"]
    assert total.split() == [
        "total", "6", "9", "10,800.0", "0.6000", "0.3000", "0.0600", "0.9600", "0.106667",
    ]  # fmt: skip
    assert "1 failed jobs" in failed
    assert machines == ("Machines were up for 4.00 h, for $0.8000: $0.6000 for jobs, $0.2000, 25.0% idle.")


def test_rows_for_programs_end_with_the_total_and_the_fleet(folder: Path) -> None:
    *days, total, fleet = rows(trivia("cost", "--json", cwd=folder))
    assert [(row["row"], row["day"]) for row in days] == [
        ("day", str(TODAY - timedelta(days=1))),
        ("day", str(TODAY)),
    ]
    assert (total["row"], total["videos"], total["usd"]) == ("total", 9, 0.96)
    assert total["usd_per_video"] == pytest.approx(0.96 / 9)
    assert (fleet["row"], fleet["up_seconds"], fleet["usd"], fleet["idle_usd"]) == ("fleet", 14400, 0.8, 0.2)


def test_by_channel_and_of_one_channel(folder: Path) -> None:
    *channels, _, _ = rows(trivia("cost", "--by", "channel", "--json", cwd=folder))
    assert {row["channel"]: row["videos"] for row in channels} == {"history": 1, "quiz": 8}
    *channels, total = rows(trivia("cost", "--channel", "history", "--json", cwd=folder))
    assert [row["videos"] for row in (*channels, total)] == [1, 1]


def test_by_stage_the_dearest_comes_first_and_all_add_up(folder: Path) -> None:
    done = trivia("cost", "--by", "stage", cwd=folder)
    table = [line.split() for line in done.stdout.splitlines()[1:5]]
    assert table == [
        ["encode", "9,000.0", "0.450000", "46.9%"],
        ["speech", "1,800.0", "0.450000", "46.9%"],
        ["storage", "0.0", "0.060000", "6.2%"],
        ["total", "10,800.0", "0.960000", "100%"],
    ]
    *stages, total, _ = rows(trivia("cost", "--by", "stage", "--json", cwd=folder))
    assert sum(row["usd"] for row in stages) == pytest.approx(total["usd"])


def test_a_span_of_days_may_be_named(folder: Path) -> None:
    long_ago = str(TODAY - timedelta(days=30))
    *_, total, _ = rows(trivia("cost", "--since", long_ago, "--until", long_ago, "--json", cwd=folder))
    assert total["videos"] == 1000
    *_, total, _ = rows(trivia("cost", "--days", "1", "--json", cwd=folder))
    assert total["videos"] == 5


def test_machines_of_unknown_price_are_named(tmp_path: Path) -> None:
    put(tmp_path, TODAY, price=None, up=1800.0, quiz=tally(machine_usd=0.0))
    done = trivia("cost", cwd=tmp_path)
    assert "For 0.50 h of that no price is known" in done.stdout
    assert "TRIVIA_MACHINE_TYPE" in done.stdout


def test_what_a_video_costs_is_unknown_while_a_machines_price_is(tmp_path: Path) -> None:
    yesterday = TODAY - timedelta(days=1)
    put(tmp_path, yesterday, price=None, up=5000.0, quiz=tally(machine_usd=0.0))
    put(tmp_path, TODAY, worker="vm-2", quiz=tally())
    put(tmp_path, TODAY, worker="no-machine", price=None, up=0.0, quiz=Tally(jobs_failed=1))
    first, second, total, _ = rows(trivia("cost", "--json", cwd=tmp_path))
    assert (first["usd_per_video"], first["unpriced_seconds"]) == (None, 3600.0)
    assert (second["usd_per_video"], second["unpriced_seconds"]) == (0.08, 0.0)
    assert (total["usd_per_video"], total["unpriced_seconds"]) == (None, 3600.0)
    table = trivia("cost", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[-1] for line in table[1:4]] == ["unknown", "0.080000", "unknown"]


def test_the_unknown_price_is_told_of_one_channel_as_well(tmp_path: Path) -> None:
    put(tmp_path, TODAY, price=None, up=7200.0, quiz=tally(machine_usd=0.0))
    put(tmp_path, TODAY, worker="vm-2", history=tally())
    done = trivia("cost", "--channel", "quiz", cwd=tmp_path)
    assert "For 1.00 h of these machine seconds no price is known: set TRIVIA_MACHINE_TYPE" in done.stdout
    (_, total) = rows(trivia("cost", "--channel", "quiz", "--by", "channel", "--json", cwd=tmp_path))
    assert total["usd_per_video"] is None
    done = trivia("cost", "--channel", "history", cwd=tmp_path)
    assert "no price is known" not in done.stdout
    assert "unknown" not in done.stdout


def test_an_empty_ledger_says_so_and_is_no_error(tmp_path: Path) -> None:
    done = trivia("cost", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The ledger has nothing from ")
    assert not (tmp_path / ".trivia").exists()


def request(**fields: Any) -> CostRequest:
    values: dict[str, Any] = {"channel": None, "days": None, "since": None, "until": None, "by": "day"}
    return CostRequest(**values | fields)


@pytest.mark.parametrize(
    ("fields", "first", "last"),
    [
        ({}, "2026-04-25", "2026-05-01"),
        ({"days": 1}, "2026-05-01", "2026-05-01"),
        ({"since": "2026-04-01"}, "2026-04-01", "2026-05-01"),
        ({"since": "2026-04-01", "until": "2026-04-02"}, "2026-04-01", "2026-04-02"),
    ],
)
def test_the_days_that_are_asked_for(fields: dict[str, Any], first: str, last: str) -> None:
    assert tuple(map(str, period(request(**fields), today=date(2026, 5, 1)))) == (first, last)


@pytest.mark.parametrize(
    "fields",
    [
        {"days": 3, "since": "2026-04-01"},
        {"until": "2026-04-01"},
        {"since": "April"},
        {"since": "2026-04-02", "until": "2026-04-01"},
    ],
)
def test_days_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        period(request(**fields), today=date(2026, 5, 1))


# -- quotes


def test_a_quote_needs_no_server_and_stores_nothing(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "alone").mkdir()
    done = trivia("batch", str(folder / "jobs.jsonl"), "--quote", cwd=tmp_path / "alone")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 jobs, 3 videos, 9 clips. Nothing was submitted.")
    assert "assumed: 3.7 s a clip" in done.stdout
    assert "quoted for a fleet of n1-standard-4 with nvidia-tesla-t4, spot" in done.stdout
    assert list((tmp_path / "alone").iterdir()) == []


def test_a_quote_for_programs_is_one_object(folder: Path) -> None:
    (quote,) = rows(trivia("batch", "jobs.jsonl", "--quote", "--json", cwd=folder))
    assert (quote["event"], quote["jobs"], quote["usd_per_hour"]) == ("quote", 3, 0.2272)
    assert quote["total_usd"] == pytest.approx(
        quote["machine_usd"] + quote["speech_usd"] + quote["storage_usd"], abs=2e-6
    )


def test_a_machine_with_a_price_is_quoted_at_it_with_its_own_voice_and_measured_speed(folder: Path) -> None:
    put(folder, TODAY, quiz=tally(clips_rendered=1000, stored_bytes=10**9))
    done = trivia(
        "batch", "jobs.jsonl", "--quote", "--json", cwd=folder, TRIVIA_USD_PER_HOUR="36",
    )  # fmt: skip
    (quote,) = rows(done)
    assert quote["pace"]["measured"]
    # Of both of this week's pages: 7,200 s for 1,000 clips.
    assert quote["machine_usd"] == pytest.approx(7.2 * 9 * 0.01)
    assert (quote["speech_usd"], quote["storage_usd"], quote["notes"]) == (0.0, 0.0, [])


def test_a_quote_of_a_bad_file_lists_its_lines(folder: Path) -> None:
    (folder / "jobs.jsonl").write_text(f"{json.dumps(CONFIG)}\n{{oops\n")
    done = trivia("batch", "jobs.jsonl", "--quote", cwd=folder)
    assert done.returncode == 2
    assert "line 2" in done.stderr


def test_a_batch_above_its_budget_is_refused_before_a_server_is_asked(folder: Path) -> None:
    (quote,) = rows(trivia("batch", "jobs.jsonl", "--quote", "--json", cwd=folder))
    budget = quote["total_usd"] * 0.8
    done = trivia("batch", "jobs.jsonl", "--budget", f"{budget:.6f}", "--json", cwd=folder)
    assert done.returncode == 2
    error = json.loads(done.stderr)
    assert error["code"] == "budget_exceeded"
    assert f"${quote['total_usd']:.4f}" in error["message"]
    assert f"${budget:.4f}" in error["message"]
    assert "The first 2 of its 3 jobs would fit." in error["evidence"]
    assert "--budget" in error["remedy"]
    assert not list(folder.rglob("status.json"))


def test_where_one_job_fits_the_remedy_names_one(folder: Path) -> None:
    (quote,) = rows(trivia("batch", "jobs.jsonl", "--quote", "--json", cwd=folder))
    budget = quote["total_usd"] * 0.65
    done = trivia("batch", "jobs.jsonl", "--budget", f"{budget:.6f}", "--json", cwd=folder)
    assert json.loads(done.stderr)["remedy"] == "Raise --budget, or submit a file of the first job."


# -- jobs that ended before


@pytest.fixture
def submitted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[JobStatus]:
    """Three jobs, submitted and pending; of the first the config names an image."""
    configs = [CONFIG | {"title": f"Quiz {number}"} for number in range(3)]
    configs[0] |= {"theme": {"logo": "logo.png"}}
    Image.new("RGB", (8, 8)).save(folder / "logo.png")
    lines = [{"job_id": f"j{number}", "config": config} for number, config in enumerate(configs)]
    (folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.setenv("TRIVIA_HOME", str(folder / ".trivia"))
    ports = make_ports(load_settings(), asset_root=folder)
    return [
        submit_job(ports, channel="quiz", job_id=f"j{number}", config=config).status
        for number, config in enumerate(configs)
    ]


def end(folder: Path, status: JobStatus, state: JobState) -> None:
    LocalStore(folder / ".trivia").write(
        status_key(status.channel, status.job_id),
        status.model_copy(update={"state": state}).model_dump_json().encode(),
        content_type="application/json",
    )


@pytest.mark.parametrize("options", [[], ["--force"]], ids=["plain", "forced"])
def test_jobs_that_were_completed_or_failed_before_are_not_quoted(
    folder: Path, submitted: list[JobStatus], options: list[str]
) -> None:
    end(folder, submitted[0], "completed")
    end(folder, submitted[1], "failed")
    done = trivia("batch", "jobs.jsonl", "--quote", *options, cwd=folder)
    assert done.stdout.startswith("1 jobs, 1 videos, 3 clips."), done.stderr
    assert "2 jobs were completed or failed before and are passed over." in done.stdout
    (quote,) = rows(trivia("batch", "jobs.jsonl", "--quote", "--json", *options, cwd=folder))
    assert quote["jobs"] == 1
    assert any("2 jobs were completed or failed" in note for note in quote["notes"])


def test_jobs_that_wait_or_run_or_whose_config_differs_are_quoted(
    folder: Path, submitted: list[JobStatus]
) -> None:
    end(folder, submitted[0], "running")
    end(folder, submitted[1].model_copy(update={"config_sha256": "0" * 64}), "completed")
    (quote,) = rows(trivia("batch", "jobs.jsonl", "--quote", "--json", cwd=folder))
    assert quote["jobs"] == 3
    assert not any("passed over" in note for note in quote["notes"])


def test_a_batch_of_which_nothing_is_left_is_quoted_at_nothing_and_passes_any_budget(
    folder: Path, submitted: list[JobStatus]
) -> None:
    for status in submitted:
        end(folder, status, "completed")
    (quote,) = rows(trivia("batch", "jobs.jsonl", "--quote", "--json", cwd=folder))
    assert (quote["jobs"], quote["total_usd"], quote["usd_per_video"]) == (0, 0.0, 0.0)
    done = trivia("batch", "jobs.jsonl", "--budget", "0.01", cwd=folder)
    assert "no Prefect server" in done.stderr


def test_a_batch_above_its_budget_says_which_jobs_it_left_out(
    folder: Path, submitted: list[JobStatus]
) -> None:
    end(folder, submitted[0], "completed")
    (quote,) = rows(trivia("batch", "jobs.jsonl", "--quote", "--json", cwd=folder))
    budget = quote["total_usd"] * 0.8
    done = trivia("batch", "jobs.jsonl", "--budget", f"{budget:.6f}", "--json", cwd=folder)
    error = json.loads(done.stderr)
    assert "The first 1 of its 2 jobs would fit." in error["evidence"]
    assert "1 job was completed or failed before and is passed over." in error["evidence"]
    assert error["remedy"].endswith("submit a file of the first job that is not passed over.")


class Away(LocalStore):
    """A store that does not answer when a status is asked for."""

    def read(self, key: str) -> tuple[bytes, ObjectInfo]:
        if key.endswith("status.json"):
            raise StoreUnavailableError("It is away.", remedy="Wait.")
        return super().read(key)


def test_a_store_in_trouble_makes_no_quote(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trivia_render.cli.quoting.make_store", lambda _: Away(folder / ".trivia"))
    jobs, _ = read_batch((folder / "jobs.jsonl").read_bytes(), name="jobs")
    with pytest.raises(StoreUnavailableError):
        quote_batch(load_settings(), jobs, asset_root=folder)


def test_a_batch_within_its_budget_goes_on_to_the_server(folder: Path) -> None:
    done = trivia("batch", "jobs.jsonl", "--budget", "1000", cwd=folder)
    assert done.returncode == 1
    assert "no Prefect server" in done.stderr


def test_a_price_table_with_a_mistake_is_refused(folder: Path) -> None:
    (folder / "prices.yml").write_text("as_of: 2026-01-01\n")
    done = trivia("batch", "jobs.jsonl", "--quote", cwd=folder, TRIVIA_PRICES="prices.yml")
    assert done.returncode == 2
    assert "prices.yml is no price table" in done.stderr
    assert "regions" in done.stderr
