"""
The reader of each GGUF architecture: what llama.cpp's loader of that name does.

A reader's source is the file of the same name in src/models/ of llama.cpp 0c1e57098, unless it says
otherwise. What these files fix in code (a window, a period, the layers that share a cache) is in the
readers and in this table.
"""

from collections.abc import Callable, Mapping

from kvplan.importers.families.common import Reading
from kvplan.importers.fields import Fields
from kvplan.importers.gguf_latent import latent, latent_indexed, minimax_m3
from kvplan.importers.gguf_recurrent import (
    delta_hybrid,
    falcon_h1,
    kimi_linear,
    lfm2,
    mamba_hybrid,
    minimax_01,
    nemotron_h,
    pure_mamba,
    pure_mamba2,
    rwkv,
    take_mamba,
    take_mamba2,
)
from kvplan.importers.gguf_windows import (
    Windowed,
    exaone4,
    gemma3n,
    gemma4,
    llama4,
    phi3,
    plain,
    smallthinker,
    uncached,
)

Reader = Callable[[Fields], Reading]

_PLAIN = """
    llama deci falcon grok gpt2 gptj gptneox mpt baichuan starcoder refact bloom stablelm qwen qwen2
    qwen2moe qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe phi2 phimoe plamo codeshell orion internlm2
    minicpm gemma starcoder2 xverse command-r dbrx olmo olmoe openelm arctic deepseek chatglm glm4
    glm4moe bitnet jais jais2 nemotron exaone granite granitemoe chameleon bailingmoe bailingmoe2
    dots1 arcee ernie4_5 ernie4_5-moe hunyuan-moe hunyuan-dense hunyuan_vl hy_v3 smollm3 seed_oss
    grovemoe apertus minimax-m2 cogvlm pangu-embedded mistral3 paddleocr maincoder
    deepseek2-ocr
"""
_UNCACHED = """
    bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert modern-bert
    gemma-embedding dream llada llada-moe rnd1
"""

ARCHITECTURES: Mapping[str, Reader] = {
    **dict.fromkeys(_PLAIN.split(), plain),
    **dict.fromkeys(_UNCACHED.split(), uncached),
    "afmoe": Windowed(period=4, optional=True),
    "cohere2": Windowed(period=4),
    "cohere2moe": Windowed(period=4, full_first=True),
    "exaone4": exaone4,
    "exaone-moe": Windowed(period=4),
    "gemma2": Windowed(period=2, window=4096),
    "gemma3": Windowed(period=6, optional=True),
    "gemma3n": gemma3n,
    "gemma4": gemma4,
    "gpt-oss": Windowed(period=2),
    "granite_swa": Windowed(period=None),
    "laguna": Windowed(period=4, full_first=True, optional=True),
    "llama4": llama4,
    "maple": Windowed(period=None),
    "mellum": Windowed(period=4, optional=True),
    "mimo2": Windowed(period=None),
    "muse-glimmer": Windowed(period=4),
    "olmo2": Windowed(period=4, optional=True),
    "phi3": phi3,
    "plamo3": Windowed(period=8, optional=True),
    "smallthinker": smallthinker,
    "spark2_5": Windowed(period=None),
    "step35": Windowed(period=None),
    "deepseek2": latent,
    "mistral4": latent,
    "deepseek32": latent_indexed,
    "glm-dsa": latent_indexed,
    "mamba": pure_mamba,
    "mamba2": pure_mamba2,
    "rwkv6": rwkv(6),
    "rwkv7": rwkv(7),
    "jamba": mamba_hybrid(take_mamba),
    "granitehybrid": mamba_hybrid(take_mamba2),
    "nemotron_h": nemotron_h,
    "nemotron_h_moe": nemotron_h,
    "falcon-h1": falcon_h1,
    "lfm2": lfm2,
    "lfm2moe": lfm2,
    "qwen3next": delta_hybrid,
    "qwen35": delta_hybrid,
    "qwen35moe": delta_hybrid,
    "kimi-linear": kimi_linear,
    "minimax-01": minimax_01,
    "minimax-m3": minimax_m3,
}
"""The reader of each `general.architecture`."""
