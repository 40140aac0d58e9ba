"""Which job: the name by which flows, shards and commands mean one."""

from typing import Annotated

from pydantic import Field

from trivia_render.models.base import Model
from trivia_render.models.config import ID_PATTERN

JobPart = Annotated[str, Field(pattern=ID_PATTERN)]


class JobName(Model):
    """A job, whose config the store has."""

    channel: JobPart = Field(description="The channel the video is for.")
    job_id: JobPart = Field(description="The job's id within its channel.")

    def __str__(self) -> str:
        return f"{self.channel}/{self.job_id}"
