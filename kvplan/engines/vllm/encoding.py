"""
What vLLM's profile run takes for images, before the batch of tokens.

As many of the largest images as a batch may bring go through the tower at once, and what it made of them
stays while the text model runs. Each figure is arithmetic over the tensors of the model's class; they were
compared with start-ups of unmodified releases whose kernels compute nothing (tests/rehearsed).
"""

from kvplan.engines.vllm.media import UNLIMITED
from kvplan.engines.vllm.profiling import Batch, Encoding
from kvplan.specs.vision import Vision
from kvplan.units import ceil_div


def encoding(
    batch: Batch, vision: Vision, context: int, *, profiled: bool = True, most: int = UNLIMITED
) -> Encoding:
    """
    Return what the largest images take that one batch may have, in a *context* for each prompt.

    A prompt brings *most* at the most (limit_mm_per_prompt).

    The older runner keeps the pixels until the text model has run, too. None are *profiled* with
    skip_mm_profiling. Sources: MultiModalBudget in vllm/multimodal/encoder_budget.py of 0.30, in
    v1/worker/utils.py before; profile_run in v1/worker/gpu_model_runner.py; deepstack_input_embeds in
    qwen3_vl.py.
    """
    states = batch.states_bytes
    buffers = Encoding(buffer_bytes=vision.stacked * states, inputs_bytes=states if batch.v2 else 0)
    if not profiled:
        return buffers
    budget = max(batch.tokens, vision.tokens)
    of_prompt = max(1, min(most, context // vision.tokens))
    images = max(1, min(budget // vision.tokens, batch.sequences * of_prompt))
    rows = images * vision.patches * batch.element_bytes
    outputs = images * vision.tokens * batch.hidden * batch.element_bytes
    return buffers._replace(
        peak_bytes=rows * _inside(vision, batch.tp) + vision.stacked * outputs,
        encoded_bytes=(1 + vision.stacked) * outputs + (0 if batch.v2 else rows * vision.pixels),
    )


def _inside(vision: Vision, ranks: int) -> int:
    """
    Return the numbers of a patch that are alive at once on a rank, where most are.

    SigLIP's are those of its MLP: before and after the activation, the output, three hidden states
    (siglip.py). Qwen3-VL's are those of its attention: queries, keys and values, queries and keys turned and
    once more in one tensor, the output before its projection and after it, three hidden states, and sines
    and cosines of half a head (qwen3_vl.py, qwen2_5_vl.py); where its MLP is wide, those of that. Heads and
    MLPs are cut over the ranks.
    """
    perceptron = 2 * ceil_div(vision.intermediate, ranks) + 4 * vision.hidden
    match vision.design:
        case "siglip":
            return perceptron + vision.pixels
        case "qwen3_vl":
            attention = 8 * ceil_div(vision.hidden, ranks) + 4 * vision.hidden
            return max(attention, perceptron) + vision.pixels + vision.hidden // vision.heads
