"""How large a batch's jobs are: videos, clips, and the text that the voice is paid for. Pure."""

from collections.abc import Iterator, Sequence

from trivia_render.errors import BadInputError, TriviaRenderError
from trivia_render.fleet.quote import JobSize
from trivia_render.models.batch import BatchJob
from trivia_render.models.config import JobConfig
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.theme import ThemeAsset
from trivia_render.pipeline.plan import plan_contents
from trivia_render.speech.resolve import resolve_voice
from trivia_render.speech.ssml import markup_characters
from trivia_render.speech.voice_families import family_of

_NO_IMAGE = ThemeAsset(sha256="0" * 64, uri="")


def job_sizes(jobs: Sequence[BatchJob], *, google_credentials: bool) -> Iterator[JobSize]:
    """Yield each job's size. A text that an earlier job speaks with the same voice is not counted again.

    What earlier batches have left in the speech cache is not looked up: the characters are an upper bound,
    but for sentences that are spoken longer than they are written, such as a gap `____`.
    `google_credentials`: whether the fleet has them. Raises BadInputError naming the line of a job that has
    no voice.
    """
    spoken: set[tuple[str, float, str]] = set()
    for job in jobs:
        try:
            voice, _ = resolve_voice(
                requested=job.parsed.tts_voice,
                speed=job.parsed.tts_speed,
                provider=job.parsed.narration.provider,
                google_credentials=google_credentials,
            )
        except TriviaRenderError as error:
            raise BadInputError(f"line {job.line}: {error.message}", remedy=error.remedy) from error
        yield _size(job.parsed, voice, spoken)


def _size(config: JobConfig, voice: VoiceSpec, spoken: set[tuple[str, float, str]]) -> JobSize:
    images = {question.image: _NO_IMAGE for question in config.questions if question.image}
    contents = plan_contents(config, language=voice.language, images=images)
    videos = len(dict.fromkeys(config.formats))
    characters = 0
    family = family_of(voice.name)
    for content in contents if voice.provider == "google" else ():
        keys = {line.text: (voice.name, voice.speed, line.text) for line in content.lines}
        new = [text for text, key in keys.items() if key not in spoken]
        spoken.update(keys.values())
        characters += sum(len(text) for text in new)
        if new and family.has_marks:
            characters += markup_characters(len(new))
    return JobSize(videos, videos * len(contents), {family.name: characters} if characters else {})
