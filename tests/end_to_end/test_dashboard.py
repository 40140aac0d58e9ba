"""The dashboard in a real browser: it shows what is, follows what changes, and says when it cannot."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.browser import open_browser
from tests.fleet_day import seed_day, worker
from tests.ports import free_port
from trivia_render.cli.serve import FleetService, make_service
from trivia_render.errors import WorkflowServerError
from trivia_render.models.fleet import DecisionRecord, JobProgress, Override, Pause, QueueCounts
from trivia_render.models.fleet_view import FleetView, SourceView, Today
from trivia_render.models.gpu import Refusal
from trivia_render.pipeline.fleet_records import read_decision, write_model
from trivia_render.pipeline.workers import write_worker
from trivia_render.settings import Settings
from trivia_render.storage import keys
from trivia_render.storage.local import LocalStore
from trivia_render.telemetry.endpoints import open_endpoints
from trivia_render.telemetry.fleet_service import make_fleet_app

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
_WAIT_SECONDS = 20.0


class Fleet:
    """A store with a day of a fleet, its service with a port of its own, and a queue to be set."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(folder)
        self.queue: QueueCounts | None = QueueCounts(pending={"default": 340}, running={"default": 12})
        self.settings = Settings().model_copy(update={"data_folder": folder, "dashboard_port": free_port()})
        self.url = f"http://127.0.0.1:{self.settings.dashboard_port}/"
        self._service: FleetService | None = None

    def start(self) -> None:
        self._service = make_service(self.settings, self._read_queue, refresh_seconds=0.2)
        self._service.start()

    def stop(self) -> None:
        if self._service is not None:
            self._service.close()
            self._service = None

    def decision(self) -> DecisionRecord:
        found = read_decision(self.store)
        assert found is not None
        return found

    def _read_queue(self) -> QueueCounts:
        if self.queue is None:
            raise WorkflowServerError("The server is away.", remedy="Start it.")
        return self.queue


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path / "store")
    yield fleet
    fleet.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chrome]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Chrome) -> Iterator[Chrome]:
    """Yield the browser with a desktop's window, and check that no page has written an error."""
    resize(chromium, 1280, 900)
    chromium.get_log("browser")
    yield chromium
    errors = [entry["message"] for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"]
    chromium.get("about:blank")
    assert errors == []


def resize(browser: Chrome, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def text_of(browser: Chrome, selector: str) -> str:
    """Return the text of the first such element; a number's own space counts as a space."""
    return browser.find_element(By.CSS_SELECTOR, selector).text.replace("\u00a0", " ")


def big(browser: Chrome, figure: str) -> str:
    return text_of(browser, f"#figure-{figure} .big")


def until(what: Callable[[], object], wanted: object = True) -> None:
    """Wait until `what` returns what is wanted."""
    deadline = time.monotonic() + _WAIT_SECONDS
    found: object = None
    while time.monotonic() < deadline:
        try:
            found = what()
        except StaleElementReferenceException:
            found = None
        if found == wanted:
            return
        time.sleep(0.05)
    raise AssertionError(f"{found!r} instead of {wanted!r} after {_WAIT_SECONDS} s")


def opened(browser: Chrome, fleet: Fleet) -> None:
    browser.get(fleet.url)
    until(lambda: browser.find_element(By.ID, "main").get_attribute("aria-busy"), "false")


def overflow(browser: Chrome) -> list[str]:
    """Return the elements that stick out of the page sideways, by their class and text."""
    script = """
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 0.5)
      .map(e => `${e.tagName} .${e.className} ${e.textContent.slice(0, 40)}`);
    """
    found: list[str] = browser.execute_script(script)
    return found


def test_the_page_shows_the_fleets_figures(browser: Chrome, fleet: Fleet) -> None:
    day = seed_day(fleet.store)
    fleet.start()
    opened(browser, fleet)
    machines = [w for number in range(day.serving) if (w := worker(number, now=datetime.now(UTC)))]
    rendering = sum(machine.runs > 0 for machine in machines)
    sentence = text_of(browser, "#sentence")
    assert sentence.startswith(
        f"{rendering} of {day.serving} machines are rendering; 340 jobs wait; the last are due"
    )
    assert big(browser, "waiting") == "340"
    assert big(browser, "rendering") == "12"
    assert big(browser, "machines") == str(day.serving)
    status: dict[str, Any] = json.loads(
        browser.execute_async_script("fetch('status').then(a => a.text()).then(arguments[0])")
    )
    assert big(browser, "videos") == f"{status['today']['videos']:,}"
    assert big(browser, "failures") == f"{status['today']['jobs_failed']:,}"
    cards = browser.find_elements(By.CSS_SELECTOR, "#workers > li")
    assert [card.find_element(By.TAG_NAME, "h3").text for card in cards] == [m.worker_id for m in machines]
    states = [card.find_element(By.CSS_SELECTOR, ".state").text for card in cards]
    assert states.count("Rendering") == sum(m.runs > 0 and m.state == "ready" for m in machines)
    assert "Idle" in states
    assert len(browser.find_elements(By.CSS_SELECTOR, "#decisions > li")) > 5
    assert browser.find_element(By.CSS_SELECTOR, "#plot .waiting-line").get_attribute("d")
    assert text_of(browser, "#live").startswith("Live")
    assert browser.find_elements(By.CSS_SELECTOR, "#notices > li") == []


def test_the_page_follows_a_change_in_place_without_being_loaded_again(browser: Chrome, fleet: Fleet) -> None:
    seed_day(fleet.store, limit=2)
    fleet.start()
    opened(browser, fleet)
    browser.execute_script("window.here = document.querySelector('#workers > li'); here.dataset.mine = 'yes'")
    began = time.monotonic()
    fleet.queue = QueueCounts(pending={"high": 1234}, running={})
    lost = worker(0, now=datetime.now(UTC), last_error="FFmpeg exited 234.")
    write_worker(fleet.store, lost.model_copy(update={"state": "draining", "reason": "Told to."}))
    until(lambda: big(browser, "waiting"), "1,234")
    until(lambda: text_of(browser, "#workers .state"), "Draining")
    assert time.monotonic() - began < 15, "looked at each 0.2 s, asked each 3 s"
    assert browser.execute_script("return here.isConnected && here.dataset.mine") == "yes"
    assert text_of(browser, "#workers .error summary") == "FFmpeg exited 234."
    assert browser.execute_script("return performance.getEntriesByType('navigation').length") == 1


def test_a_lost_connection_is_said_and_mended_by_itself(chromium: Chrome, fleet: Fleet) -> None:
    # Not with the fixture that looks for errors: the browser itself writes one for each failed request.
    seed_day(fleet.store, limit=2)
    fleet.start()
    resize(chromium, 1280, 900)
    opened(chromium, fleet)
    fleet.stop()
    until(lambda: text_of(chromium, "#live").startswith("Connection lost"))
    assert "figures of" in text_of(chromium, "#live")
    assert big(chromium, "waiting") == "340"
    assert "Connection lost" in chromium.find_element(By.ID, "announcer").get_attribute("textContent")
    fleet.queue = QueueCounts(pending={"low": 7})
    fleet.start()
    until(lambda: text_of(chromium, "#live").startswith("Live"))
    until(lambda: big(chromium, "waiting"), "7")
    chromium.get("about:blank")


def test_hostile_and_very_long_texts_stay_text_and_inside_the_page(browser: Chrome, fleet: Fleet) -> None:
    seed_day(fleet.store, limit=2)
    now = datetime.now(UTC)
    long = HOSTILE + "\n" + "ffmpeg_line_without_any_blank" * 400
    jobs = [
        JobProgress(
            channel="c" * 63, job_id=HOSTILE, stage=HOSTILE, clips_done=1, clips_total=3, started_at=now
        )
    ]
    bad = worker(1, now=now, last_error=long).model_copy(
        update={"worker_id": "w" * 128, "jobs": tuple(jobs), "state": "draining", "reason": long}
    )
    write_worker(fleet.store, bad)
    record = fleet.decision()
    changed = {"reason": long}
    write_model(
        fleet.store,
        keys.FLEET_DECISION_KEY,
        record.model_copy(update={"error": long, "decision": record.decision.model_copy(update=changed)}),
    )
    fleet.start()
    for width, height in ((1280, 900), (390, 844), (320, 600)):
        resize(browser, width, height)
        opened(browser, fleet)
        until(lambda: HOSTILE in text_of(browser, "#workers > li:last-child .job-name"))
        assert overflow(browser) == []
    assert HOSTILE in text_of(browser, "#latest .reason")
    assert browser.find_elements(By.CSS_SELECTOR, "img:not([src='icon.svg'])") == []
    assert browser.title != "taken"


def test_what_stands_out_is_told_in_words(browser: Chrome, fleet: Fleet) -> None:
    seed_day(fleet.store, limit=3)
    now = datetime.now(UTC)
    record = fleet.decision()
    machines = [m.model_copy(update={"state": "failing"}) for m in record.snapshot.machines[:1]]
    snapshot = record.snapshot.model_copy(
        update={"machines": (*machines, *record.snapshot.machines[1:]), "stocked_out": True}
    )
    write_model(fleet.store, keys.FLEET_DECISION_KEY, record.model_copy(update={"snapshot": snapshot}))
    lost = Refusal(code="gpu_lost", message="It is lost.", evidence="", remedy="Replace it.")
    refused = worker(1, now=now).model_copy(
        update={"state": "refused", "refusal": lost, "reason": lost.reason(), "runs": 0, "jobs": ()}
    )
    write_worker(fleet.store, refused)
    override = Override(machines=5, at=now, until=now + timedelta(hours=2))
    write_model(fleet.store, keys.FLEET_OVERRIDE_KEY, override)
    write_model(fleet.store, keys.FLEET_PAUSE_KEY, Pause(at=now))
    fleet.queue = None
    fleet.start()
    opened(browser, fleet)
    said = [node.text for node in browser.find_elements(By.CSS_SELECTOR, "#notices > li")]
    assert [
        part
        for part in (
            "does not answer",
            "not serve",
            f"takes no work: {refused.worker_id} (gpu_lost).",
            "Paused since",
            "Set to 5",
            "no more machines",
        )
        if not any(part in text for text in said)
    ] == []
    card = browser.find_element(By.CSS_SELECTOR, '.worker[data-state="refused"]')
    assert "gpu_lost: It is lost." in card.text
    assert "Refused" in card.text
    # From the last decision.
    assert big(browser, "waiting") == f"{record.snapshot.pending_jobs:,}"
    fleet.queue = QueueCounts()
    until(
        lambda: any(
            "does not answer" in n.text for n in browser.find_elements(By.CSS_SELECTOR, "#notices > li")
        ),
        False,
    )


def test_a_fleet_of_nothing_is_shown_as_such(browser: Chrome, fleet: Fleet) -> None:
    fleet.queue = QueueCounts()
    fleet.start()
    resize(browser, 390, 844)
    opened(browser, fleet)
    assert text_of(browser, "#sentence") == "There is no machine, and nothing to do."
    assert "No machine" in text_of(browser, "#no-workers")
    assert "Nothing was changed" in text_of(browser, "#no-decisions")
    assert big(browser, "machines") == "0"
    assert overflow(browser) == []


def test_twenty_machines_and_a_days_history_fit_a_phone(browser: Chrome, fleet: Fleet) -> None:
    seed_day(fleet.store)
    for number in range(20):
        write_worker(fleet.store, worker(number, now=datetime.now(UTC), jobs=3))
    fleet.start()
    resize(browser, 390, 844)
    opened(browser, fleet)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#workers > li")) == 20
    assert overflow(browser) == []


def test_the_chart_is_read_with_the_keyboard(browser: Chrome, fleet: Fleet) -> None:
    seed_day(fleet.store)
    fleet.start()
    opened(browser, fleet)
    plot = browser.find_element(By.ID, "plot")
    assert text_of(browser, "#readout").startswith("Now: 340 waiting")
    plot.send_keys("\ue012" * 5)
    readout = text_of(browser, "#readout")
    assert re.match(r"\d\d:\d\d: [\d,]+ waiting, \d+ rendering, \d+ machines? with a worker", readout)
    assert plot.get_attribute("aria-valuetext") == readout
    browser.find_element(By.CSS_SELECTOR, "input[value='1']").send_keys(" ")
    until(lambda: text_of(browser, "#readout").startswith("Now"))
    assert int(plot.get_attribute("aria-valuemax") or 0) <= 61


def test_a_hidden_page_asks_nothing(browser: Chrome, fleet: Fleet) -> None:
    seed_day(fleet.store, limit=2)
    fleet.start()
    opened(browser, fleet)
    count = "return performance.getEntriesByType('resource').filter(e => e.name.endsWith('/status')).length"
    hide = "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
    told = "document.dispatchEvent(new Event('visibilitychange'));"
    browser.execute_script(hide + told, True)
    until(lambda: text_of(browser, "#live").startswith("Paused"))
    asked = browser.execute_script(count)
    time.sleep(4)
    assert browser.execute_script(count) == asked
    browser.execute_script(hide + told, False)
    until(lambda: text_of(browser, "#live").startswith("Live"))
    assert browser.execute_script(count) > asked


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("duration(44.6)", "45 s"),
        ("duration(59.9 * 60)", "1 h"),
        ("duration(130 * 60)", "2 h 10 min"),
        ("duration(3 * 86400)", "3 days"),
        ("roughly(20)", "a minute"),
        ("roughly(23 * 60)", "25 min"),
        ("roughly(5 * 3600)", "5 hours"),
        ("dollars(0)", "$0.00"),
        ("dollars(0.00612)", "$0.0061"),
        ("dollars(21.944)", "$21.94"),
        ("dollars(12345.6)", "$12,346"),
        ("count(1, 'crash', 'crashes')", "1 crash"),
        ("change({machines_before: 8, target_machines: 14, error: null}).text", "8 → 14 machines"),
        ("change({machines_before: 2, target_machines: 1, error: null}).kind", "down"),
    ],
)
def test_figures_are_said_as_people_say_them(browser: Chrome, fleet: Fleet, call: str, said: str) -> None:
    fleet.start()
    browser.get(fleet.url)
    script = f"import('./words.js').then(words => words.{call}).then(arguments[0], arguments[0])"
    assert browser.execute_async_script(script) == said


@pytest.mark.parametrize(
    ("rendering", "machines", "pending", "said"),
    [
        (0, 0, 0, "There is no machine, and nothing to do."),
        (0, 0, 7, "There is no machine to render; 7 jobs wait."),
        (0, 1, 0, "The one machine is idle; nothing waits."),
        (0, 3, 1, "All 3 machines are idle; 1 job waits."),
        (2, 2, 1500, "All 2 machines are rendering; 1,500 jobs wait."),
        (1, 4, 0, "1 of 4 machines is rendering; nothing waits."),
    ],
)
def test_the_state_of_the_fleet_is_one_sentence(
    browser: Chrome, fleet: Fleet, rendering: int, machines: int, pending: int, said: str
) -> None:
    now = datetime.now(UTC)
    for number in range(machines):
        record = worker(number, now=now, jobs=int(number < rendering))
        write_worker(fleet.store, record)
    fleet.queue = QueueCounts(pending={"default": pending})
    fleet.start()
    opened(browser, fleet)
    assert text_of(browser, "#sentence") == said


def test_new_figures_move_nothing_on_the_page(browser: Chrome, fleet: Fleet) -> None:
    seed_day(fleet.store, limit=4)
    fleet.start()
    opened(browser, fleet)
    assert "layout-shift" in browser.execute_script("return PerformanceObserver.supportedEntryTypes")
    browser.execute_script("""
    window.shifts = [];
    const note = list => shifts.push(...list.getEntries().map(entry => entry.value));
    new PerformanceObserver(note).observe({type: 'layout-shift'});
    """)
    fleet.queue = QueueCounts(pending={"high": 98_765, "default": 4_321, "low": 1}, running={"default": 3})
    progress = worker(0, now=datetime.now(UTC))
    jobs = [job.model_copy(update={"clips_done": 3, "stage": "clips"}) for job in progress.jobs]
    write_worker(fleet.store, progress.model_copy(update={"jobs": tuple(jobs)}))
    until(lambda: big(browser, "waiting"), "103,087")
    until(lambda: text_of(browser, "#workers .job-clips"), "3 / 12")
    assert browser.execute_script("return shifts") == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"version": 2}, "The service was renewed"),
        (
            FleetView(
                at=datetime.now(UTC) - timedelta(minutes=5),
                today=Today(day=datetime.now(UTC).date()),
                sources={"store": SourceView(up=True), "prefect": SourceView(up=True)},
            ).model_dump(mode="json"),
            "Standing still since",
        ),
    ],
    ids=["another version", "old figures"],
)
def test_a_page_that_cannot_follow_says_so(browser: Chrome, status: dict[str, object], said: str) -> None:
    endpoints = open_endpoints("127.0.0.1", 0)
    document = json.dumps(status).encode()
    endpoints.serve(make_fleet_app(status=lambda: document, metrics=lambda: b"", alive=lambda: True))
    try:
        browser.get(f"http://127.0.0.1:{endpoints.port}/")
        until(lambda: text_of(browser, "#live").startswith(said))
    finally:
        browser.get("about:blank")
        endpoints.close()
