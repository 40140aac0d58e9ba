"""Images on their way into the store: only sound ones, by their content, from wherever they come."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.pipeline.jobs_in_store import (
    CHANNEL,
    CONFIG,
    JOB,
    Clock,
    ports_in,
    put_status,
    snapshot,
    status_in,
)
from trivia_render.errors import (
    AssetInvalidError,
    AssetUnavailableError,
    JobConflictError,
    JobGivenBackError,
)
from trivia_render.models.config import JobConfig
from trivia_render.models.parse import parse_job_config
from trivia_render.pipeline import assets
from trivia_render.pipeline.assets import import_assets, name_assets, read_assets
from trivia_render.pipeline.claim import open_job
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.status import read_status
from trivia_render.pipeline.submission import ended_before, submit_job
from trivia_render.storage.keys import asset_key, config_key

WEB = "https://images.example.com/a.png?signature=secret"
CLOUD = "gs://pictures/b.webp"


def picture(kind: str, colour: str = "red", size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


class Elsewhere:
    """Servers and buckets that hold these images."""

    def __init__(self, **images: bytes | Exception) -> None:
        self.images: dict[str, bytes | Exception] = dict(images)
        self.asked: list[str] = []

    def fetch(self, reference: str) -> bytes:
        self.asked.append(reference)
        found = self.images[reference]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere(**{WEB: picture("PNG"), CLOUD: picture("WEBP", "blue")})


@pytest.fixture
def ports(tmp_path: Path, elsewhere: Elsewhere) -> Ports:
    return replace(ports_in(tmp_path, now=Clock()), remote_assets=elsewhere)


def config_with(*, image: str | None = None, logo: str | None = None, **changes: Any) -> dict[str, Any]:
    question = {**CONFIG["questions"][0], "image": image}
    return {**CONFIG, "questions": [question], "theme": {"name": "aurora", "logo": logo}, **changes}


def parsed(config: dict[str, Any]) -> JobConfig:
    return parse_job_config(config)[0]


def key_of(content: bytes, extension: str) -> str:
    return asset_key(hashlib.sha256(content).hexdigest(), extension)


def test_images_from_elsewhere_are_taken_in_when_a_job_is_submitted_and_never_fetched_again(
    ports: Ports, elsewhere: Elsewhere
) -> None:
    submit_job(ports, channel=CHANNEL, job_id=JOB, config=config_with(image=WEB, logo=CLOUD))
    stored = ports.store.read(config_key(CHANNEL, JOB))[0]
    assert b"https://" not in stored
    assert b"gs://" not in stored
    config = parse_job_config(stored)[0]
    assert config.questions[0].image == key_of(picture("PNG"), ".png")
    assert config.theme.logo == key_of(picture("WEBP", "blue"), ".webp")
    assert ports.store.read(str(config.theme.logo))[0] == picture("WEBP", "blue")

    elsewhere.asked.clear()
    with open_job(ports, channel=CHANNEL, job_id=JOB) as run:
        assert run.plan.videos[0].clips[0].theme.logo is not None
    assert elsewhere.asked == []


def test_a_config_that_a_run_is_given_may_name_images_elsewhere(ports: Ports, elsewhere: Elsewhere) -> None:
    """As from Prefect's form: the worker has none of the operator's files."""
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=config_with(image=WEB)) as run:
        question = run.plan.videos[0].clips[1].content
    assert question.image.uri == key_of(picture("PNG"), ".png")  # type: ignore[union-attr]
    assert elsewhere.asked == [WEB]


def test_an_image_in_several_places_is_fetched_once(ports: Ports, elsewhere: Elsewhere) -> None:
    found = import_assets(parsed(config_with(image=WEB, logo=WEB)), ports)
    assert list(found) == [WEB]
    assert elsewhere.asked == [WEB]


def test_another_image_at_the_same_address_is_another_config(ports: Ports, elsewhere: Elsewhere) -> None:
    submit_job(ports, channel=CHANNEL, job_id=JOB, config=config_with(image=WEB))
    elsewhere.images[WEB] = picture("PNG", "green")
    with pytest.raises(JobConflictError) as caught:
        submit_job(ports, channel=CHANNEL, job_id=JOB, config=config_with(image=WEB))
    assert caught.value.evidence.strip() == "$.questions[0].image"


def test_an_ended_job_with_images_elsewhere_is_known_again(ports: Ports, elsewhere: Elsewhere) -> None:
    config = config_with(image=WEB)
    submit_job(ports, channel=CHANNEL, job_id=JOB, config=config)
    ended_status = status_in(ports.store).model_dump(exclude={"state"})
    put_status(ports.store, **ended_status, state="completed")

    def ended() -> bool:
        return ended_before(
            ports.store,
            channel=CHANNEL,
            job_id=JOB,
            config=config,
            parsed=parsed(config),
            asset_root=ports.asset_root,
            remote_assets=elsewhere,
        )

    assert ended()
    elsewhere.images[WEB] = picture("PNG", "green")
    assert not ended()


REFUSED: dict[str, Callable[[], bytes]] = {
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "gif": lambda: picture("GIF"),
    "tiff": lambda: picture("TIFF"),
    "cut short": lambda: picture("PNG", size=(300, 200))[:200],
    "empty": lambda: b"",
    "text": lambda: b"<html>404</html>",
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("place", ["file", "web"])
def test_a_bad_image_is_refused_at_submission_with_its_field_and_nothing_is_stored(
    ports: Ports, elsewhere: Elsewhere, tmp_path: Path, what: str, place: str
) -> None:
    content = REFUSED[what]()
    (tmp_path / "bad.png").write_bytes(content)
    elsewhere.images[WEB] = content
    before = snapshot(ports.store)
    with pytest.raises(AssetInvalidError, match=r"\$\.questions\[0\]\.image") as caught:
        submit_job(
            ports,
            channel=CHANNEL,
            job_id=JOB,
            config=config_with(image="bad.png" if place == "file" else WEB),
        )
    assert snapshot(ports.store) == before
    assert "secret" not in str(caught.value)


def test_an_image_is_what_its_bytes_are_whatever_its_name_says(ports: Ports, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture("JPEG"))
    found = import_assets(parsed(config_with(image="a.png")), ports)
    assert found["a.png"].uri == key_of(picture("JPEG"), ".jpg")
    assert name_assets(parsed(config_with(image="a.png")), root=tmp_path, remote=Elsewhere()) == found


@pytest.mark.parametrize("error", [AssetInvalidError, AssetUnavailableError])
def test_what_cannot_be_fetched_names_its_field_and_keeps_its_kind_but_not_its_secret(
    ports: Ports, elsewhere: Elsewhere, error: type[AssetInvalidError]
) -> None:
    elsewhere.images[WEB] = error("the server is odd.", evidence="  line", remedy="Mend it.")
    with pytest.raises(error) as caught:
        import_assets(parsed(config_with(image=WEB)), ports)
    assert str(caught.value) == (
        "$.questions[0].image: 'https://images.example.com/a.png?…' cannot be taken: the server is odd.\n"
        "  line\nMend it."
    )


def test_a_run_of_a_fleet_waits_for_a_server_that_is_away(ports: Ports, elsewhere: Elsewhere) -> None:
    elsewhere.images[WEB] = AssetUnavailableError("it answers 503.", remedy="Wait.")
    with (
        pytest.raises(JobGivenBackError),
        open_job(ports, channel=CHANNEL, job_id=JOB, config=config_with(image=WEB), pool_start="run-1:1"),
    ):
        pass
    status = read_status(ports, channel=CHANNEL, job_id=JOB)
    assert status is not None
    assert (status.state, status.error_code, status.crashes) == ("pending", "asset_unavailable", 0)


def many_images(count: int) -> dict[str, Any]:
    question = CONFIG["questions"][0]
    return {
        **CONFIG,
        "total_questions": count,
        "questions": [
            {**question, "question": f"{n}?", "image": f"gs://pictures/{n}.png"} for n in range(count)
        ],
    }


def test_one_config_cannot_fetch_without_end(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    content = picture("PNG")
    monkeypatch.setattr(assets, "MAX_FETCHED_BYTES", 3 * len(content))
    elsewhere = Elsewhere(**{f"gs://pictures/{n}.png": content for n in range(9)})
    with pytest.raises(AssetInvalidError, match="too long to fetch, or are too many"):
        import_assets(parsed(many_images(9)), replace(ports, remote_assets=elsewhere))
    assert len(elsewhere.asked) == 4

    monkeypatch.setattr(assets, "MAX_FETCH_SECONDS", -1.0)
    with pytest.raises(AssetInvalidError, match="too long to fetch, or are too many"):
        import_assets(parsed(many_images(1)), replace(ports, remote_assets=elsewhere))
    assert len(elsewhere.asked) == 4


def test_a_file_that_cannot_be_read_names_its_field(
    ports: Ports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(picture("PNG"))

    def refused(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(AssetInvalidError, match=r"\$\.questions\[0\]\.image.*Permission denied"):
        import_assets(parsed(config_with(image="a.png")), ports)


@pytest.mark.parametrize("reference", ["/etc/passwd.png", "../a.png", "link.png", "folder.png"])
def test_a_file_outside_of_the_configs_folder_is_refused(
    ports: Ports, tmp_path: Path, reference: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("/etc/hostname")
    with pytest.raises(AssetInvalidError, match=r"\$\.questions\[0\]\.image"):
        import_assets(parsed(config_with(image=reference)), ports)


def test_a_file_that_is_too_large_is_not_read(ports: Ports, tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(assets.MAX_ASSET_BYTES + 1)
    with pytest.raises(AssetInvalidError, match="20,971,520 are allowed"):
        import_assets(parsed(config_with(image="a.png")), ports)


def test_a_stored_image_that_is_not_what_its_name_says_is_not_drawn(ports: Ports) -> None:
    key = key_of(picture("PNG"), ".png")
    ports.store.write(key, picture("PNG", "green"), content_type="image/png")
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=config_with(image=key)) as run:
        spec = run.plan.videos[0].clips[1]
    with pytest.raises(AssetInvalidError, match="does not hold what its name says"):
        read_assets(spec, ports.store)
