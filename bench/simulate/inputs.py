"""What the simulation assumes, and what of it was measured."""

from typing import Literal, NamedTuple

from pydantic import Field

from trivia_render.models.base import Model

DAY_SECONDS = 86_400.0

Preset = Literal["cpu", "nvenc"]


class Benchmark(Model):
    """One render of `examples/ten_questions.json` with `trivia render --direct`, as measured.

    On two cores of an AMD EPYC, libx264, the offline voice, an empty local store. `make bench` measures the
    same more carefully. The stages are the manifest's `stage_seconds`.
    """

    video_seconds: float = 134.5
    frames: int = 4035
    clips: int = 12
    cpu_seconds: float = Field(default=101.0, description="User and system, of the process and its encoders.")
    wall_seconds: float = 59.2
    finishing_seconds: float = Field(
        default=3.1, description="Mixing, joining, checking, publishing: after the last clip, on one core."
    )
    characters: int = Field(default=940, description="Spoken.")


class Rendering(NamedTuple):
    """How long a machine needs for a video, and what that is made of."""

    preset: Preset
    seconds_per_video: float
    explained: str


class Stockout(Model):
    """A time in which the cloud has no machine to give."""

    begin_hour: float = Field(ge=0)
    minutes: float = Field(gt=0)


class Inputs(Model):
    """All numbers of a simulated day but the policy's. Seconds unless the name says otherwise."""

    videos: int = Field(default=80_000, ge=1)
    hours: float = Field(default=24.0, gt=0)
    curve_amplitude: float = Field(
        default=0.5, ge=0, lt=1, description="Jobs at the peak: 1 + this, times the mean."
    )
    peak_hour: float = 15.0
    bursts: int = Field(default=6, ge=0)
    burst_jobs: tuple[int, int] = (500, 2000)
    single_share: float = Field(
        default=0.2, ge=0, le=1, description="Of the jobs outside bursts: submitted one by one."
    )
    shard_size: int = Field(default=20, ge=1, description="`trivia batch` makes shards of so many jobs.")
    batch_shards: tuple[int, int] = (1, 10)

    seconds_per_video: float = Field(default=16.0, gt=0)
    seconds_spread: float = Field(default=0.2, ge=0, description="Standard deviation over mean; log-normal.")
    clips: int = Field(default=12, ge=1)
    run_start_seconds: float = Field(default=4.0, ge=0, description="A flow run's process, once a shard.")
    poll_seconds: float = Field(default=10.0, ge=0, description="A worker asks for work so often.")
    hand_back_seconds: float = Field(
        default=10.0, ge=0, description="From a preemption to being offered anew."
    )

    boot_seconds: tuple[float, float] = (90.0, 180.0)
    dud_share: float = Field(default=0.005, ge=0, le=1, description="Machines whose worker never serves.")
    lifetime_hours: float = Field(default=12.0, gt=0, description="Mean time to a preemption; exponential.")
    stockouts: tuple[Stockout, ...] = (
        Stockout(begin_hour=13.5, minutes=45),
        Stockout(begin_hour=16.5, minutes=45),
    )
    busy_utilisation_percent: float = Field(default=92.0, ge=0, le=100)
    tick_seconds: float = Field(default=60.0, gt=0, description="Between two decisions.")
    limit_hours: float = Field(default=48.0, gt=0, description="What is not rendered by then is left.")

    def with_throughput(self, videos_per_machine_per_day: float) -> "Inputs":
        """Return the same day with machines that render so many videos a day when they do nothing else."""
        return self.model_copy(update={"seconds_per_video": DAY_SECONDS / videos_per_machine_per_day})

    @property
    def videos_per_machine_per_day(self) -> float:
        """What a machine renders a day when it does nothing else."""
        return DAY_SECONDS / self.seconds_per_video


class MachineAssumptions(Model):
    """What is taken for granted of a machine that nobody has measured here: n1-standard-4 with one T4."""

    core_equivalents: float = Field(
        default=2.6, gt=0, description="Four vCPU are two cores; the second thread of each gives 30 % more."
    )
    nvenc_fps: float = Field(
        default=360.0, gt=0, description="1080p frames a second of the whole GPU, over three encodes at once."
    )
    waiting_seconds: float = Field(default=1.5, ge=0, description="For speech and for the bucket, a video.")


def rendering(preset: Preset, benchmark: Benchmark, machine: MachineAssumptions) -> Rendering:
    """Return how long a machine needs for a video of the benchmark. Pure."""
    if preset == "cpu":
        seconds = benchmark.cpu_seconds / machine.core_equivalents + machine.waiting_seconds
        explained = (
            f"{benchmark.cpu_seconds:.0f} CPU s (measured) on {machine.core_equivalents:g} cores' worth "
            f"(assumed), {machine.waiting_seconds:g} s of waiting for speech and bucket (assumed)"
        )
    else:
        seconds = benchmark.frames / machine.nvenc_fps + benchmark.finishing_seconds + machine.waiting_seconds
        explained = (
            f"{benchmark.frames} frames (measured) at {machine.nvenc_fps:.0f} frames a second (assumed), "
            f"{benchmark.finishing_seconds:g} s of mixing, joining and checking (measured), "
            f"{machine.waiting_seconds:g} s of waiting for speech and bucket (assumed)"
        )
    return Rendering(preset, round(seconds, 2), explained)
