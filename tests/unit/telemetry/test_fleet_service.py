"""The fleet's service answers from memory, and its page can do no more than it should."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from trivia_render.telemetry.endpoints import open_endpoints
from trivia_render.telemetry.fleet_service import PAGE, make_fleet_app


@contextmanager
def served(
    *, status: bytes = b'{"version": 1}', metrics: bytes = b"trivia_up 1\n", alive: bool = True
) -> Iterator[httpx.Client]:
    """Serve on a free port, and yield a client of it."""
    endpoints = open_endpoints("127.0.0.1", 0)
    endpoints.serve(make_fleet_app(status=lambda: status, metrics=lambda: metrics, alive=lambda: alive))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{endpoints.port}", trust_env=False) as client:
            yield client
    finally:
        endpoints.close()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served() as client:
        yield client


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/status", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/healthz", "application/json"),
    ],
)
def test_each_path_answers_with_its_media_type(client: httpx.Client, path: str, media_type: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize("path", ["/", "/status", "/app.js", "/nothing"])
def test_every_answer_forbids_what_the_page_does_not_need(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in headers["content-security-policy"]
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers


def test_a_service_that_hangs_is_not_healthy() -> None:
    with served(alive=False) as client:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "stuck"})


@pytest.mark.parametrize(
    "path", ["/../fleet_service.py", "/%2e%2e/fleet_service.py", "/page/app.js", "/app.js/"]
)
def test_no_other_file_is_given_out(client: httpx.Client, path: str) -> None:
    assert client.get(path, follow_redirects=False).status_code in {307, 404}


def test_large_answers_are_packed_for_who_takes_it() -> None:
    with served(status=b"[" + b"1," * 9000 + b"1]") as client:
        answer = client.get("/status", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()) == 9001


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found += [value for name in ("src", "href") if (value := values.get(name)) is not None]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)
        self.inline += [name for name in values if name == "style" or name.startswith("on")]


def test_the_page_loads_its_own_files_alone_and_by_relative_names() -> None:
    links = _Links()
    links.feed((PAGE / "index.html").read_text(encoding="utf-8"))
    assert links.inline == []
    assert [link for link in links.found if not re.fullmatch(r"#?[\w.-]+", link)] == []
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*// .*$", "", text, flags=re.MULTILINE), file.name


@pytest.mark.parametrize("file", sorted(PAGE.glob("*.js")), ids=lambda file: file.name)
def test_no_script_makes_markup_of_data(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser"):
        assert way not in text


def _colours(block: str) -> dict[str, tuple[float, float, float]]:
    found = re.findall(r"--([\w-]+): #([0-9a-f]{6});", block)
    return {
        name: (int(hex_[:2], 16) / 255, int(hex_[2:4], 16) / 255, int(hex_[4:], 16) / 255)
        for name, hex_ in found
    }


def _luminance(colour: tuple[float, float, float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


STYLE = (PAGE / "style.css").read_text(encoding="utf-8")
ROOTS = re.findall(r":root \{(.+?)\}", STYLE, re.DOTALL)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_all_text_has_a_contrast_of_at_least_4_5(theme: int) -> None:
    colours = _colours(ROOTS[0]) | _colours(ROOTS[theme])
    on_everything = ("ink", "soft")
    on_cards = ("accent", "waiting", "warn", "bad", "good")
    grounds = ("ground", "card", "track", "warn-ground", "bad-ground", "info-ground")
    pairs = [(text, ground) for text in on_everything for ground in grounds]
    pairs += [(text, ground) for text in on_cards for ground in ("ground", "card")]
    pairs += [("bad", "bad-ground"), ("warn", "warn-ground")]
    poor = []
    for text, ground in pairs:
        light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
        contrast = (light + 0.05) / (dark + 0.05)
        if contrast < 4.5:
            poor.append(f"{text} on {ground}: {contrast:.2f}")
    assert poor == []
