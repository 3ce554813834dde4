"""The engines whose start-up logs are read, a row each."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from kvplan.dtypes import Role
from kvplan.engines import plain_name
from kvplan.engines.llamacpp.versions import BUILDS
from kvplan.engines.vllm.versions import RELEASES
from kvplan.errors import UnknownNameError
from kvplan.reconcile import llamacpp_log, sglang_log, trtllm_log, vllm_log
from kvplan.reconcile.dialect import Disclaimed, LogDialect
from kvplan.reconcile.engine_assumptions import llamacpp_assumptions, sglang_assumptions, vllm_assumptions
from kvplan.reconcile.llamacpp_rows import llamacpp_rows
from kvplan.reconcile.log import EngineName
from kvplan.reconcile.setup import Setup
from kvplan.reconcile.sglang_rows import sglang_rows
from kvplan.reconcile.trtllm_rows import trtllm_rows
from kvplan.reconcile.vllm_rows import vllm_rows

_BLOCK_SIZES = (16, 32, 64, 128, 256)


def _cuda_formats(setup: Setup, roles: AbstractSet[Role]) -> tuple[str, ...]:
    if "latent" in roles:
        return ("fp8_ds_mla", "fp8", setup.spec.dtype, "nvfp4_ds_mla")
    return ("fp8", setup.spec.dtype, "fp8_per_token_head", "int4_per_token_head", "nvfp4", "float32")


def _ggml_formats(_setup: Setup, _roles: AbstractSet[Role]) -> tuple[str, ...]:
    return ("f16", "q8_0", "q4_0", "q5_1", "q5_0", "q4_1", "iq4_nl", "bfloat16", "float32")


_ONE_RELEASE = Disclaimed("kvplan has the rules of one release")
_TOKENS = Disclaimed("its pool is for tokens, of whichever requests")
_POOL_ALONE = Disclaimed("it prints the size of its pools, and no memory from which they follow")

VLLM = LogDialect(
    engine="vllm",
    label="vLLM",
    looked_for=vllm_log.LOOKED_FOR,
    reader=vllm_log.READER,
    compare=vllm_rows,
    oldest=RELEASES[0].name.removeprefix("vLLM "),
    only_oldest=("blocks", "CPU blocks"),
    context="request",
    weights="weights",
    memory="KV memory",
    degrees=("tp", "pp", "dcp"),
    block_sizes=_BLOCK_SIZES,
    formats=_cuda_formats,
    drafts="setting",
    assumptions=vllm_assumptions,
)
SGLANG = LogDialect(
    engine="sglang",
    label="SGLang",
    looked_for=sglang_log.LOOKED_FOR,
    reader=sglang_log.READER,
    compare=sglang_rows,
    oldest=_ONE_RELEASE,
    only_oldest=_ONE_RELEASE,
    context=_TOKENS,
    weights="weights",
    memory=_POOL_ALONE,
    degrees=("tp", "pp", "dcp"),
    block_sizes=_BLOCK_SIZES,
    formats=_cuda_formats,
    drafts="pool",
    assumptions=sglang_assumptions,
)
LLAMACPP = LogDialect(
    engine="llamacpp",
    label="llama.cpp",
    looked_for=llamacpp_log.LOOKED_FOR,
    reader=llamacpp_log.READER,
    compare=llamacpp_rows,
    oldest=f"b{BUILDS[0].build}",
    only_oldest=Disclaimed("the lines of old builds have figures of the same names"),
    context="slots",
    weights=Disclaimed("it prints buffers of the file's tensors for each device, and no sum"),
    memory=_POOL_ALONE,
    degrees=Disclaimed("its lines are sums over all devices"),
    block_sizes=Disclaimed("it has cells, and no blocks"),
    formats=_ggml_formats,
    drafts="pool",
    assumptions=llamacpp_assumptions,
)
TRTLLM = LogDialect(
    engine="trtllm",
    label="TensorRT-LLM",
    looked_for=trtllm_log.LOOKED_FOR,
    reader=trtllm_log.READER,
    compare=trtllm_rows,
    oldest=_ONE_RELEASE,
    only_oldest=_ONE_RELEASE,
    context=_TOKENS,
    weights=Disclaimed("it prints no size of its weights alone"),
    memory=_POOL_ALONE,
    degrees=("tp", "pp"),
    block_sizes=_BLOCK_SIZES,
    formats=_cuda_formats,
    drafts=Disclaimed("kvplan knows no line of its draft's pool"),
    assumptions=Disclaimed("it decides nothing of its own that changes its figures"),
)

DIALECTS: Mapping[EngineName, LogDialect] = {each.engine: each for each in (VLLM, SGLANG, LLAMACPP, TRTLLM)}


def find_dialect(engine: str) -> LogDialect:
    """Return the row of an engine (a version after `@` is left off); raise UnknownNameError without one."""
    name = plain_name(engine)
    for dialect in DIALECTS.values():
        if dialect.engine == name:
            return dialect
    raise UnknownNameError(f"kvplan reads no logs of {engine[:40]!r}, only those of {', '.join(DIALECTS)}")
