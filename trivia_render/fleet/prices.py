"""What things cost: the price table, and the rates that hold for one machine and its store."""

from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from trivia_render.errors import BadInputError
from trivia_render.models.base import Model
from trivia_render.models.results import Cost

Provisioning = Literal["spot", "standard"]
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]

#: What a month of Cloud Storage is here: the artefacts are charged to their job for so long.
STORAGE_DAYS = 30
_GIB = 2**30


class HourlyPrice(Model):
    """An hour of a machine or of a GPU."""

    standard: Usd
    spot: Usd

    def of(self, provisioning: Provisioning) -> float:
        """Return the price of one way of being provided."""
        return self.spot if provisioning == "spot" else self.standard


class RegionPrices(Model):
    """What depends on the region."""

    machines: dict[str, HourlyPrice]
    gpus: dict[str, HourlyPrice]
    storage_usd_per_gib_month: Usd


class FleetMachine(Model):
    """The machine of a fleet that a batch is quoted for where this one has no price."""

    machine_type: str
    gpu_type: str | None
    provisioning: Provisioning


class OperationPrices(Model):
    """A thousand operations of Cloud Storage."""

    class_a: Usd
    class_b: Usd


class PriceTable(Model):
    """`prices.yml`: what the vendor asks, as of a day."""

    as_of: date
    sources: dict[str, str] = Field(default_factory=dict, description="The vendor's pages.")
    fleet: FleetMachine
    default_region: str
    regions: dict[str, RegionPrices]
    speech_usd_per_million_characters: Annotated[dict[str, Usd], Field(min_length=1)]
    operations_usd_per_thousand: OperationPrices

    @model_validator(mode="after")
    def _has_its_default_region(self) -> "PriceTable":
        if self.default_region not in self.regions:
            raise ValueError(f"default_region is {self.default_region}, which is none of the regions")
        return self


class Rates(Model):
    """The prices that hold for one machine and its store. `notes`: what was assumed, in words."""

    as_of: date
    usd_per_hour: float | None = Field(description="None where the machine's price is not known.")
    speech_usd_per_million_characters: dict[str, float]
    storage_usd_per_gib_month: float = Field(description="0 for a local folder.")
    writes_usd_per_thousand: float = Field(description="0 for a local folder.")
    notes: tuple[str, ...] = ()

    def machine_usd(self, seconds: float) -> float | None:
        """Return what so many seconds of the machine cost; None where its price is not known."""
        return None if self.usd_per_hour is None else self.usd_per_hour * seconds / 3600

    def speech_usd(self, characters: Mapping[str, int]) -> float:
        """Return what Google asks for characters by voice family; the dearest price for an unknown one."""
        prices = self.speech_usd_per_million_characters
        dearest = max(prices.values())
        return sum(count * prices.get(family, dearest) / 1e6 for family, count in characters.items())

    def storage_usd(self, *, size_bytes: float, writes: float) -> float:
        """Return what the store asks for writing objects and keeping so many bytes for 30 days."""
        kept = size_bytes / _GIB * self.storage_usd_per_gib_month
        return kept + writes / 1000 * self.writes_usd_per_thousand

    def notes_on_speech(self, characters: Mapping[str, int]) -> tuple[str, ...]:
        """Say which voice families have no price of their own."""
        unknown = [
            family
            for family, count in characters.items()
            if count and family not in self.speech_usd_per_million_characters
        ]
        return tuple(
            f"The voice family {family or '(none)'} is not in the price table: the dearest price is used."
            for family in sorted(unknown)
        )

    def cost(
        self, *, machine_seconds: float, characters: Mapping[str, int], size_bytes: float, writes: float
    ) -> Cost:
        """Put a run's cost together. `characters`: billed ones, by voice family."""
        machine = self.machine_usd(machine_seconds)
        speech = self.speech_usd(characters)
        storage = self.storage_usd(size_bytes=size_bytes, writes=writes)
        return Cost(
            machine_usd=None if machine is None else round(machine, 8),
            speech_usd=round(speech, 8),
            storage_usd=round(storage, 8),
            total_usd=round((machine or 0.0) + speech + storage, 8),
            usd_per_hour=self.usd_per_hour,
            prices_as_of=self.as_of,
            notes=(*self.notes, *self.notes_on_speech(characters)),
        )


def read_prices(path: Path | None) -> PriceTable:
    """Return the price table of a file, or the packaged one. Raises BadInputError naming what is wrong."""
    name = "the packaged price table" if path is None else str(path)
    remedy = "Correct TRIVIA_PRICES or the file; `trivia_render/fleet/prices.yml` shows its form."
    try:
        text = (
            resources.files("trivia_render.fleet").joinpath("prices.yml").read_text(encoding="utf-8")
            if path is None
            else path.read_text(encoding="utf-8")
        )
        return PriceTable.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        lines = "\n".join(
            f"  {'.'.join(str(part) for part in detail['loc']) or '(file)'}: {detail['msg']}"
            for detail in error.errors()
        )
        raise BadInputError(f"{name} is no price table:", evidence=lines, remedy=remedy) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(f"{name} cannot be read.", evidence=f"  {error}", remedy=remedy) from error


def rates_for(
    table: PriceTable,
    *,
    machine_type: str | None,
    gpu_type: str | None,
    provisioning: Provisioning,
    region: str | None,
    usd_per_hour: float | None,
    store: Literal["folder", "cloud"],
) -> Rates:
    """Return the rates of a machine. `usd_per_hour`, where given, is its price whatever the table says.

    A machine or GPU that the table does not have leaves the price unknown, and a note says so: a wrong name
    must not stop a render. Pure.
    """
    chosen = region if region in table.regions else table.default_region
    prices = table.regions[chosen]
    notes: list[str] = []
    if region not in {None, chosen} and (machine_type is not None or store == "cloud"):
        notes.append(f"{region} is not in the price table: the prices of {chosen} are used.")
    price = usd_per_hour
    if price is None and machine_type is not None:
        found = [prices.machines.get(machine_type)]
        if gpu_type is not None:
            found.append(prices.gpus.get(gpu_type))
        price = sum(item.of(provisioning) for item in found if item is not None)
        if None in found:
            missing = machine_type if found[0] is None else gpu_type
            notes.append(
                f"{missing} is not in the price table for {chosen}: the machine's price is not known."
            )
            price = None
    cloud = store == "cloud"
    return Rates(
        as_of=table.as_of,
        usd_per_hour=None if price is None else round(price, 6),
        speech_usd_per_million_characters=table.speech_usd_per_million_characters,
        storage_usd_per_gib_month=prices.storage_usd_per_gib_month if cloud else 0.0,
        writes_usd_per_thousand=table.operations_usd_per_thousand.class_a if cloud else 0.0,
        notes=tuple(notes),
    )


def fleet_rates(table: PriceTable, *, region: str | None) -> Rates:
    """Return the rates of the table's own fleet machine with Cloud Storage. Pure."""
    machine = table.fleet
    return rates_for(
        table,
        machine_type=machine.machine_type,
        gpu_type=machine.gpu_type,
        provisioning=machine.provisioning,
        region=region,
        usd_per_hour=None,
        store="cloud",
    )


def region_of(*, region: str | None, zone: str | None) -> str | None:
    """Return the region, if need be the zone's: `us-central1-a` lies in `us-central1`. Pure."""
    return region or (zone.rpartition("-")[0] or None if zone else None)
