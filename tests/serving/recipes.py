"""Commands that makers of engines and models publish for large mixtures, each with its source and a card."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """
    A command as it was published, a card that it is for, and what a plan leaves out of it.

    `weights` is what a user has to say of the weights where the release is not known, empty elsewhere.
    `fits` is whether one sequence of the model's longest context fits with all weights on so many cards.
    """

    source: str
    gpu: str
    line: str
    weights: str = ""
    fits: bool = True
    left_out: tuple[str, ...] = ()
    """How each option begins that no plan counts."""


_SGLANG = "sgl-project/sglang, docs/basic_usage"
_COOKBOOK = "sgl-project/sglang, docs_new/cookbook/autoregressive"
_MINIMAX = (
    "--tool-call-parser minimax-m2 --reasoning-parser minimax-append-think --host 0.0.0.0 "
    "--trust-remote-code --port 8000 --mem-fraction-static 0.85"
)
_MTP = (
    "--speculative-algorithm EAGLE --speculative-num-steps 3 --speculative-eagle-topk 1 "
    "--speculative-num-draft-tokens 4"
)
_DEEPSEEK = "python -m sglang.launch_server --model deepseek-ai/DeepSeek-V3.2-Exp"
_KIMI = "python3 -m sglang.launch_server --model-path moonshotai/Kimi-K2-Instruct --tp 8 --dp 4"
_AT = "--trust-remote-code --host 0.0.0.0 --port 8000"

RECIPES = (
    Recipe(
        source=f"{_SGLANG}/minimax_m2.md, 4 GPUs",
        gpu="h200-141gb",
        line=f"python -m sglang.launch_server --model-path MiniMaxAI/MiniMax-M2 --tp-size 4 {_MINIMAX}",
    ),
    Recipe(
        source=f"{_SGLANG}/minimax_m2.md, 8 GPUs",
        gpu="h200-141gb",
        line=(
            "python -m sglang.launch_server --model-path MiniMaxAI/MiniMax-M2 --tp-size 8 --ep-size 8 "
            + _MINIMAX
        ),
    ),
    Recipe(
        source=f"{_SGLANG}/minimax_m2.md, AMD",
        gpu="mi300x-192gb",
        line=(
            "SGLANG_USE_AITER=1 python -m sglang.launch_server --model-path MiniMaxAI/MiniMax-M2.5 "
            f"--tp-size 8 --ep-size 8 --attention-backend aiter {_MINIMAX}"
        ),
        left_out=("--attention-backend aiter",),
    ),
    Recipe(
        # 744B parameters in bfloat16 are for more than eight cards of 141 GB.
        source="zai-org/GLM-5, README.md",
        gpu="h200-141gb",
        line=(
            "sglang serve --model-path zai-org/GLM-5 --tp-size 8 --tool-call-parser glm47 "
            f"--reasoning-parser glm45 {_MTP} --mem-fraction-static 0.85 --served-model-name glm-5"
        ),
        fits=False,
    ),
    Recipe(
        source=f"{_COOKBOOK}/GLM/GLM-5.1.mdx",
        gpu="h200-141gb",
        line=(
            "SGLANG_ENABLE_SPEC_V2=1 sglang serve --model-path zai-org/GLM-5.1-FP8 --tp 8 "
            f"--reasoning-parser glm45 --tool-call-parser glm47 {_MTP} --mem-fraction-static 0.85"
        ),
    ),
    Recipe(
        source="sgl-project/sglang/pull/21337",
        gpu="b200-180gb",
        line=(
            "sglang serve --model-path zai-org/GLM-5-FP8 --tp 8 --trust-remote-code --dp 8 "
            "--enable-dp-attention"
        ),
    ),
    Recipe(
        source=f"{_COOKBOOK}/Moonshotai/Kimi-K2.mdx, latency",
        gpu="b200-180gb",
        line=f"{_KIMI} --enable-dp-attention {_AT}",
    ),
    Recipe(
        source=f"{_COOKBOOK}/Moonshotai/Kimi-K2.mdx, throughput",
        gpu="b200-180gb",
        line=f"{_KIMI} --ep 4 --enable-dp-attention {_AT}",
    ),
    Recipe(
        source=f"{_COOKBOOK}/Moonshotai/Kimi-K2.mdx, thinking",
        gpu="h200-141gb",
        line=(
            "python -m sglang.launch_server --model moonshotai/Kimi-K2-Thinking --reasoning-parser kimi_k2 "
            "--tp 8 --host 0.0.0.0 --port 8000"
        ),
    ),
    Recipe(
        source=f"{_SGLANG}/kimi_k2_5.md",
        gpu="h200-141gb",
        line=(
            "python3 -m sglang.launch_server --model-path moonshotai/Kimi-K2.5 --tp 8 --trust-remote-code "
            "--tool-call-parser kimi_k2 --reasoning-parser kimi_k2"
        ),
    ),
    Recipe(
        source=f"{_SGLANG}/deepseek_v32.md, TP + DP",
        gpu="h200-141gb",
        line=f"{_DEEPSEEK} --tp 8 --dp 8 --enable-dp-attention",
    ),
    Recipe(
        source=f"{_SGLANG}/deepseek_v32.md, EP + DP",
        gpu="h200-141gb",
        line=f"{_DEEPSEEK} --tp 8 --ep 8 --dp 8 --enable-dp-attention",
    ),
    Recipe(source=f"{_SGLANG}/deepseek_v32.md, TP", gpu="h200-141gb", line=f"{_DEEPSEEK} --tp 8"),
    Recipe(
        source=f"{_SGLANG}/deepseek_v32.md, MTP",
        gpu="h200-141gb",
        line=f"{_DEEPSEEK} --tp 8 --dp 8 --enable-dp-attention {_MTP}",
        # It starts, with room for 144,000 of the 163,840 tokens that the model was made for.
        fits=False,
    ),
    Recipe(
        source=f"{_SGLANG}/deepseek_v32.md, context parallelism",
        gpu="h200-141gb",
        line=(
            f"{_DEEPSEEK} --tp 8 --ep 8 --dp 2 --enable-dp-attention --enable-nsa-prefill-context-parallel "
            "--max-running-requests 32"
        ),
        left_out=("--enable-nsa-prefill-context-parallel: each rank has attention's weights",),
    ),
    Recipe(
        source=f"{_SGLANG}/deepseek_v3.md",
        gpu="h200-141gb",
        line=(
            "python3 -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3-0324 "
            "--speculative-algorithm EAGLE --trust-remote-code --tp 8"
        ),
    ),
    Recipe(
        source=f"{_SGLANG}/gpt_oss.md",
        gpu="h100-80gb",
        line="python3 -m sglang.launch_server --model-path openai/gpt-oss-120b --tool-server demo --tp 2",
    ),
    Recipe(
        # An EAGLE-3 draft of which there is no spec: it is left out, with the tokens that it drafts.
        source=f"{_SGLANG}/llama4.md, Maverick",
        gpu="h200-141gb",
        line=(
            "python3 -m sglang.launch_server --model-path meta-llama/Llama-4-Maverick-17B-128E-Instruct "
            "--speculative-algorithm EAGLE3 "
            "--speculative-draft-model-path nvidia/Llama-4-Maverick-17B-128E-Eagle3 "
            "--speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 4 "
            "--trust-remote-code --tp 8 --context-length 1000000"
        ),
        left_out=("the draft nvidia/Llama-4-Maverick-17B-128E-Eagle3",),
    ),
    Recipe(
        source=f"{_SGLANG}/llama4.md, Scout",
        gpu="h100-80gb",
        line=(
            "python -m sglang.launch_server --model-path meta-llama/Llama-4-Scout-17B-16E-Instruct "
            "--port 30000 --tp 8 --mem-fraction-static 0.8 --context-length 65536"
        ),
    ),
    Recipe(
        source="NVIDIA/TensorRT-LLM, docs/source/deployment-guide-for-kimi-k2-thinking-on-trtllm.md",
        gpu="b200-180gb",
        line=(
            "trtllm-serve nvidia/Kimi-K2-Thinking-NVFP4 --host 0.0.0.0 --port 8000 "
            "--config kimi-k2-thinking.yaml"
        ),
        weights="--weight-dtype nvfp4",
        left_out=("cache_transceiver_config",),
    ),
    Recipe(
        source="NVIDIA/TensorRT-LLM, docs/source/deployment-guide-for-gpt-oss-on-trtllm.md",
        gpu="b200-180gb",
        line=(
            "trtllm-serve openai/gpt-oss-120b --host 0.0.0.0 --port 8000 "
            "--extra_llm_api_options gpt-oss-120b-throughput.yaml"
        ),
        left_out=("cuda_graph_config", "moe_config.backend: TRTLLM"),
    ),
    Recipe(
        source="NVIDIA/TensorRT-LLM, examples/configs/curated/deepseek-r1-throughput.yaml",
        gpu="b200-180gb",
        line="trtllm-serve deepseek-ai/DeepSeek-R1-0528 --config deepseek-r1-throughput.yaml",
        left_out=("cuda_graph_config",),
    ),
    Recipe(
        source="NVIDIA/TensorRT-LLM, examples/configs/curated/deepseek-r1-latency.yaml",
        gpu="b200-180gb",
        line="trtllm-serve deepseek-ai/DeepSeek-R1-0528 --config deepseek-r1-latency.yaml",
        left_out=("moe_config.backend: TRTLLM",),
    ),
    Recipe(
        source="NVIDIA/TensorRT-LLM, docs/source/deployment-guide-for-glm-5-on-trtllm.md",
        gpu="b200-180gb",
        line=(
            "trtllm-serve zai-org/GLM-5-FP8 --host 0.0.0.0 --port 8000 --max_batch_size 128 "
            "--max_num_tokens 8192 --tp_size 8 --ep_size 8 --pp_size 1 "
            "--config deployment-guide-for-glm-5-on-trtllm.md"
        ),
        left_out=("cuda_graph_config", "enable_chunked_prefill", "moe_config.backend: DEEPGEMM"),
    ),
)
