"""Bring a master to its loudness, and prove it on the encoded file."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from trivia_render.audio.kweighting import Power, integrated_lufs, weighted_power
from trivia_render.audio.limiter import Curve, Limiting, apply, block_peaks, limiting
from trivia_render.audio.mix import is_silent
from trivia_render.audio.tones import db_to_gain
from trivia_render.errors import VideoOutOfSpecError
from trivia_render.models.config import Loudness
from trivia_render.models.ports import Samples

#: The integrated loudness may miss its target by so much; EBU R 128 allows finished programmes the same.
TOLERANCE_LU = 0.5
#: A lossy codec moves peaks: the limiter holds them so far under what the AAC may reach. Of 72 encodes of
#: speech and music at 160 kbit/s, 15 rose by more than 0.5 dB, 5 by more than 0.8 and none by more than 1.0.
RESERVE_DB = 0.8
# Where a peak rises changes with every encode, so a correction goes a little further than the last one asks.
_CORRECTION_MARGIN_DB = 0.2
#: Encodes until the file measures right; each learns from the last. Programmes need one, at times two.
MAX_PASSES = 5
#: No master is driven further into the limiter than this; what needs more is mostly clicks.
MAX_LIMITING_DB = 24.0

_MAX_STEPS = 16


class Reading(Protocol):
    """What a meter says of a file. `integrated_lufs` is None where nothing passes its gate."""

    @property
    def integrated_lufs(self) -> float | None: ...  # noqa: D102 - said above
    @property
    def true_peak_dbtp(self) -> float | None: ...  # noqa: D102


class FinishedSound(NamedTuple):
    """The encoded sound and its measures. A silent one has none and is exempt from the target."""

    path: Path
    integrated_lufs: float | None
    true_peak_dbtp: float | None
    passes: int
    silent: bool


def finish(
    master: Samples,
    *,
    target: Loudness,
    encode: Callable[[Samples], Path],
    measure: Callable[[Path], Reading],
) -> FinishedSound:
    """Gain, limit, encode and measure a (2, n) master until the file meets the target.

    `encode` writes the AAC file, over an earlier one if need be; `measure` reads the file's integrated
    loudness and true peak. Raises VideoOutOfSpecError when the target cannot be met, and whatever the two
    raise.
    """
    if is_silent(master):
        return FinishedSound(encode(master), None, None, passes=1, silent=True)
    loudness = target.integrated_lufs
    ceiling = target.true_peak_dbtp - RESERVE_DB
    drive = _Drive(master)
    readings: list[str] = []
    for passes in range(1, MAX_PASSES + 1):
        gain = drive.to(loudness, ceiling_dbtp=ceiling)
        path = encode(apply(gain, master))
        reading = measure(path)
        lufs, peak = reading.integrated_lufs, reading.true_peak_dbtp
        if lufs is None or peak is None:
            raise _out_of_spec(target, [*readings, f"pass {passes}: nothing passes the meter's gate"])
        readings.append(f"pass {passes}: {lufs:.1f} LUFS, {peak:.1f} dBTP")
        miss, over = target.integrated_lufs - lufs, peak - target.true_peak_dbtp
        if abs(miss) <= TOLERANCE_LU and over <= 0:
            return FinishedSound(path, lufs, peak, passes=passes, silent=False)
        if miss > TOLERANCE_LU and drive.is_most(gain):
            break
        if abs(miss) > TOLERANCE_LU / 2:
            loudness += miss
        if over > 0:
            ceiling -= over + _CORRECTION_MARGIN_DB
    raise _out_of_spec(target, readings)


class _Drive:
    """Find the gain for a loudness from measures taken once: weighted power and peaks of each block."""

    def __init__(self, master: Samples) -> None:
        self._master = master
        # The absolute gate is for silence, not for masters that were recorded low: measure at full scale.
        self._lift = 1.0 / max(float(master.max()), -float(master.min()))
        self._power: Power = weighted_power(master)
        self._power *= self._lift**2
        self._peaks: Curve = np.zeros(0)
        self._peaks_known_above = float("inf")
        self._most: Limiting | None = None

    def to(self, lufs: float, *, ceiling_dbtp: float) -> Limiting:
        """Return the least drive that reaches the loudness under the ceiling, or the most allowed."""
        loudness = integrated_lufs(self._power)
        if loudness is None:
            raise VideoOutOfSpecError(
                "The sound has no measurable loudness: it is shorter than 0.4 s or only clicks.",
                remedy="Turn the music or the narration on, or the sound effects off.",
            )
        low = lufs - loudness
        high = most = low + MAX_LIMITING_DB
        # Without limiting the gain is known. Limiting takes loudness away, which more drive gives back.
        trial, gain = low, self._limited(low, ceiling_dbtp)
        for _ in range(_MAX_STEPS):
            miss = lufs - self._loudness_under(gain)
            if abs(miss) < 0.02:
                break
            low, high = (trial, high) if miss > 0 else (low, trial)
            if most - low < 0.1:
                self._most = gain
                break
            # A step by what is missing lands close while little is limited; else the middle does.
            step = trial + 1.5 * miss
            trial = step if low < step < high else (low + high) / 2
            gain = self._limited(trial, ceiling_dbtp)
        return gain

    def is_most(self, gain: Limiting) -> bool:
        """Say whether this gain, found by `to`, is as far as a master is driven."""
        return gain is self._most

    def _limited(self, drive_db: float, ceiling_dbtp: float) -> Limiting:
        drive = db_to_gain(drive_db) * self._lift
        threshold = db_to_gain(ceiling_dbtp) / drive
        if threshold < self._peaks_known_above:
            # A little lower than asked, so that the next steps of the search find their peaks known.
            self._peaks_known_above = threshold / db_to_gain(1.0)
            self._peaks = block_peaks(self._master, above=self._peaks_known_above)
        return limiting(self._peaks, drive=drive, ceiling_dbtp=ceiling_dbtp)

    def _loudness_under(self, gain: Limiting) -> float:
        # The curve moves in milliseconds, the weighting filter rings for less: their order hardly matters.
        curve = (gain.curve[:-1] + gain.curve[1:]) * (gain.drive / self._lift / 2)
        loudness = integrated_lufs(self._power * np.square(curve))
        return float("-inf") if loudness is None else loudness


def _out_of_spec(target: Loudness, readings: list[str]) -> VideoOutOfSpecError:
    return VideoOutOfSpecError(
        f"The sound cannot be brought to {target.integrated_lufs:g} ±{TOLERANCE_LU} LUFS "
        f"at {target.true_peak_dbtp:g} dBTP or less.",
        evidence="\n".join(readings),
        remedy="Lower `loudness.integrated_lufs`, or give the video more than effects: music or narration.",
    )
