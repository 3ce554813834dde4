"""How much of a model's weights an engine is asked to leave in the host's memory."""

from typing import Final

from kvplan.engines.base import EngineOptions
from kvplan.engines.settings import Setting, read_settings
from kvplan.units import GIB

CPU_OFFLOAD: Final = Setting(
    name="cpu_offload_gb", kind="ratio", help="GiB of weights per GPU that stay in the host's memory"
)


def offloaded_bytes(options: EngineOptions) -> int:
    """
    Return the bytes of layers' weights that each rank leaves in the host's memory, at least.

    Whole parameters go there until they come to so much or more, of layers alone: wrap_modules of
    model_executor/offloader/uva.py in vLLM 0.33, and OffloaderV1 of srt/utils/offloader.py in SGLang 0.5.23.
    """
    given = {name: text for name, text in options.settings.items() if name == CPU_OFFLOAD.name}
    asked = read_settings((CPU_OFFLOAD,), given).ratio(CPU_OFFLOAD.name)
    return 0 if asked is None else int(asked * GIB)
