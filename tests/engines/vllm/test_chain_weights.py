"""
The weights of rank 0, against the parameters of vLLM's own classes.

The same answers as in test_chain.py. What a rank holds is a share of the parameters by kvplan's rule, so that
what vLLM's classes do otherwise shows here; each difference has its reason, as far as it is known.
"""

import pytest

from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.size import as_spec
from kvplan.planner.weights import stage_weights
from tests.engines.vllm.test_chain import SAID, options
from tests.importers.originals import FOLDER, REFUSED, needs_originals

CLOSE = 10_000
"""A difference of less than this part of the weights is let pass: norms, tables and padding of rows."""

_VISION = "equal on one GPU; of the vision tower more is whole on each rank than the share by kvplan's rule"
_BESIDE = "vLLM's class has a vision tower that the file does not describe"
_QUANTISED = "quantised: which tensors stay wide, and what their scales take, is not as kvplan estimates it"
_OPEN = "the file does not tell which modules are quantised: kvplan asks for --weights"
_ABSORBED = "two matrices are made of MLA's one when it is loaded, and are not in the class yet"
_SWIZZLED = "once loaded, scales lie in tiles and biases are in float32: to the byte in test_spread_weights"
_HEADLESS = "vLLM leaves out the tower's head, of 30,476,704 B, and has its projector whole on each rank"
_GPT2 = "vLLM pads the vocabulary of 50,257 to a multiple of 64"
LISTED = {
    "LiquidAI--LFM2.5-VL-1.6B.json": _HEADLESS,
    "Qwen--Qwen2-VL-2B-Instruct.json": _VISION,
    "Qwen--Qwen2-VL-7B-Instruct.json": _VISION,
    "Qwen--Qwen2.5-VL-7B-Instruct.json": _VISION,
    "Qwen--Qwen3-VL-2B-Instruct.json": _VISION,
    "Qwen--Qwen3-VL-30B-A3B-Instruct.json": _VISION,
    "Qwen--Qwen3-VL-32B-Instruct.json": _VISION,
    "Qwen--Qwen3-VL-32B-Thinking.json": _VISION,
    "Qwen--Qwen3-VL-4B-Instruct.json": _VISION,
    "Qwen--Qwen3-VL-8B-Instruct.json": _VISION,
    "Qwen--Qwen3.5-27B.json": _VISION,
    "Qwen--Qwen3.5-35B-A3B.json": _VISION,
    "google--gemma-3-27b-it.json": _VISION,
    "llava-hf--llava-1.5-7b-hf.json": "vLLM leaves out the last layer of the tower, whose output is not used",
    "meta-llama--Llama-4-Scout-17B-16E-Instruct.json": _BESIDE,
    "microsoft--Phi-3-vision-128k-instruct.json": _BESIDE,
    "Qwen--Qwen3-235B-A22B-FP8.json": _QUANTISED,
    "Qwen--Qwen3-30B-A3B-FP8.json": _QUANTISED,
    "Qwen--Qwen3-32B-FP8-Static-PerTensor.json": "the file names no quant_method, and vLLM has bf16",
    "deepseek-ai--DeepSeek-V3.2.json": _QUANTISED,
    "deepseek-ai--DeepSeek-V4-Flash.json": _QUANTISED,
    "deepseek-ai--DeepSeek-V4-Pro.json": _QUANTISED,
    "mistralai--Devstral-2-123B-Instruct.json": _QUANTISED,
    "moonshotai--Kimi-K2.5.json": _QUANTISED,
    "nvidia--Gemma-4-31B-IT-NVFP4.json": _OPEN,
    "zai-org--GLM-5-FP8.json": _QUANTISED,
    "zai-org--GLM-5.1-FP8.json": _QUANTISED,
    "deepseek-ai--DeepSeek-R1.json": _ABSORBED,
    "deepseek-ai--DeepSeek-V3.json": _ABSORBED,
    "moonshotai--Kimi-K2-Instruct.json": _ABSORBED,
    "openai--gpt-oss-120b.json": _SWIZZLED,
    "openai--gpt-oss-20b.json": _SWIZZLED,
    "openai-community--gpt2-medium.json": _GPT2,
    "openai-community--gpt2.json": _GPT2,
    "intfloat--e5-mistral-7b-instruct.json": "vLLM gives the bare model an output head",
    "tiiuae--Falcon-H1-3B-Base.json": "the file names no class: vLLM takes the bare model, without a head",
}
"""Files whose weights differ, and why."""

UNLISTED = [file for file in SAID if file not in REFUSED and file not in LISTED]


A_IN_FLOAT32 = 2
"""The bytes by which an A of Mamba-2 is wider than the release's."""

EXACT = {
    # The head, less A of 32 and 16 heads in each of 32 layers.
    "tiiuae--Falcon-H1-3B-Base.json": {
        tp: (2 * 65_536 * 2_560 - 32 * 32 * A_IN_FLOAT32) // tp for tp in (1, 2)
    },
    # A of 48 heads in 36 layers.
    "ibm-granite--granite-4.0-h-1b.json": {tp: -36 * 48 * A_IN_FLOAT32 // tp for tp in (1, 2)},
    # A scale of each of 30 layers, which the class has, but not among its parameters.
    "google--gemma-4-26B-A4B.json": dict.fromkeys((1, 8), 30 * 2),
}
"""Files whose weights differ by what is known to the byte: kvplan's less vLLM's, by tensor parallelism."""


def compared(file: str) -> dict[int, tuple[int | None, int]]:
    """Return kvplan's weights of rank 0, None where it asks for them, and vLLM's, by tensor parallelism."""
    spec, found = as_spec(FOLDER / file), {}
    for asked, said in SAID[file].items():
        if asked == "context" or said is None or set(options(asked)) != {"tp"}:
            continue
        deployment = deploy(spec, Choice(engine="vllm", **options(asked)))
        held = deployment.spec.weights()
        planned = None if held is None else stage_weights(deployment, held)[0]
        found[deployment.tp] = planned, said[3]
    return found


def differs(file: str) -> bool:
    """Return whether kvplan's weights of rank 0 are not vLLM's at some degree of tensor parallelism."""
    return any(
        planned is None or abs(planned - said) * CLOSE > said for planned, said in compared(file).values()
    )


@needs_originals
@pytest.mark.parametrize("file", UNLISTED)
def test_the_weights_of_rank_0_are_those_of_vllms_class(file: str) -> None:
    assert not differs(file)


@needs_originals
@pytest.mark.parametrize("file", EXACT)
def test_what_is_otherwise_is_known_to_the_byte(file: str) -> None:
    """Whole parts among them: a group of Mamba-2's B and C, Gemma 4's tower and values copied from keys."""
    found = {tp: planned and planned - said for tp, (planned, said) in compared(file).items()}
    assert found == EXACT[file]


@needs_originals
@pytest.mark.parametrize("file", LISTED)
def test_what_differs_still_differs(file: str) -> None:
    """A file that has come to agree leaves the list."""
    assert differs(file)


WHISPER = {1: 3_087_226_880, 2: 1_618_524_160, 4: 884_172_800}
"""The same of whisper-large-v3, which was asked for its weights alone."""


@needs_originals
@pytest.mark.parametrize("tp", WHISPER)
def test_whisper_has_its_embedding_whole_on_each_rank(tp: int) -> None:
    """51,866 tokens of 1,280 numbers: 99,582,720 bytes more on each of 4 ranks than a share of them."""
    deployment = deploy(as_spec(FOLDER / "openai--whisper-large-v3.json"), Choice(engine="vllm", tp=tp))
    weights = deployment.spec.weights()
    assert weights is not None
    assert abs(stage_weights(deployment, weights)[0] - WHISPER[tp]) * CLOSE <= WHISPER[tp]


SHARED_OUT = {
    "Qwen--Qwen2-VL-7B-Instruct.json": 8_967_339_008,
    "Qwen--Qwen2.5-VL-7B-Instruct.json": 8_968_921_088,
    "Qwen--Qwen3-VL-8B-Instruct.json": 9_343_820_256,
}
"""The same of two ranks with mm_encoder_tp_mode=data."""


@needs_originals
@pytest.mark.parametrize("file", SHARED_OUT)
def test_ranks_that_share_images_out_have_the_whole_tower(file: str) -> None:
    """Its merger or projector among it."""
    settings = {"mm_encoder_tp_mode": "data"}
    deployment = deploy(as_spec(FOLDER / file), Choice(engine="vllm", tp=2, settings=settings))
    weights = deployment.spec.weights()
    assert weights is not None
    assert stage_weights(deployment, weights)[0] == SHARED_OUT[file]
