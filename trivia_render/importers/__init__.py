"""Question sets of other formats, turned into job configs."""

from trivia_render.importers.configs import to_job_configs
from trivia_render.importers.detect import SourceFormat, import_questions
from trivia_render.importers.report import ImportReport

__all__ = ["ImportReport", "SourceFormat", "import_questions", "to_job_configs"]
