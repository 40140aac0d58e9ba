import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trivia_render.models.jobs import JobName
from trivia_render.storage.keys import config_key, status_key


def test_a_job_is_told_by_its_channel_and_its_id() -> None:
    assert str(JobName(channel="Space", job_id="week_12")) == "Space/week_12"
    assert len({JobName(channel="a", job_id="b"), JobName(channel="a", job_id="b")}) == 1


@pytest.mark.parametrize(
    "part", ["", "-a", "_a", "a/b", "..", "a b", "a\n", "\na", "ü", "x" * 64, "a.b", None, 7]
)
@pytest.mark.parametrize("field", ["channel", "job_id"])
def test_what_cannot_be_an_id_makes_no_name(part: object, field: str) -> None:
    with pytest.raises(ValidationError):
        JobName.model_validate({"channel": "quiz", "job_id": "j", field: part})


def test_nothing_else_belongs_to_a_name() -> None:
    with pytest.raises(ValidationError):
        JobName.model_validate({"channel": "quiz", "job_id": "j", "config": {}})


@given(channel=st.text(max_size=4), job_id=st.text(max_size=4))
def test_every_name_that_is_accepted_has_its_place_in_the_store(channel: str, job_id: str) -> None:
    try:
        name = JobName(channel=channel, job_id=job_id)
    except ValidationError:
        return
    assert config_key(name.channel, name.job_id) == f"jobs/{name}/config.json"
    assert status_key(name.channel, name.job_id) == f"jobs/{name}/status.json"
