"""Place a clip's sounds, and mix the clips into one master: voice, effects, ducked music."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trivia_render.audio.effects import render_sound
from trivia_render.audio.music import music_bed
from trivia_render.audio.tones import db_to_gain, fade, seconds_to_samples
from trivia_render.models.config import SoundEffects, Soundtrack
from trivia_render.models.formats import SAMPLE_RATE, SAMPLES_PER_FRAME
from trivia_render.models.ports import Samples, Speech
from trivia_render.models.timeline import Timeline

#: Peaks under -80 dBFS everywhere are silence: less than the last two bits of a 16-bit file.
SILENCE_PEAK = 1e-4

# The sidechain's control rate: 320 samples, 6.7 ms, five times a frame.
_CONTROL_SAMPLES = 320
#: The voice ducks the music while it is over this RMS: 30 dB under speech at -20 dBFS, above room noise.
_DUCKING_THRESHOLD = 10 ** (-50 / 20)
#: The music is down when a word begins (look-ahead), stays down through pauses for breath, and comes back.
_ATTACK_SECONDS = 0.08
_HOLD_SECONDS = 0.25
_RELEASE_SECONDS = 0.4

# Effects get some width from a faint echo after 8.9 ms, of opposite sign on each side, which mono cancels.
_WIDTH_DELAY = 427
_WIDTH_GAIN = 0.22

# Control blocks scaled at once: two seconds, which stay in the processor's cache.
_MIX_BLOCKS = 300


def clip_sound(timeline: Timeline, speech: Speech) -> Samples:
    """Place a clip's narration (row 0) and effects (row 1): (2, frames * 1600) float32 at 48 kHz.

    Effects are at their own level (see `effects.LEVELS_LU`). What would sound past the clip's end is faded
    out before it, so that clips join without clicks and without drift. Raises ValueError where the speech
    is not the timeline's, or a sound starts past the end.
    """
    sound = np.zeros((2, timeline.frames * SAMPLES_PER_FRAME), np.float32)
    for line, samples in zip(timeline.speech, speech.samples, strict=True):
        _place(sound[0], samples, line.start_sample, fade_seconds=0.05)
    for cue in timeline.cues:
        _place(sound[1], render_sound(cue.sound), cue.frame * SAMPLES_PER_FRAME, fade_seconds=0.25)
    return sound


def _place(track: Samples, sound: Samples, start: int, *, fade_seconds: float) -> None:
    room = len(track) - start
    if room <= 0:
        raise ValueError(f"a sound starts at sample {start} of a clip of {len(track)}")
    if len(sound) > room:
        sound = fade(sound[:room].copy(), fade_in=0, fade_out=seconds_to_samples(fade_seconds))
    track[start : start + len(sound)] += sound


def mix_master(clips: Sequence[Samples], *, soundtrack: Soundtrack, sound_effects: SoundEffects) -> Samples:
    """Mix the clips' sounds and the music bed into one master: (2, N) float32, N their lengths' sum.

    Each clip is (2, frames * 1600): voice, effects. Gains are against the narration: at 0 dB the bed is as
    loud as the voice (`REFERENCE_LUFS`), and so is the loudest effect. While the voice speaks, the bed is
    `ducking_db` softer. The master is not yet at its final loudness and may exceed full scale.
    """
    samples = sum(clip.shape[1] for clip in clips)
    if soundtrack.source == "none":
        master = np.zeros((2, samples), np.float32)
    else:
        master = music_bed(soundtrack.source, samples)
        _scale(master, _bed_gain([clip[0] for clip in clips], soundtrack))
    start = 0
    for clip in clips:
        master[:, start : start + clip.shape[1]] += clip[0]
        if sound_effects.enabled:
            _add_effects(master, clip[1] * np.float32(db_to_gain(sound_effects.gain_db)), start)
        start += clip.shape[1]
    return master


def is_silent(master: Samples) -> bool:
    """Say whether there is nothing to hear: no sample over -80 dBFS."""
    return max(float(master.max(initial=0)), -float(master.min(initial=0))) < SILENCE_PEAK


def _bed_gain(voices: Sequence[Samples], soundtrack: Soundtrack) -> npt.NDArray[np.float32]:
    """Return the bed's gain at the edges of the control blocks: (blocks + 1,)."""
    blocks = [voice.reshape(-1, _CONTROL_SAMPLES) for voice in voices]
    power = np.concatenate([np.einsum("ij,ij->i", block, block) for block in blocks]) / _CONTROL_SAMPLES
    depth = _ducking(power) * soundtrack.ducking_db
    return (10.0 ** ((soundtrack.gain_db - depth) / 20)).astype(np.float32)


def _ducking(power: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return how far the bed is ducked, 0 to 1, at each edge of control blocks with this voice power."""
    edges = np.arange(len(power) + 1)
    speaking = power > _DUCKING_THRESHOLD**2
    if not speaking.any():
        return np.zeros(len(edges))
    # Distance in blocks to the last end and to the next start of speech.
    active = np.flatnonzero(speaking)
    after = np.searchsorted(active, edges)
    last_end = np.where(after > 0, active[np.maximum(after - 1, 0)] + 1, -np.inf)
    next_start = np.where(after < len(active), active[np.minimum(after, len(active) - 1)], np.inf)
    rate = SAMPLE_RATE / _CONTROL_SAMPLES
    released = (edges - last_end - _HOLD_SECONDS * rate) / (_RELEASE_SECONDS * rate)
    attacked = (next_start - edges) / (_ATTACK_SECONDS * rate)
    ramp = 1.0 - np.clip(np.minimum(released, attacked), 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp))


def _scale(bed: Samples, gain: npt.NDArray[np.float32]) -> None:
    """Multiply (2, n) by a gain given at the edges of the control blocks, straight between them."""
    ramp = np.arange(_CONTROL_SAMPLES, dtype=np.float32) / np.float32(_CONTROL_SAMPLES)
    for first in range(0, len(gain) - 1, _MIX_BLOCKS):
        edges = gain[first : first + _MIX_BLOCKS + 1]
        factors = (edges[:-1, None] + np.diff(edges)[:, None] * ramp).ravel()
        part = bed[:, first * _CONTROL_SAMPLES : (first + _MIX_BLOCKS) * _CONTROL_SAMPLES]
        part *= factors[: part.shape[1]]


def _add_effects(master: Samples, effects: Samples, start: int) -> None:
    """Add a clip's effects: in the middle, with a little width that vanishes in mono."""
    end = start + len(effects)
    master[:, start:end] += effects
    # The echo of the last clip's end has nowhere to go.
    echo = effects[: max(master.shape[1] - start - _WIDTH_DELAY, 0)] * np.float32(_WIDTH_GAIN)
    place = slice(start + _WIDTH_DELAY, start + _WIDTH_DELAY + len(echo))
    master[0, place] += echo
    master[1, place] -= echo
