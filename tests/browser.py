"""Finished videos in headless Chromium: whether they play, seek and show the right pictures."""

import base64
import io
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.programs import require

_TIMEOUT_SECONDS = 30

_PAGE = b"""<!doctype html><meta charset="utf-8"><title>video</title>
<video src="/video.mp4" preload="auto" muted playsinline></video>"""

_LOAD = """
const done = arguments[0], video = document.querySelector('video');
const result = () => done({
  error: video.error && video.error.message,
  duration_seconds: video.duration, width: video.videoWidth, height: video.videoHeight});
if (video.error || video.readyState >= 2) result();
video.addEventListener('loadeddata', result); video.addEventListener('error', result);
"""

# Plays until the clock has moved by half a second, so a picture that only loads does not pass.
_PLAY = """
const done = arguments[0], video = document.querySelector('video'), start = video.currentTime;
const result = error => {
  video.pause();
  done({error: error, played_seconds: video.currentTime - start,
        audio_bytes: video.webkitAudioDecodedByteCount,
        dropped_frames: video.getVideoPlaybackQuality().droppedVideoFrames});
};
video.addEventListener('timeupdate', () => { if (video.currentTime - start > 0.5) result(null); });
video.addEventListener('ended', () => result(null));
video.play().catch(error => result(String(error)));
"""

_SEEK = """
const seconds = arguments[0], done = arguments[1], video = document.querySelector('video');
video.addEventListener('seeked', () => {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  done(canvas.toDataURL('image/png').split(',')[1]);
}, {once: true});
video.currentTime = seconds;
"""


class Playback(NamedTuple):
    """What the browser made of a video. `pictures`: uint8 RGB (height, width, 3), one a seek."""

    duration_seconds: float
    width: int
    height: int
    played_seconds: float
    audio_bytes: int
    pictures: tuple[npt.NDArray[np.uint8], ...]
    range_requests: int


def play(path: Path, *, seek_seconds: Sequence[float] = ()) -> Playback:
    """Load the file over HTTP, play it from its start, then seek. Skips without Chromium.

    Seek to the middle of a frame, not to its edge: `(frame + 0.5) / 30`. Raises AssertionError with
    the browser's message where it cannot play the file.
    """
    with _server(path) as server, open_browser() as browser:
        browser.get(f"http://127.0.0.1:{server.server_port}/")
        loaded: dict[str, Any] = browser.execute_async_script(_LOAD)
        assert loaded["error"] is None, f"Chromium cannot load {path.name}: {loaded['error']}"
        played: dict[str, Any] = browser.execute_async_script(_PLAY)
        assert played["error"] is None, f"Chromium cannot play {path.name}: {played['error']}"
        pictures = tuple(_picture(browser.execute_async_script(_SEEK, seconds)) for seconds in seek_seconds)
        return Playback(
            duration_seconds=loaded["duration_seconds"],
            width=loaded["width"],
            height=loaded["height"],
            played_seconds=played["played_seconds"],
            audio_bytes=played["audio_bytes"],
            pictures=pictures,
            range_requests=server.range_requests,
        )


def _picture(png: str) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return np.asarray(image.convert("RGB"))


@contextmanager
def open_browser() -> Iterator[Chrome]:
    """Yield a headless Chromium with a profile of its own. Skips without Chromium."""
    chromium, driver = require("chromium"), require("chromedriver")
    # The driver is there, so nothing is to be downloaded or reported, and it listens on this machine.
    environment = {"SE_OFFLINE": "true", "SE_AVOID_STATS": "true", "no_proxy": "*", "NO_PROXY": "*"}
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile, patch.dict(os.environ, environment):
        options = ChromeOptions()
        options.binary_location = str(chromium)
        for flag in (
            "headless",
            "no-sandbox",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "disable-dev-shm-usage",
            "no-proxy-server",
            "autoplay-policy=no-user-gesture-required",
            f"user-data-dir={profile}",
        ):
            options.add_argument(f"--{flag}")
        browser = Chrome(options=options, service=Service(executable_path=str(driver)))
        try:
            browser.set_script_timeout(_TIMEOUT_SECONDS)
            browser.set_page_load_timeout(_TIMEOUT_SECONDS)
            yield browser
        finally:
            browser.quit()


class _VideoServer(ThreadingHTTPServer):
    """Serves one page and one video, and counts the requests for a part of it."""

    daemon_threads = True

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data = data
        self.range_requests = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _VideoServer

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(HTTPStatus.OK, _PAGE, "text/html")
        elif self.path == "/video.mp4":
            self._video()
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _video(self) -> None:
        data = self.server.data
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(HTTPStatus.OK, data, "video/mp4")
            return
        self.server.range_requests += 1
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        if first > last:
            headers = {"Content-Range": f"bytes */{len(data)}"}
            self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", "video/mp4", headers)
            return
        headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        self._answer(HTTPStatus.PARTIAL_CONTENT, data[first : last + 1], "video/mp4", headers)

    def _answer(
        self, status: HTTPStatus, body: bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Accept-Ranges": "bytes",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            # A player drops a request when it seeks elsewhere.
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests' output is for findings."""


@contextmanager
def _server(path: Path) -> Iterator[_VideoServer]:
    server = _VideoServer(path.read_bytes())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
