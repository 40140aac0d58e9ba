import subprocess

import pytest

from tests import programs


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(programs.shutil, "which", lambda name: None)
    monkeypatch.delenv("TRIVIA_REQUIRE_ALL", raising=False)
    return monkeypatch


def test_a_missing_program_is_a_skip_that_says_what_would_undo_it(
    nothing_installed: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(pytest.skip.Exception, match="install the Debian package chromium-driver"):
        programs.require("chromedriver")


def test_where_all_is_required_a_missing_program_is_a_failure(nothing_installed: pytest.MonkeyPatch) -> None:
    nothing_installed.setenv("TRIVIA_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="chromium is missing"):
        programs.require("chromium")


def test_without_apt_the_rest_of_the_tests_goes_on_and_the_gap_is_told(
    nothing_installed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs.main()
    told = capsys.readouterr().err
    assert "Not tested: playing finished videos in a browser, as chromium is missing" in told
    assert "no apt-get" in told


def test_a_failing_installation_is_told_with_its_last_words(
    nothing_installed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing_installed.setattr(
        programs.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None
    )
    nothing_installed.setattr(programs.os, "geteuid", lambda: 0)
    nothing_installed.setattr(
        programs.subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(command, 100, "", "E: no network\n"),
    )
    programs.main()
    assert "apt-get exited 100: E: no network" in capsys.readouterr().err


def test_a_program_that_no_package_holds_is_told_with_where_it_comes_from(
    nothing_installed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        pytest.skip.Exception, match=r"put terraform into the PATH: version 1\.7 or newer, from"
    ):
        programs.require("terraform")
    programs.main()
    told = capsys.readouterr().err
    assert "Not tested: the Terraform configuration, as terraform is missing (put terraform into the" in told


def test_without_root_nothing_is_tried(nothing_installed: pytest.MonkeyPatch) -> None:
    nothing_installed.setattr(programs.shutil, "which", lambda name: "/usr/bin/apt-get")
    nothing_installed.setattr(programs.os, "geteuid", lambda: 1000)
    assert programs.install(["chromium"]) == "apt-get needs root"
