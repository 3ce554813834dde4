"""What SGLang takes of a card before its weights come, and beside them."""

from fractions import Fraction

from kvplan.engines.profile_run import Estimate, ProfileRun
from kvplan.engines.sglang.aside import aside
from kvplan.engines.sglang.images import reserved_bytes
from kvplan.engines.sglang.mxfp4 import CLASSES, MOST_AMISS
from kvplan.engines.sglang.traits import traits_of
from kvplan.units import GIB, ceil_div

# A card's memory minus "Load weight begin. avail mem", or minus what is free and used after loading, in GiB:
# RTX PRO 6000, TP 4, github.com/sgl-project/sglang/issues/40558: 94.97 - 94.01 = 0.96;
# H200, TP 8, github.com/SemiAnalysisAI/InferenceX/issues/2128: 139.80 - (12.25 + 125.65) = 1.90;
# H200, TP 8, github.com/sgl-project/sglang/pull/11716: 139.80 - 137.29 = 2.51;
# B200, TP 4, stored public file 71075541117: 178.36 - 175.34 = 3.02; H200, 16 ranks, 54546795741: 1.71;
# 80 GB (79.18), TP 2 and 8: 0.41 (56842772620), 1.43 (55176662985), 1.70 (33273813748), 1.75 (45518106035),
# 1.85 (62684841219), 2.01 (71258027165).
_LEAST_BYTES = 41 * GIB // 100
_MIDDLE_BYTES = 175 * GIB // 100
_MOST_BYTES = 302 * GIB // 100
# The same on one GPU: B200, 178.36 - 177.57 = 0.79 (52132052242); H200, 139.80 - 139.13 = 0.67 (62375882188);
# 80 GB, 0.70 (69624180828), 0.71 (70339980981), 0.75 (53259568910, 14968382678), 0.86 (66584923754);
# RTX PRO 6000, 94.97 - 93.77 = 1.20 (70920711276). Least is left by what another of 80 GB made of 0.8 of it
# beside its weights: 79.18 - (46.51 + 16.58) / 0.8 (69865425230).
_LEAST_ALONE_BYTES = 30 * GIB // 100
_ALONE_BYTES = 75 * GIB // 100
_MOST_ALONE_BYTES = 120 * GIB // 100

MOST_KEPT, MOST_KEPT_PLAIN = Fraction(18, 1000), Fraction(8, 1000)
"""
What torch's allocator rounds weights up by, and cannot give back of what loading took.

Of a rank's part of a release, in start-ups of tests/rehearsed/sglang.jsonl: 0.002 to 0.78 % of plain weights,
each matrix of which is rounded up to 2 MiB (phi-4 has 80 MiB more so, of 91), and up to 1.75 % of blocks in
fp8, which are rewritten.
"""

# Rotary tables are in float32 (layers/rotary_embedding/base.py), and reach a little past the context
# (reserve_rope_cache_for_long_sequences in utils/common.py of SGLang 0.5.23).
_ROTATION_BYTES = 4
_ROTATIONS_MORE, _ROTATIONS_ALIGNED = 256, 128


def before_weights(workload: ProfileRun) -> Estimate:
    """
    Return what the CUDA context and communication take, the table of rotary embeddings, and room for images.

    The last two come out of SGLang's share. Activations and graphs are no part of it, but aside: SGLang keeps
    1 - mem_fraction_static back for them.
    """
    kept = _rotations(workload) + reserved_bytes(workload)
    if workload.ranks > 1:
        low, middle, high = _LEAST_BYTES, _MIDDLE_BYTES, _MOST_BYTES
        evidence = "from 11 published SGLang start-ups on several GPUs, 0.41 to 3.02 GiB"
    else:
        low, middle, high = _LEAST_ALONE_BYTES, _ALONE_BYTES, _MOST_ALONE_BYTES
        evidence = "from 9 published SGLang start-ups on one GPU, 0.3 to 1.20 GiB"
    weights = Fraction(workload.weights_bytes, workload.ranks)
    amiss = MOST_AMISS if _in_mxfp4(workload) else Fraction(0)
    share = amiss or (MOST_KEPT_PLAIN if workload.plain_weights else MOST_KEPT)
    return Estimate(
        activation_bytes=0,
        overhead_bytes=middle + kept,
        low_bytes=low + kept - int(amiss * weights),
        high_bytes=high + kept + int(share * weights),
        evidence=f"{evidence}, and up to {float(100 * share):g} % of the weights that its allocator keeps",
        kept_bytes=kept,
        aside=aside(workload),
    )


def _in_mxfp4(workload: ProfileRun) -> bool:
    """Return whether experts are laid out anew, of which more is kept than of other weights."""
    return workload.architecture in CLASSES and not workload.plain_weights


def _rotations(workload: ProfileRun) -> int:
    """Return the tables that all layers share, of one that is interpolated as many rows as of any other."""
    traits = traits_of(workload.architecture)
    longest = ceil_div(workload.context + _ROTATIONS_MORE, _ROTATIONS_ALIGNED) * _ROTATIONS_ALIGNED
    rows = max(workload.model_context or workload.rotations, longest)
    return int(traits.tables * rows * workload.rotated * traits.turned) * _ROTATION_BYTES
