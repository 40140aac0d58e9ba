"""Those of the settings that are numbers of the scaling rules."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class ScalingSettings(BaseSettings):
    """How large the fleet is to be, and when. Part of `Settings`, which is what is read."""

    scaling_policy: Literal["operator", "measured"] = Field(
        default="operator",
        validation_alias="TRIVIA_SCALING_POLICY",
        description="operator: by the numbers below; measured: by what the fleet was measured to do.",
    )
    min_machines: int = Field(
        default=1, ge=0, le=1000, validation_alias="TRIVIA_MIN_MACHINES", description="Never fewer machines."
    )
    max_machines: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        validation_alias="TRIVIA_MAX_MACHINES",
        description="Never more machines; default: 20, and one a core for a fleet on this machine.",
    )
    videos_per_machine: float = Field(
        default=200.0,
        gt=0,
        validation_alias="TRIVIA_VIDEOS_PER_MACHINE",
        description="operator: waiting videos that a machine is good for.",
    )
    planned_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        validation_alias="TRIVIA_PLANNED_SHARE",
        description="operator: the share of that which is planned with.",
    )
    scale_up_pending: int = Field(
        default=100,
        ge=0,
        validation_alias="TRIVIA_SCALE_UP_PENDING",
        description="operator: grow while more jobs than this wait.",
    )
    scale_up_utilisation: float = Field(
        default=80.0,
        ge=0,
        le=100,
        validation_alias="TRIVIA_SCALE_UP_UTILISATION",
        description="operator: grow by one above so many percent of utilisation.",
    )
    scale_down_pending: int = Field(
        default=5,
        ge=0,
        validation_alias="TRIVIA_SCALE_DOWN_PENDING",
        description="Shrink only while fewer jobs than this wait,",
    )
    scale_down_utilisation: float = Field(
        default=30.0,
        ge=0,
        le=100,
        validation_alias="TRIVIA_SCALE_DOWN_UTILISATION",
        description="and below so many percent of utilisation,",
    )
    idle_seconds: float = Field(
        default=600.0,
        ge=0,
        validation_alias="TRIVIA_IDLE_SECONDS",
        description="and only machines that have been idle for longer than this.",
    )
    scaling_cooldown_seconds: float = Field(
        default=300.0,
        ge=0,
        validation_alias="TRIVIA_SCALING_COOLDOWN_SECONDS",
        description="Pause after a step by utilisation, and between growing and shrinking.",
    )
    drain_target_seconds: float = Field(
        default=900.0,
        gt=0,
        validation_alias="TRIVIA_DRAIN_TARGET_SECONDS",
        description="measured: within so long all waiting jobs shall have been rendered.",
    )
    boot_seconds: float = Field(
        default=600.0,
        gt=0,
        validation_alias="TRIVIA_BOOT_SECONDS",
        description="A machine that does not serve so long after its start is replaced.",
    )
