"""docs/capacity.md, of which each program writes its own section."""

from trivia_render.errors import BadInputError


def with_section(document: str, text: str, *, begin: str, end: str) -> str:
    """Put a section between its marks, at the document's end where it has none. Pure.

    Raises BadInputError where only one of the marks is there.
    """
    block = f"{begin}\n{text}\n{end}"
    if begin not in document and end not in document:
        return f"{document.rstrip()}\n\n{block}\n"
    before, begun, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise BadInputError(
            "docs/capacity.md has only one of the two marks of this section.",
            remedy=f"Put both back, or remove both:\n{begin}\n{end}",
        )
    return f"{before}{block}{after}"
