"""The price table and what is made of it."""

import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from trivia_render.errors import BadInputError
from trivia_render.fleet.prices import Rates, fleet_rates, rates_for, read_prices, region_of
from trivia_render.speech.voice_families import family_of

TABLE = read_prices(None)


def rates(**fields: Any) -> Rates:
    values: dict[str, Any] = {
        "machine_type": "n1-standard-4",
        "gpu_type": "nvidia-tesla-t4",
        "provisioning": "spot",
        "region": "us-central1",
        "usd_per_hour": None,
        "store": "cloud",
    }
    return rates_for(TABLE, **values | fields)


def test_the_packaged_table_names_its_day_and_the_pages_it_is_from() -> None:
    assert TABLE.as_of >= date(2026, 1, 1)
    assert {"machines", "gpus", "speech", "storage"} <= set(TABLE.sources)
    assert all(page.startswith("https://cloud.google.com/") for page in TABLE.sources.values())
    assert {"us-central1", "europe-west4"} <= set(TABLE.regions)


def test_every_region_has_the_same_machines_and_spot_is_the_cheaper_way() -> None:
    first, *others = TABLE.regions.values()
    for region in (first, *others):
        assert set(region.machines) == set(first.machines)
        assert set(region.gpus) == set(first.gpus)
        for price in (*region.machines.values(), *region.gpus.values()):
            assert 0 < price.spot < price.standard


def test_a_machine_costs_its_type_and_its_gpu() -> None:
    assert rates().usd_per_hour == pytest.approx(0.0522 + 0.175)
    assert rates(provisioning="standard").usd_per_hour == pytest.approx(0.19 + 0.35)
    assert rates(gpu_type=None).usd_per_hour == pytest.approx(0.0522)
    assert rates().machine_usd(1800) == pytest.approx(0.2272 / 2)
    assert rates() == fleet_rates(TABLE, region=None)


def test_a_price_that_is_set_beats_the_table() -> None:
    assert rates(usd_per_hour=0.5, machine_type="abacus").usd_per_hour == 0.5
    assert rates(usd_per_hour=0.0).usd_per_hour == 0.0


def test_a_machine_that_nobody_names_has_no_price_and_needs_no_note() -> None:
    laptop = rates(machine_type=None, gpu_type=None, region=None, store="folder")
    assert laptop.usd_per_hour is None
    assert laptop.machine_usd(60) is None
    assert laptop.notes == ()


@pytest.mark.parametrize("wrong", [{"machine_type": "abacus"}, {"gpu_type": "abacus"}])
def test_a_machine_that_the_table_lacks_has_no_price_and_a_note(wrong: dict[str, str]) -> None:
    found = rates(**wrong)
    assert found.usd_per_hour is None
    assert len(found.notes) == 1
    assert "abacus is not in the price table" in found.notes[0]


def test_a_region_that_the_table_lacks_is_priced_as_its_default_one_and_noted() -> None:
    found = rates(region="moon-north1")
    assert found.usd_per_hour == rates().usd_per_hour
    assert found.notes == ("moon-north1 is not in the price table: the prices of us-central1 are used.",)


@pytest.mark.parametrize(
    ("region", "zone", "expected"),
    [
        ("us-central1", "europe-west4-a", "us-central1"),
        (None, "europe-west4-a", "europe-west4"),
        (None, "nowhere", None),
        (None, None, None),
    ],
)
def test_a_zone_tells_its_region(region: str | None, zone: str | None, expected: str | None) -> None:
    assert region_of(region=region, zone=zone) == expected


@pytest.mark.parametrize(
    ("voice", "usd"),
    [
        ("en-US-Standard-B", 4.0),
        ("en-US-Wavenet-D", 4.0),
        ("en-US-Neural2-F", 16.0),
        ("en-US-News-K", 16.0),
        ("en-US-Polyglot-1", 16.0),
        ("en-US-Chirp3-HD-Kore", 30.0),
        ("en-US-Chirp-HD-D", 30.0),
        ("en-US-Journey-D", 30.0),
        ("en-US-Studio-O", 160.0),
    ],
)
def test_a_voice_is_priced_by_its_family(voice: str, usd: float) -> None:
    family = family_of(voice).name
    assert rates().speech_usd({family: 1_000_000}) == pytest.approx(usd)
    assert rates().notes_on_speech({family: 1}) == ()


def test_a_voice_of_an_unknown_family_is_never_free_and_noted() -> None:
    characters = {family_of("en-US-Telepathy-A").name: 1_000_000}
    assert rates().speech_usd(characters) == pytest.approx(160.0)
    assert "telepathy" in rates().notes_on_speech(characters)[0]
    assert rates().notes_on_speech({"telepathy": 0}) == ()


def test_a_bucket_is_paid_for_and_a_folder_is_not() -> None:
    assert rates().storage_usd(size_bytes=2**30, writes=1000) == pytest.approx(0.02 + 0.005)
    assert rates(store="folder").storage_usd(size_bytes=2**30, writes=1000) == 0.0


def test_a_cost_adds_up_and_one_without_a_machine_price_says_so() -> None:
    known = rates().cost(machine_seconds=3600, characters={"neural2": 1000}, size_bytes=2**20, writes=100)
    assert known.machine_usd is not None
    assert known.total_usd == pytest.approx(known.machine_usd + known.speech_usd + known.storage_usd)
    unknown = rates(machine_type=None).cost(
        machine_seconds=3600, characters={"neural2": 1000}, size_bytes=0, writes=0
    )
    assert (unknown.machine_usd, unknown.total_usd) == (None, pytest.approx(0.016))


def changed(tmp_path: Path, **fields: Any) -> Path:
    path = tmp_path / "prices.yml"
    path.write_text(yaml.safe_dump(TABLE.model_dump(mode="json") | fields))
    return path


def test_a_table_of_ones_own_replaces_the_packaged_one(tmp_path: Path) -> None:
    table = read_prices(changed(tmp_path, speech_usd_per_million_characters={"neural2": 1}))
    assert table.speech_usd_per_million_characters == {"neural2": 1.0}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"as_of": "soon"}, "as_of"),
        ({"regions": {"r": {"machines": {"m": {"spot": -1}}}}}, "regions.r.machines.m.spot"),
        ({"default_region": "moon-north1"}, "default_region"),
        ({"speech_usd_per_million_characters": {}}, "speech_usd_per_million_characters"),
        ({"operations_usd_per_thousand": {"class_a": float("nan"), "class_b": 0}}, "class_a"),
        ({"tax": 1}, "tax"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_table_with_a_mistake_is_refused_by_its_place(
    fields: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError) as raised:
        read_prices(changed(tmp_path, **fields))
    assert told in raised.value.evidence
    assert "TRIVIA_PRICES" in raised.value.remedy


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"a: [", b"- 1"])
def test_a_file_that_is_no_table_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "prices.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"prices\.yml"):
        read_prices(path)


def test_the_table_is_part_of_the_package(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    subprocess.run(
        [sys.executable, "-c", f"import hatchling.build; hatchling.build.build_wheel({str(tmp_path)!r})"],
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    assert "trivia_render/fleet/prices.yml" in zipfile.ZipFile(wheel).namelist()
