"""The GPUs that FFmpeg can encode on, by the numbers that FFmpeg knows them by."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple


class Gpu(NamedTuple):
    """A GPU with an encoder. `number`: CUDA's, in this process's environment; `uuid`: everywhere the same."""

    number: int
    uuid: str


def find_gpus(*, visible: str | None) -> tuple[Gpu, ...]:
    """Return the GPUs with an H.264 encoder; none where the driver does not tell.

    `visible` is CUDA_VISIBLE_DEVICES. FFmpeg must run with CUDA_DEVICE_ORDER=PCI_BUS_ID, which numbers GPUs
    as the driver does.
    """
    with warnings.catch_warnings():
        # The package of this name only brings nvidia-ml-py and says so at each import.
        warnings.simplefilter("ignore", FutureWarning)
        import pynvml  # noqa: PLC0415 - only machines with NVENC need it

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        uuids = [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        without = {
            uuid for uuid, handle in zip(uuids, handles, strict=True) if not _has_encoder(pynvml, handle)
        }
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()
    return tuple(gpu for gpu in visible_gpus(uuids, visible=visible) if gpu.uuid not in without)


def visible_gpus(uuids: Sequence[str], *, visible: str | None) -> tuple[Gpu, ...]:
    """Return the GPUs that CUDA shows, numbered as CUDA numbers them then. Pure.

    `uuids` are all of the machine's, in the order of the bus. An entry of CUDA_VISIBLE_DEVICES is an index or
    the beginning of a UUID; the first that is neither ends the list (CUDA C++ Programming Guide,
    "CUDA Environment Variables").
    """
    if visible is None:
        return tuple(Gpu(number, uuid) for number, uuid in enumerate(uuids))
    shown: list[str] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.isascii() and entry.isdigit():
            found = list(uuids[int(entry) : int(entry) + 1])
        else:
            found = [uuid for uuid in uuids if entry and uuid.startswith(entry)]
        if len(found) != 1:
            break
        shown += found
    return tuple(Gpu(number, uuid) for number, uuid in enumerate(shown))


def _has_encoder(pynvml: object, handle: object) -> bool:
    # A100 and H100, for two, have none; beside a GPU that has one they must not be chosen.
    try:
        pynvml.nvmlDeviceGetEncoderCapacity(handle, pynvml.NVML_ENCODER_QUERY_H264)  # type: ignore[attr-defined]
    except pynvml.NVMLError_NotSupported:  # type: ignore[attr-defined]
        return False
    return True
