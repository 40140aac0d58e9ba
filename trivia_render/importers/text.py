"""Bytes of unknown encoding to text."""

from trivia_render.errors import BadInputError

#: Sets of questions are megabytes at most; the whole of OpenTriviaQA has 9.
MAX_BYTES = 100_000_000
#: Text has next to no control characters; of compressed or random bytes they are a tenth.
_MAX_CONTROL_SHARE = 0.05
_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n\v\f\r"))


def decode(data: bytes, *, source: str) -> str:
    """Return the text: UTF-16 by its byte order mark, else UTF-8, line by line else Windows-1252.

    Collections that many hands wrote mix encodings from line to line. Raises BadInputError, also for
    what is no text at all: refusing it row by row would bury the reason.
    """
    if len(data) > MAX_BYTES:
        raise BadInputError(
            f"{source} is {len(data):,} bytes long; {MAX_BYTES:,} is the most.", remedy="Split the file."
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise BadInputError(
                f"{source} starts like UTF-16 text and is not.", remedy="Save it as UTF-8."
            ) from error
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if b"\0" in data or controls > len(data) * _MAX_CONTROL_SHARE:
        raise BadInputError(f"{source} is no text.", remedy="Name a text file, saved as UTF-8.")
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return "\n".join(_decode_line(line) for line in lines)


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        # The five bytes that Windows-1252 leaves open become control characters, which the check of
        # the question refuses.
        return "".join(_WINDOWS_1252[byte] for byte in line)


_WINDOWS_1252 = tuple(
    bytes([byte]).decode("latin-1" if byte in b"\x81\x8d\x8f\x90\x9d" else "cp1252") for byte in range(256)
)
