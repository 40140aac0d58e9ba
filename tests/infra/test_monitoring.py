"""Alert rules, their tests, the dashboard and the example of Prometheus's configuration.

They are held against what the fleet's service exports, and shown to a real Prometheus.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import typer
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.fleet_day import POOL, seed_day
from tests.ports import free_port
from tests.programs import find, require
from trivia_render.cli.app import app
from trivia_render.models.fleet import QueueCounts
from trivia_render.models.fleet_view import MACHINE_STATES, PRIORITIES, WORKER_STATES
from trivia_render.pipeline.fleet_reading import StoreReader
from trivia_render.pipeline.fleet_watch import FleetWatch
from trivia_render.storage.local import LocalStore
from trivia_render.telemetry.fleet_metrics import FleetMetrics

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "infra" / "monitoring"
UNIT_TESTS = ("alerts_test.yml", "alerts_day_test.yml")
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana" / "dashboard.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]
#: Prometheus's own.
BUILT_IN = {"up"}
#: What Grafana puts into expressions.
VARIABLES = {"$__rate_interval": "5m", "$__range": "24h", "$__interval": "1m"}


def read_yaml(name: str) -> Any:
    return yaml.safe_load((MONITORING / name).read_text("utf-8"))


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in read_yaml(name)["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
RECORDED = {rule["record"] for rule in rules("recording.yml")}


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [require("promtool"), *arguments],
        cwd=MONITORING,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def dashboard_expressions() -> dict[str, str]:
    """Every expression of the dashboard, by panel and letter, and those of its annotations."""
    found = {
        f"{panel['title']} ({panel['id']}) {target['refId']}": target["expr"]
        for panel in GRAPHS
        for target in panel["targets"]
    }
    for annotation in DASHBOARD["annotations"]["list"]:
        if "expr" in annotation:
            found[f"annotation {annotation['name']}"] = annotation["expr"]
    return found


def without_variables(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def all_expressions() -> dict[str, str]:
    """Those of the rules, of the queries in the alerts' texts, and of the dashboard."""
    found = {name: rule["expr"] for name, rule in ALERTS.items()}
    for name, rule in ALERTS.items():
        for number, query in enumerate(
            re.findall(r'(?:query|printf) "((?:[^"\\]|\\.)*)"', rule["annotations"]["description"])
        ):
            if "trivia_" in query:
                found[f"{name} text {number}"] = query.replace('\\"', '"')
    for number, rule in enumerate(rules("recording.yml")):
        found[f"{rule['record']} {number}"] = rule["expr"]
    return found | dashboard_expressions()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the service says of a fleet of which everything is known, having run all day."""
    store = LocalStore(tmp_path_factory.mktemp("fleet"))
    watch = FleetWatch(
        StoreReader(store, pool=POOL),
        lambda: QueueCounts(pending={"high": 3, "low": 4}, running={"default": 2}),
        now=lambda: datetime.now(UTC),
        lost_seconds=35.0,
    )
    watch.look_at_store()
    seed_day(store, now=datetime.now(UTC))
    watch.look_at_store()
    watch.look_at_prefect()
    return FleetMetrics(watch.view, watch.counts).text().decode()


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    promtool("check", "rules", "recording.yml", "alerts.yml")
    promtool("check", "config", "prometheus.yml")


def test_promtool_accepts_the_example_for_compute_engine(tmp_path: Path) -> None:
    text = (MONITORING / "prometheus.yml").read_text("utf-8")
    block = text.partition("# --- gce ---\n")[2].partition("# --- end of gce ---")[0]
    jobs = yaml.safe_load(re.sub(r"^#", "", block, flags=re.MULTILINE))
    assert [job["job_name"] for job in jobs] == ["trivia-workers"]
    config = yaml.safe_load(text) | {"rule_files": []}
    config["scrape_configs"] = [config["scrape_configs"][0], *jobs]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    promtool("check", "config", tmp_path / "prometheus.yml")


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_the_alerts_fire_when_they_should_and_not_otherwise(name: str) -> None:
    promtool("test", "rules", name)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_case_that_fires_and_one_that_does_not(alert: str) -> None:
    cases = [
        bool(case["exp_alerts"])
        for name in UNIT_TESTS
        for test in read_yaml(name)["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]
    assert set(cases) == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_how_urgent_it_is_what_it_means_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert {"summary", "description", "runbook"} == set(rule["annotations"])
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    text = (ROOT / path).read_text("utf-8")
    section = next(
        (part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(f"{alert}\n")), ""
    )
    assert anchor == alert.lower()
    assert all(f"**{word}:**" in section for word in ("Means", "Look", "Do"))


def test_the_runbook_knows_no_other_alerts() -> None:
    named = set(re.findall(r"\bTrivia[A-Z]\w+", (MONITORING / "README.md").read_text("utf-8")))
    named |= set(re.findall(r"\bTrivia[A-Z]\w+", json.dumps(DASHBOARD)))
    assert named <= set(ALERTS)


def test_every_command_in_the_runbook_exists_with_its_options() -> None:
    def commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, f"{prefix}{name} ")
            else:
                yield prefix + name, command

    known = dict(commands(typer.main.get_group(app), ""))
    text = (MONITORING / "README.md").read_text("utf-8")
    calls = re.findall(r"`trivia ([^`]+)`", text)
    assert len(calls) > 10
    for call in calls:
        words = call.split()
        name = " ".join(words[:2]) if words[0] == "fleet" else words[0]
        assert name in known, call
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, call


def test_rules_and_dashboard_name_only_what_is_exported(exported: str) -> None:
    labels: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(exported):
        for sample in family.samples:
            known = labels.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                known.setdefault(label, set()).add(value)
    labels["trivia_jobs"]["priority"] |= set(PRIORITIES)
    labels["trivia_workers"]["state"] |= set(WORKER_STATES)
    labels["trivia_fleet_machines"]["state"] |= set(MACHINE_STATES)
    wrong = []
    for where, expression in all_expressions().items():
        found = re.findall(r"\b(trivia_\w+|fleet:\w+:\w+|up)\b(?:\{([^}]*)\})?", expression)
        assert found or where.startswith("fleet:trivia_budget"), where
        for metric, matchers in found:
            if metric not in labels and metric not in RECORDED and metric not in BUILT_IN:
                wrong.append(f"{where}: {metric}")
                continue
            for label, operator, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers):
                if label == "job" or metric in RECORDED:
                    continue
                values = value.split("|") if "~" in operator else [value]
                if not set(values) <= labels[metric].get(label, set()) | {"none"}:
                    wrong.append(f"{where}: {metric} {label} {value}")
    assert wrong == []


def test_what_workers_export_too_is_taken_from_the_service_alone() -> None:
    for where, expression in all_expressions().items():
        for matchers in re.findall(r"\b(?:trivia_worker_\w+|up)\b(\{[^}]*\})?", expression):
            assert 'job="trivia-fleet"' in matchers, where


def test_the_job_that_rules_and_dashboard_name_is_scraped() -> None:
    jobs = {job["job_name"] for job in read_yaml("prometheus.yml")["scrape_configs"]}
    named = {job for text in all_expressions().values() for job in re.findall(r'job="([^"]+)"', text)}
    assert named == {"trivia-fleet"}
    assert named <= jobs


def test_promtool_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    recorded = [
        {"record": f"dashboard:expression_{number}", "expr": without_variables(expression)}
        for number, expression in enumerate(dashboard_expressions().values())
    ]
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]})
    )
    promtool("check", "rules", tmp_path / "rules.yml")


def test_the_dashboard_can_be_imported_anywhere() -> None:
    assert DASHBOARD["id"] is None
    assert DASHBOARD["schemaVersion"] >= 39
    assert DASHBOARD["refresh"] == "30s"
    assert DASHBOARD["time"] == {"from": "now-24h", "to": "now"}
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    sources = [panel["datasource"] for panel in GRAPHS]
    sources += [target["datasource"] for panel in GRAPHS for target in panel["targets"]]
    sources += [item["datasource"] for item in DASHBOARD["annotations"]["list"] if not item.get("builtIn")]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_every_panel_has_a_title_a_description_a_unit_and_thresholds() -> None:
    for panel in GRAPHS:
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in {"short", "s", "bytes", "percentunit", "currencyUSD"}, panel["title"]
        assert defaults["thresholds"]["steps"][0]["value"] is None, panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), panel["title"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    taken: dict[tuple[int, int], str] = {}
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies over {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_the_dashboard_has_its_rows() -> None:
    rows = [panel["title"] for panel in PANELS if panel["type"] == "row"]
    assert rows == ["At a glance", "Queue", "Fleet", "GPUs", "Work", "Money", "Health"]


def test_a_real_prometheus_has_figures_for_every_panel(exported: str, tmp_path: Path) -> None:
    require("promtool")
    prometheus = find("prometheus")
    assert prometheus is not None, "the package of promtool holds it as well"
    with growing_service(exported) as service, running_prometheus(prometheus, tmp_path, service) as url:
        expressions = {
            where: without_variables(expression).replace(":5m]", ":1s]")
            for where, expression in dashboard_expressions().items()
            if not where.startswith("annotation")
        }
        deadline = time.monotonic() + 60
        missing = expressions
        while missing and time.monotonic() < deadline:
            missing = {where: text for where, text in missing.items() if not figures(url, text)}
            time.sleep(0.5)
        assert missing == {}


@contextmanager
def growing_service(text: str) -> Iterator[int]:
    """Serve the metrics, their counters larger each time; return the port."""

    class Handler(BaseHTTPRequestHandler):
        scrapes = 0

        def do_GET(self) -> None:
            Handler.scrapes += 1
            body = re.sub(
                r"^(\w+_(?:total|bucket|sum|count)(?:\{.*\})?) (\S+)$",
                lambda sample: f"{sample[1]} {float(sample[2]) * (1 + Handler.scrapes / 100)}",
                text,
                flags=re.MULTILINE,
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running_prometheus(program: Path, folder: Path, service: int) -> Iterator[str]:
    """Start Prometheus with the project's rules, each second, over one service; return its address."""
    config = read_yaml("prometheus.yml")
    config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"] = [
        {"job_name": "trivia-fleet", "static_configs": [{"targets": [f"127.0.0.1:{service}"]}]}
    ]
    for name in config["rule_files"]:
        text = (MONITORING / name).read_text("utf-8").replace("interval: 30s", "interval: 1s")
        (folder / name).write_text(text)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        str(program),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).is_success:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.2)
            else:
                pytest.fail((folder / "log.txt").read_text())
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def figures(url: str, expression: str) -> list[Any]:
    """Return what Prometheus has for an expression now."""
    response = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10)
    found: list[Any] = response.json()["data"]["result"]
    return found
