"""Bytes that are almost right, and how long they are tried.

`make test` tries a fixed number of examples, the same at every run. With TRIVIA_FUZZ_SECONDS (`make fuzz`)
new examples are tried for so long, divided between the tests of this folder.
"""

import os
import time
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("TRIVIA_FUZZ_SECONDS") or 0)
#: The tests of this folder that call `rounds`; a test counts them.
TARGETS = 13

#: What a parser may take for a length or a count.
_NUMBERS = [
    *(b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff", b"\x00\x00", b"\xff\xff"),
    *(
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x01",
        b"\x7f\xff\xff\xff",
        b"\x80\x00\x00\x00",
        b"\xff\xff\xff\xff",
    ),
]


def examples(count: int) -> settings:
    """Return Hypothesis' settings: so many examples a round."""
    return settings(
        max_examples=count,
        derandomize=SECONDS == 0,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def rounds(target: Callable[[], None]) -> None:
    """Run a test that draws its own examples: once, or again and again until its share of time is over."""
    end = time.monotonic() + SECONDS / TARGETS
    target()
    while time.monotonic() < end:
        target()


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes] = ()) -> bytes:
    """Return one of the seeds with some bytes changed, left out, repeated, put in, or cut off."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(1, 16))
        edit = draw(st.sampled_from(["set", "number", "token", "delete", "repeat", "cut", "noise"]))
        if edit == "set":
            data[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif edit == "number":
            number = draw(st.sampled_from(_NUMBERS))
            data[place : place + len(number)] = number
        elif edit == "token":
            data[place:place] = draw(st.sampled_from(tokens or _NUMBERS))
        elif edit == "delete":
            del data[place : place + length]
        elif edit == "repeat":
            data[place:place] = bytes(data[place : place + length]) * draw(st.integers(1, 40))
        elif edit == "cut":
            del data[place:]
        else:
            data[place:place] = draw(st.binary(min_size=1, max_size=16))
    return bytes(data)
