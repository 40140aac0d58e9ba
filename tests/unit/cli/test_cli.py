import json
import re
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import trivia
from trivia_render.cli.doctor import _gpus, examine
from trivia_render.cli.inputs import job_id_for
from trivia_render.cli.render import RenderRequest, run_render
from trivia_render.errors import BadInputError
from trivia_render.settings import Settings, load_settings

VALID: dict[str, Any] = {
    "channel": "quiz",
    "total_questions": 1,
    "questions": [
        {"question": "Which?", "answer_a": "This", "answer_b": "That", "correct_answer": "This"},
    ],
}


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


def test_doctor_fails_where_a_gpu_is_paid_for_and_does_not_encode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIVIA_GPU_TYPE", "nvidia-tesla-t4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = load_settings()
    found = {finding.subject: finding for finding in _gpus(settings)}
    encoder = found["encoder h264_nvenc"]
    assert encoder.state == "fail"
    assert encoder.found.startswith("gpu_missing: ")
    assert "driver" in encoder.remedy or "CUDA_VISIBLE_DEVICES" in encoder.remedy
    monkeypatch.delenv("TRIVIA_GPU_TYPE")
    note = next(_gpus(load_settings()))
    assert (note.state, note.remedy) == ("note", f"libx264 is used. For NVENC: {encoder.remedy}")


def test_a_variable_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_PARALLEL_CLIPS", "many")
    run = trivia("render", "-", "--direct", stdin=changed(), cwd=tmp_path)
    assert run.returncode == 2
    assert "TRIVIA_PARALLEL_CLIPS" in run.stderr


def configs(folder: Path, text: str | None = None) -> Path:
    file = folder / "job.json"
    file.write_text(text or changed())
    return file


@pytest.mark.parametrize(
    ("command", "out", "finding"),
    [
        (["preview"], "file", "--out file is a file"),
        (["preview"], "file/below", "--out file/below cannot be written: Not a directory"),
        (["render", "--direct"], "file", "--out file is a file"),
        (["render", "--direct"], "file/below/quiz.mp4", "--out file/below cannot be written"),
        (["render", "--direct"], "folder.mp4", "--out folder.mp4 is a folder"),
        (["render", "--direct"], "/proc/out", "--out /proc/out cannot be written"),
    ],
)
def test_an_out_that_cannot_be_written_is_refused_before_anything_is_made(
    command: list[str], out: str, finding: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    run = trivia(*command, str(configs(tmp_path)), "--out", out, cwd=tmp_path)
    assert run.returncode == 2, run.stderr
    assert finding in run.stderr
    assert len(run.stderr.splitlines()) == 2
    assert not (tmp_path / ".trivia").exists()


def test_one_name_for_several_videos_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    file = configs(tmp_path, changed(formats=["16:9", "1:1"]))
    run = trivia("render", str(file), "--direct", "--out", "quiz.mp4", cwd=tmp_path)
    assert run.returncode == 2
    assert "2 videos: 16:9, 1:1" in run.stderr
    assert not (tmp_path / ".trivia").exists()


def test_a_format_given_twice_is_one_format(tmp_path: Path) -> None:
    file = str(configs(tmp_path))
    run = trivia("preview", file, "--out", "stills", "--format", "1:1", "--format", "1:1", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert len(set(run.stdout.splitlines())) == len(run.stdout.splitlines())


@pytest.mark.parametrize("option", ["--channel", "--job-id"])
@pytest.mark.parametrize("value", ["", "a/b", "-a", "x" * 64])
def test_an_id_that_cannot_be_one_is_refused_by_its_option(option: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=f"{option} .* is no id"):
        run_render(
            RenderRequest(
                config=configs(tmp_path),
                channel=value if option == "--channel" else None,
                job_id=value if option == "--job-id" else None,
                out=None,
                formats=None,
                encoder=None,
                direct=False,
            ),
            as_json=False,
        )


def test_two_configs_from_standard_input_have_two_job_ids() -> None:
    ids = [job_id_for(Path("-"), config) for config in (VALID, VALID | {"title": "Other"}, dict(VALID))]
    assert ids[0] == ids[2] != ids[1]
    assert all(re.fullmatch("stdin-[0-9a-f]{12}", job_id) for job_id in ids)
    assert job_id_for(Path("a/My quiz.json"), VALID) == "My-quiz"


def test_a_home_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRIVIA_HOME", "file")
    run = trivia("render", "-", "--direct", "--json", stdin=changed(), cwd=tmp_path)
    record = json.loads(run.stderr)
    assert (run.returncode, record["code"]) == (1, "store_failed")
    assert "TRIVIA_HOME" in record["remedy"]


@pytest.mark.parametrize(
    ("content", "finding"), [(None, "No such file"), ("key", "not JSON"), ("[]", "no JSON")]
)
def test_credentials_that_cannot_be_used_end_a_run_that_needs_them(
    content: str | None, finding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.json"
    if content is not None:
        key.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    run = trivia("render", "-", "--direct", stdin=changed(), cwd=tmp_path)
    assert run.returncode == 2
    assert "GOOGLE_APPLICATION_CREDENTIALS" in run.stderr
    assert finding in run.stderr
    assert not (tmp_path / ".trivia").exists()


def test_doctor_fails_where_the_credentials_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    monkeypatch.setenv("TRIVIA_HOME", str(tmp_path))
    findings = {finding.subject: finding for finding in examine(load_settings())}
    assert findings["voice"].state == "fail"
    assert "GOOGLE_APPLICATION_CREDENTIALS" in findings["voice"].found
    assert findings["voice"].remedy


def test_a_configured_prefect_server_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")
    run = trivia("render", "-", "--json", stdin=changed(), cwd=tmp_path)
    record = json.loads(run.stderr)
    assert (run.returncode, record["code"]) == (1, "workflow_server_unavailable")
    assert "PREFECT_API_URL" in record["remedy"]


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    unset = load_settings()
    for field in Settings.model_fields.values():
        monkeypatch.setenv(str(field.validation_alias), "")
    assert load_settings() == unset


def test_lines_from_standard_input_are_told_from_one_document() -> None:
    lines = trivia("validate", "-", stdin=f"{changed()}\n\n{{oops\n{changed()}\n")
    assert [line.split(": ")[:2] for line in lines.stdout.splitlines() if line.startswith("standard")] == [
        ["standard input:1", "valid"],
        ["standard input:3", "invalid"],
        ["standard input:4", "valid"],
    ]
    document = trivia("validate", "-", stdin=json.dumps(VALID, indent=1))
    assert document.stdout == "standard input: valid\n"
    broken = trivia("validate", "-", stdin=json.dumps(VALID, indent=1)[:-1])
    assert broken.stdout.startswith("standard input: invalid\n")


def test_a_file_of_lines_without_a_config_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    run = trivia("validate", str(tmp_path / "empty.jsonl"))
    assert run.returncode == 2
    assert "no job config" in run.stdout


def test_an_unknown_theme_is_found_by_validate() -> None:
    run = trivia("validate", "-", stdin=changed(theme={"name": "papr"}))
    assert run.returncode == 2
    assert "$.theme.name" in run.stdout
    assert 'Did you mean "paper"?' in run.stdout


def test_import_tells_of_configs_that_an_earlier_import_left(tmp_path: Path) -> None:
    for name in ("quiz-0001.json", "quiz-0002.json", "quiz-0003.json", "other-0009.json"):
        (tmp_path / name).write_text("{}")
    rows = "question,answer_a,answer_b,correct_answer\nWhich?,Yes,No,Yes\n"
    run = trivia("import", "-", "--out", ".", "--channel", "quiz", stdin=rows, cwd=tmp_path)
    assert run.returncode == 0
    assert "also holds quiz-0002.json to quiz-0003.json (2 files)" in run.stderr
    assert (tmp_path / "quiz-0003.json").read_text() == "{}"
