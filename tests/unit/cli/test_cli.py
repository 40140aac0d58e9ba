import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VALID: dict[str, Any] = {
    "channel": "quiz",
    "total_questions": 1,
    "questions": [
        {"question": "Which?", "answer_a": "This", "answer_b": "That", "correct_answer": "This"},
    ],
}


def trivia(*args: str, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trivia_render", *args],
        input=stdin, capture_output=True, text=True, cwd=cwd, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "NO_COLOR": "1"},
    )  # fmt: skip


def cpu_seconds(*argv: str) -> float:
    def children() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    spent = []
    for _ in range(3):
        before = children()
        subprocess.run(argv, capture_output=True, check=False)
        spent.append(children() - before)
    return min(spent)


def changed(**changes: object) -> str:
    return json.dumps(VALID | changes)


@pytest.mark.parametrize("args", [["--help"], ["validate", "examples/ten_questions.json"]])
def test_help_and_validate_answer_in_under_half_a_second_of_cpu(args: list[str]) -> None:
    alone = cpu_seconds(sys.executable, "-c", "")
    assert cpu_seconds(sys.executable, "-m", "trivia_render", *args) - alone < 0.5


@pytest.mark.parametrize("args", [["--help"], ["validate", "-"], ["render", "--help"]])
def test_help_and_validate_import_neither_prefect_nor_clouds_nor_pictures(args: list[str]) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['trivia', *{args!r}]\n"
        "try:\n    runpy.run_module('trivia_render', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'prefect', 'google.cloud', 'numpy', 'PIL', 'av', 'hibari'} & set(sys.modules)\n"
        "sys.stderr.write(f'heavy={sorted(heavy)}')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=changed(), capture_output=True, text=True, check=False
    )
    assert run.stderr.endswith("heavy=[]")


def test_a_valid_config_passes_from_a_file_and_from_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(changed())
    run = trivia("validate", str(file), "-", stdin=changed())
    assert run.returncode == 0
    assert run.stdout == f"{file}: valid\nstandard input: valid\n2 of 2 configs are valid.\n"


def test_every_problem_of_every_file_is_listed_and_the_exit_code_is_2(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(changed())
    bad.write_text(changed(channel="../etc", tts_speed=9, totl_questions=1))
    run = trivia("validate", str(good), str(bad), str(tmp_path / "absent.json"))
    assert run.returncode == 2
    for expected in ("$.channel", "$.tts_speed", "$.totl_questions", "total_questions", "absent.json"):
        assert expected in run.stdout
    assert "1 of 3 configs are valid." in run.stdout


def test_each_line_of_a_jsonl_file_is_checked_and_named(tmp_path: Path) -> None:
    file = tmp_path / "batch.jsonl"
    file.write_text(f"{changed()}\n{{oops\n{changed()}\n")
    run = trivia("validate", str(file), "--json")
    records = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(record["source"], record["valid"]) for record in records] == [
        (f"{file}:1", True),
        (f"{file}:2", False),
        (f"{file}:3", True),
    ]
    assert run.returncode == 2


def test_a_bad_config_is_refused_before_anything_is_rendered(tmp_path: Path) -> None:
    run = trivia("render", "-", "--direct", stdin=changed(tts_speed="fast"), cwd=tmp_path)
    assert run.returncode == 2
    assert "$.tts_speed" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / ".trivia" / "clips").exists()


def test_an_error_as_json_has_code_evidence_and_remedy(tmp_path: Path) -> None:
    run = trivia("render", "absent.json", "--json", cwd=tmp_path)
    assert run.returncode == 2
    record = json.loads(run.stderr)
    assert (record["event"], record["code"]) == ("error", "bad_input")
    assert record["remedy"]


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    run = trivia("render", "absent.json", "--debug", cwd=tmp_path)
    assert "Traceback" in run.stderr


def test_a_language_that_the_offline_voice_cannot_speak_is_refused_with_both_ways_out(
    tmp_path: Path,
) -> None:
    config = changed(tts_voice="es-ES-Neural2-A", narration={"provider": "offline"})
    run = trivia("render", "-", "--direct", stdin=config, cwd=tmp_path)
    assert run.returncode == 2
    assert "tts_voice" in run.stderr
    assert "narration.provider" in run.stderr


def test_an_unknown_theme_names_the_nearest(tmp_path: Path) -> None:
    run = trivia("render", "-", "--direct", stdin=changed(theme="aurara"), cwd=tmp_path)
    assert run.returncode == 2
    assert "aurora" in run.stderr


def test_themes_are_listed() -> None:
    run = trivia("themes")
    assert run.returncode == 0
    assert len(run.stdout.splitlines()) >= 3
    assert all(line.split() for line in run.stdout.splitlines())


def test_preview_draws_each_stage_without_encoding(tmp_path: Path) -> None:
    run = trivia("preview", "-", "--out", "stills", "--format", "1:1", stdin=changed(), cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    names = [Path(line).name for line in run.stdout.splitlines()]
    assert sorted(path.name for path in (tmp_path / "stills").iterdir()) == sorted(names)
    for part in ("intro", "q01", "countdown", "reveal", "outro"):
        assert any(part in name for name in names), part
    assert not (tmp_path / ".trivia" / "clips").exists()


def test_import_writes_configs_that_validate(tmp_path: Path) -> None:
    rows = "question,answer_a,answer_b,correct_answer\n" + "".join(
        f"Question {number}?,Yes,No,Yes\n" for number in range(25)
    )
    run = trivia(
        "import", "-", "--format", "csv", "--out", "configs", "--channel", "quiz", stdin=rows, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    files = [str(tmp_path / line) for line in run.stdout.splitlines()]
    assert len(files) == 3
    assert trivia("validate", *files).returncode == 0


def test_doctor_finds_this_machine_able_to_render(tmp_path: Path) -> None:
    run = trivia("doctor", "--json", cwd=tmp_path)
    findings = {record["subject"]: record for record in map(json.loads, run.stdout.splitlines())}
    assert run.returncode == 0, run.stdout
    assert findings["encoder libx264"]["state"] == "ok"
    assert findings["store"]["state"] == "ok"
    assert all(record["remedy"] for record in findings.values() if record["state"] != "ok")


def test_doctor_fails_where_the_forced_ffmpeg_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVIA_FFMPEG", str(tmp_path / "absent"))
    run = trivia("doctor", cwd=tmp_path)
    assert run.returncode == 1
    assert "TRIVIA_FFMPEG" in run.stdout


def test_a_variable_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_PARALLEL_CLIPS", "many")
    run = trivia("render", "-", "--direct", stdin=changed(), cwd=tmp_path)
    assert run.returncode == 2
    assert "TRIVIA_PARALLEL_CLIPS" in run.stderr
