"""What a run cost, in its manifest and in the ledger."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.speech_stand_in import speech_stand_in
from tests.unit.pipeline.jobs_in_store import CHANNEL, CONFIG, JOB, Interrupted, some_video, with_clips
from trivia_render.errors import AssetInvalidError, ConfigInvalidError, EncodeError, StoreUnavailableError
from trivia_render.fleet.prices import Rates, rates_for, read_prices
from trivia_render.models.batch import read_batch
from trivia_render.models.fleet import LedgerEntry
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.results import Manifest, ObjectRef
from trivia_render.pipeline.claim import open_job
from trivia_render.pipeline.costing import OTHER_STAGE, run_cost, stage_costs, video_costs
from trivia_render.pipeline.estimate import job_sizes
from trivia_render.pipeline.ledger import read_ledger, total
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.run import Outcome, render_job
from trivia_render.settings import load_settings
from trivia_render.storage.keys import manifest_key, status_key
from trivia_render.wiring import make_ports

HOURLY = 0.36
SILENCE = {"requests": 0, "characters": 0, "billed_characters": 0, "cache_hits": 0, "cache_misses": 0}


def rates(**fields: Any) -> Rates:
    values: dict[str, Any] = {
        "machine_type": None, "gpu_type": None, "provisioning": "spot", "region": None,
        "usd_per_hour": HOURLY, "store": "cloud",
    }  # fmt: skip
    return rates_for(read_prices(None), **values | fields)


def voice(name: str = "en-US-Neural2-F", provider: Any = "google") -> VoiceSpec:
    return VoiceSpec(provider=provider, name=name, language="en-US", speed=1.0)


def cost_of(**fields: Any) -> Any:
    values: dict[str, Any] = {
        "elapsed": timedelta(seconds=100),
        "voice": voice(),
        "speech": SILENCE | {"billed_characters": 1000},
        "files": [ObjectRef(key="k", size_bytes=2**30, crc32c="AAAAAA==")],
        "clips_rendered": 12,
        "clips_reused": 0,
    }
    return run_cost(fields.pop("rates", rates()), **values | fields)


def test_google_is_paid_for_billed_characters_and_the_offline_voice_is_free() -> None:
    assert cost_of().speech_usd == pytest.approx(0.016)
    assert cost_of(voice=voice("en-US-Studio-O")).speech_usd == pytest.approx(0.16)
    assert cost_of(voice=voice("hibari", "offline")).speech_usd == 0.0
    assert cost_of(voice=voice("none", "none")).speech_usd == 0.0


def test_a_voice_of_an_unknown_family_is_noted() -> None:
    assert "dearest" in cost_of(voice=voice("en-US-Telepathy-A")).notes[0]


def test_a_bucket_is_paid_for_bytes_and_writes_and_a_folder_for_nothing() -> None:
    assert cost_of().storage_usd > 0.02
    assert cost_of(clips_rendered=24).storage_usd > cost_of().storage_usd
    assert cost_of(rates=rates(store="folder")).storage_usd == 0.0


def test_the_stages_add_up_to_the_whole() -> None:
    cost = cost_of()
    stages = stage_costs(cost, {"speech": 5.0, "encode": 15.0})
    assert stages["encode"] == pytest.approx(cost.machine_usd * 0.75)
    assert stages["speech"] == pytest.approx(cost.machine_usd * 0.25 + cost.speech_usd)
    assert stages["storage"] == cost.storage_usd
    assert sum(stages.values()) == pytest.approx(cost.total_usd, abs=1e-7)


def test_time_in_no_stage_is_not_lost() -> None:
    assert stage_costs(cost_of(), {})[OTHER_STAGE] == pytest.approx(0.01)


def test_videos_share_a_job_by_their_frames() -> None:
    short, long = some_video(), some_video().model_copy(update={"frames": 90})
    assert [video.cost_usd for video in video_costs(0.04, [short, long])] == [0.01, 0.03]
    assert [video.cost_usd for video in video_costs(None, [short])] == [None]


# -- real runs


class Job:
    """A store of its own, and the entries of its ledger."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.entries: list[LedgerEntry] = []
        chosen = load_settings().model_copy(
            update={"data_folder": folder, "encoder": "libx264", "usd_per_hour": HOURLY} | settings
        )
        self.ports: Ports = replace(make_ports(chosen, asset_root=folder.parent), ledger=self.entries.append)

    def run(self, **changes: Any) -> Outcome:
        return render_job(self.ports, channel=CHANNEL, job_id=JOB, config={**CONFIG, **changes})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Manifest]:
    job = Job(tmp_path_factory.mktemp("costing") / "store")
    return job, job.run(formats=["1:1", "9:16"]).manifest


def test_the_manifest_says_what_the_job_cost_by_stage_and_by_video(done: tuple[Job, Manifest]) -> None:
    _, manifest = done
    assert manifest.cost is not None
    assert manifest.stage_cost_usd is not None
    assert manifest.cost_usd == manifest.cost.total_usd == manifest.cost.machine_usd
    assert (manifest.cost.speech_usd, manifest.cost.storage_usd) == (0.0, 0.0)
    assert manifest.cost.usd_per_hour == HOURLY
    assert sum(manifest.stage_cost_usd.values()) == pytest.approx(manifest.cost_usd, abs=1e-6)
    assert sum(video.cost_usd or 0.0 for video in manifest.videos) == pytest.approx(
        manifest.cost_usd, abs=1e-7
    )


def test_a_finished_run_is_one_entry_of_the_ledger(done: tuple[Job, Manifest]) -> None:
    job, manifest = done
    (entry,) = job.entries
    assert (entry.channel, entry.job_id, entry.outcome) == (CHANNEL, JOB, "completed")
    tally = entry.tally
    assert (tally.jobs_completed, tally.videos, tally.clips_rendered) == (1, 2, 6)
    assert tally.usd == pytest.approx(manifest.cost_usd)
    assert tally.video_seconds == pytest.approx(sum(video.duration_seconds for video in manifest.videos))
    assert tally.machine_seconds == pytest.approx(tally.machine_usd / HOURLY * 3600, abs=2.0)
    assert sum(tally.job_durations.counts) == 1
    assert {"encode", "mixing"} <= set(tally.stage_durations)


def test_a_job_that_is_published_already_makes_no_entry(done: tuple[Job, Manifest]) -> None:
    job, _ = done
    assert job.run(formats=["1:1", "9:16"]).already_published
    assert len(job.entries) == 1


def test_a_manifest_of_before_there_were_costs_can_still_be_read(done: tuple[Job, Manifest]) -> None:
    _, manifest = done
    old = manifest.model_dump(mode="json")
    del old["cost"]
    for video in old["videos"]:
        del video["cost_usd"]
    assert Manifest.model_validate_json(json.dumps(old)).cost is None


def test_a_machine_of_unknown_price_costs_nothing_known_and_the_manifest_says_so(
    rendered: Path, tmp_path: Path
) -> None:
    job = Job(with_clips(tmp_path / "store", rendered), usd_per_hour=None)
    manifest = job.run().manifest
    assert manifest.cost is not None
    assert (manifest.cost_usd, manifest.stage_cost_usd, manifest.cost.machine_usd) == (None, None, None)
    assert manifest.cost.total_usd == 0.0
    assert manifest.videos[0].cost_usd is None
    assert job.entries[0].tally.usd == 0.0
    assert job.entries[0].tally.machine_seconds > 0


@pytest.fixture
def fresh(tmp_path: Path) -> Job:
    return Job(tmp_path / "store")


FAILURES = [
    ({"tts_speed": 99}, ConfigInvalidError, "config_invalid"),
    ({"theme": {"name": "aurora", "logo": "gone.png"}}, AssetInvalidError, "asset_invalid"),
]


@pytest.mark.parametrize(("changes", "error", "code"), FAILURES, ids=["config", "image"])
def test_a_job_that_fails_before_its_plan_is_an_entry_of_time_alone(
    changes: dict[str, Any], error: type[Exception], code: str, fresh: Job
) -> None:
    with pytest.raises(error):
        fresh.run(**changes)
    (entry,) = fresh.entries
    assert (entry.outcome, entry.error_code) == ("failed", code)
    assert (entry.tally.jobs_failed, entry.tally.jobs_completed, entry.tally.videos) == (1, 0, 0)
    assert set(entry.tally.stage_usd) <= {OTHER_STAGE}


def end(fresh: Job, error: BaseException, **options: Any) -> LedgerEntry:
    with (
        pytest.raises(BaseException),  # noqa: B017, PT011 - what it becomes is not the question
        open_job(fresh.ports, channel=CHANNEL, job_id=JOB, config=CONFIG, **options),
    ):
        raise error
    (entry,) = fresh.entries
    return entry


ENDINGS = [
    (EncodeError("No.", remedy=""), None, "failed", "encode_failed"),
    (EncodeError("No.", remedy=""), "run-1", "failed", "encode_failed"),
    (ZeroDivisionError(), None, "failed", "internal_error"),
    (KeyboardInterrupt(), None, "given_back", None),
    (KeyboardInterrupt(), "run-1", "given_back", None),
    (StoreUnavailableError("No.", remedy=""), "run-1", "given_back", "given_back"),
    (StoreUnavailableError("No.", remedy=""), None, "failed", "store_unavailable"),
]


@pytest.mark.parametrize(("error", "pool_start", "outcome", "code"), ENDINGS)
def test_what_ends_a_run_decides_whether_its_job_has_failed(
    error: BaseException, pool_start: str | None, outcome: str, code: str | None, fresh: Job
) -> None:
    entry = end(fresh, error, pool_start=pool_start)
    assert (entry.outcome, entry.error_code) == (outcome, code)
    assert (entry.tally.jobs_failed, entry.tally.runs_given_back) == (
        int(outcome == "failed"), int(outcome == "given_back"),
    )  # fmt: skip


def test_a_run_that_has_committed_counts_as_completed_whatever_happens_then(
    rendered: Path, tmp_path: Path
) -> None:
    job = Job(with_clips(tmp_path / "store", rendered))
    store = Interrupted(tmp_path / "store")

    def fail() -> None:
        raise StoreUnavailableError("Away.", remedy="Wait.")

    job.ports = replace(job.ports, store=store)
    with pytest.raises(StoreUnavailableError):
        _run_with(job, store, fail)
    (entry,) = job.entries
    assert (entry.outcome, entry.error_code, entry.tally.jobs_completed) == ("completed", None, 1)
    assert job.ports.store.stat(manifest_key(CHANNEL, JOB)) is not None


def _run_with(job: Job, store: Interrupted, fail: Any) -> None:
    # The manifest's write arms the fault of the status that follows it.
    store.before_next_write(
        manifest_key(CHANNEL, JOB),
        lambda: store.before_next_write(status_key(CHANNEL, JOB), fail, fail, fail),
    )
    job.run()


def test_a_run_on_a_laptop_is_in_the_stores_ledger(tmp_path: Path) -> None:
    settings = load_settings().model_copy(
        update={"data_folder": tmp_path / "store", "worker_id": "laptop", "usd_per_hour": HOURLY}
    )
    ports = make_ports(settings)
    with pytest.raises(ConfigInvalidError):
        render_job(ports, channel=CHANNEL, job_id=JOB, config={**CONFIG, "tts_speed": 99})
    today = ports.now().date()
    (page,) = read_ledger(ports.store, today, today)
    assert (page.worker, page.usd_per_hour, total([page]).jobs_failed) == ("laptop", HOURLY, 1)


def test_a_run_of_a_worker_leaves_its_entry_on_the_board(tmp_path: Path) -> None:
    board = tmp_path / "board"
    board.mkdir()
    settings = load_settings().model_copy(
        update={"data_folder": tmp_path / "store", "worker_board": board, "usd_per_hour": HOURLY}
    )
    ports = make_ports(settings)
    with pytest.raises(ConfigInvalidError):
        render_job(ports, channel=CHANNEL, job_id=JOB, config={**CONFIG, "tts_speed": 99})
    (file,) = board.iterdir()
    assert LedgerEntry.model_validate_json(file.read_bytes()).outcome == "failed"
    assert list(ports.store.list("fleet/")) == []


def test_what_google_was_sent_is_what_is_charged_and_no_more_than_was_quoted(tmp_path: Path) -> None:
    config = CONFIG | {"narration": {"provider": "google"}, "tts_voice": "en-US-Neural2-F"}
    jobs, _ = read_batch(json.dumps(config).encode(), name="batch")
    (quoted,) = job_sizes(jobs, google_credentials=True)
    with speech_stand_in() as speech:
        job = Job(tmp_path / "store", speech_endpoint=speech.endpoint)
        manifest = job.run(**config).manifest
        sent = [request.input.ssml or request.input.text for request in speech.requests]
        again = job.run(**config | {"soundtrack": {"source": "calm"}}).manifest
    billed = sum(len(re.sub("<mark [^>]*>", "", text)) for text in sent)
    assert manifest.speech["billed_characters"] == billed > 0
    assert manifest.cost is not None
    assert manifest.cost.speech_usd == pytest.approx(billed * 16e-6)
    assert manifest.stage_cost_usd is not None
    assert manifest.stage_cost_usd["speech"] > manifest.cost.speech_usd
    assert quoted.characters["neural2"] >= billed
    assert again.cost is not None
    assert again.cost.speech_usd == 0.0, "nothing is paid for twice"
