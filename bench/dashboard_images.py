"""Draw the pictures of the dashboard in docs/images: `python -m bench.dashboard_images [FOLDER]`.

A service is started on the store of an invented day and looked at with a real browser: on a desk, and on a
phone in the dark. The device's typeface is Inter, whatever the machine has.
"""

import base64
import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple
from unittest.mock import patch

import fontpkg_inter
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser import open_browser
from tests.fleet_day import seed_day
from trivia_render.cli.serve import make_service
from trivia_render.models.fleet import QueueCounts
from trivia_render.pipeline.fleet_records import read_decision
from trivia_render.settings import Settings
from trivia_render.storage.local import LocalStore

FOLDER = Path(__file__).parent.parent / "docs" / "images"
MOST_BYTES = 300_000
_TIMEOUT_SECONDS = 30


class Shot(NamedTuple):
    """A picture: its file, the window in CSS pixels, and the device's theme and density."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]
    density: int


SHOTS = (
    Shot("dashboard.png", 1280, 1196, "light", 1),
    Shot("dashboard-phone.png", 390, 844, "dark", 2),
)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with inter_as_system_font(), service() as url, open_browser() as browser:
        for shot in SHOTS:
            started = time.monotonic()
            _save(photograph(browser, url, shot), folder / shot.name, started)


@contextmanager
def inter_as_system_font() -> Iterator[None]:
    """Let browsers that are started now take Inter for the system's typeface."""
    fonts = Path(fontpkg_inter.__file__).parent / "files"
    aliases = "".join(
        f"<alias binding='same'><family>{name}</family><prefer><family>Inter</family></prefer></alias>"
        for name in ("system-ui", "sans-serif", "Segoe UI", "Roboto")
    )
    with TemporaryDirectory() as folder:
        config = Path(folder, "fonts.conf")
        config.write_text(
            f"<fontconfig><dir>{fonts}</dir><cachedir>{folder}/cache</cachedir>{aliases}</fontconfig>"
        )
        with patch.dict(os.environ, {"FONTCONFIG_FILE": str(config)}):
            yield


@contextmanager
def service() -> Iterator[str]:
    """Serve the dashboard of a fleet at work, and yield its address."""
    with TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        seed_day(store)
        record = read_decision(store)
        snapshot = None if record is None else record.snapshot
        queue = (
            QueueCounts()
            if snapshot is None
            else QueueCounts(pending=snapshot.pending, running=snapshot.running)
        )
        settings = Settings().model_copy(update={"data_folder": Path(folder), "dashboard_port": 0})
        running = make_service(settings, lambda: queue)
        running.start()
        try:
            yield f"http://127.0.0.1:{running.port}/"
        finally:
            running.close()


def photograph(browser: Chrome, url: str, shot: Shot) -> Image.Image:
    """Return the page's first view in that window, once it shows figures."""
    features = [
        {"name": "prefers-color-scheme", "value": shot.scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": shot.width, "height": shot.height, "deviceScaleFactor": shot.density, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)
    WebDriverWait(browser, _TIMEOUT_SECONDS).until(
        lambda driver: driver.find_element(By.ID, "main").get_attribute("aria-busy") == "false"
    )
    png = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


def _save(image: Image.Image, path: Path, started: float) -> None:
    image.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {image.width}x{image.height}, {size:,} bytes, {time.monotonic() - started:.1f} s")
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size:,} bytes; {MOST_BYTES:,} are allowed: show less of the page.")


if __name__ == "__main__":
    main()
