"""Where a command writes: made and tried before the work, so that no work is lost to a wrong name."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trivia_render.errors import BadInputError


def output_folder(folder: Path, *, option: str = "--out") -> Path:
    """Make the folder where it is missing, and try it. Raises BadInputError naming the option."""
    with writing(folder, option=option):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder


def output_file(file: Path, *, option: str = "--out") -> Path:
    """Make and try the folder of a file that is to be written. Raises BadInputError naming the option."""
    with writing(file, option=option):
        is_folder = file.is_dir()
    if is_folder:
        raise BadInputError(
            f"{option} {file} is a folder, but its name is that of a file.",
            remedy="Name a file that is not there yet, or a folder whose name does not end so.",
        )
    output_folder(file.parent, option=option)
    return file


@contextmanager
def writing(path: Path, *, option: str = "--out") -> Iterator[None]:
    """Turn what the system says against writing there into a BadInputError naming the option."""
    try:
        yield
    except FileExistsError as error:
        raise BadInputError(f"{option} {path} is a file.", remedy="Name a folder.") from error
    except OSError as error:
        raise BadInputError(
            f"{option} {path} cannot be written: {error.strerror or error}.",
            remedy="Name a place that you may write to and that has room.",
        ) from error
