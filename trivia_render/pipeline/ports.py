"""What the pipeline is given: stores, voices, FFmpeg, and this machine's measures."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.slots import EncodingSlots
from trivia_render.fleet.prices import Rates
from trivia_render.models.plan import Provider
from trivia_render.models.ports import RemoteAssets, Store
from trivia_render.pipeline.ledger import Ledger
from trivia_render.pipeline.progress import Report
from trivia_render.speech.usage import CountingVoice

EncoderRequest = Literal["auto", "h264_nvenc", "libx264"]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Everything the pipeline needs of the outside. `wiring.py` makes one from the settings."""

    store: Store
    work_store: Store
    voice: Callable[[Provider], CountingVoice]
    google_credentials: bool
    ffmpeg: Ffmpeg
    slots: EncodingSlots
    encoder: EncoderRequest
    scratch: Path
    asset_root: Path
    remote_assets: RemoteAssets
    worker_id: str
    host: str
    pid: int
    parallel_clips: int
    rates: Rates
    ledger: Ledger
    max_crashes: int
    now: Callable[[], datetime]
    report: Report
