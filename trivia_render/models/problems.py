"""What is wrong with an input, said so that its author can mend it."""

from typing import Literal

from trivia_render.models.base import Model


class Problem(Model):
    """One finding: where (a JSON path such as `$.questions[3].answer_c`), what, and what to do."""

    severity: Literal["error", "warning"]
    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message} {self.remedy}"
