"""What a render needs from elsewhere: nothing, on one machine with a folder for its store."""

import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.unit.pipeline.jobs_in_store import CHANNEL, CONFIG, JOB, ports_in
from trivia_render.pipeline.run import render_job


def test_a_job_with_the_offline_voice_is_rendered_without_asking_any_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> NoReturn:
        asked.append(arguments)
        raise OSError("there is no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("127.0.0.1", 9))
    asked.clear()
    config = {**CONFIG, "narration": {"provider": "offline"}}
    manifest = render_job(ports_in(tmp_path), channel=CHANNEL, job_id=JOB, config=config).manifest
    assert manifest.voice.provider == "offline"
    assert asked == []
