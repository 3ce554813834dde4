"""Serving commands that people wrote, where they wrote them, and what each means to a plan."""

from dataclasses import dataclass

from kvplan.serving.served import PlanAnswers


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command as it was published, and its meaning, worked out by hand from the engine's documentation."""

    source: str
    line: str
    engine: str
    model: str
    asked: PlanAnswers
    unmodelled: tuple[str, ...] = ()
    """How each entry of `unmodelled` begins."""
    ignored: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


COMMANDS = (
    Command(
        source="docs.vllm.ai/projects/recipes, DeepSeek/DeepSeek-V3",
        line=(
            "vllm serve deepseek-ai/DeepSeek-R1-0528 --trust-remote-code --tensor-parallel-size 8 "
            "--enable-expert-parallel"
        ),
        engine="vllm",
        model="deepseek-ai/DeepSeek-R1-0528",
        asked={"tp": 8, "settings": {"enable_expert_parallel": "true"}},
        ignored=("--trust-remote-code",),
    ),
    Command(
        source="docs.vllm.ai/projects/speculators, serve_vllm",
        line=(
            "vllm serve Qwen/Qwen3-8B -tp 1 --speculative-config "
            '\'{\n  "model": "RedHatAI/Qwen3-8B-speculator.eagle3",\n'
            '  "num_speculative_tokens": 3,\n  "method": "eagle3"\n}\''
        ),
        engine="vllm",
        model="Qwen/Qwen3-8B",
        asked={
            "tp": 1,
            "draft": "RedHatAI/Qwen3-8B-speculator.eagle3",
            "settings": {"num_speculative_tokens": "3"},
        },
    ),
    Command(
        source="github.com/QwenLM/Qwen3/issues/12",
        line=(
            "python -m vllm.entrypoints.openai.api_server --model data/Qwen1.5-14B-Chat --host 0.0.0.0 "
            "--port 30005 --dtype half --gpu-memory-utilization 0.95"
        ),
        engine="vllm",
        model="data/Qwen1.5-14B-Chat",
        asked={"dtype": "fp16", "utilization": "0.95"},
        ignored=("--host 0.0.0.0", "--port 30005"),
    ),
    Command(
        source="github.com/vllm-project/vllm/issues/17431",
        line=(
            "VLLM_USE_V1=0  /home/python_vllm_env_085/bin/python -m vllm.entrypoints.openai.api_server     "
            "--model /root/yjpzmodel/basemodel/Qwen3-8B     --served-model-name Qwen3-8B "
            "--gpu-memory-utilization 0.4 --port 8001"
        ),
        engine="vllm",
        model="/root/yjpzmodel/basemodel/Qwen3-8B",
        asked={"utilization": "0.4"},
        ignored=("VLLM_USE_V1=0", "--served-model-name Qwen3-8B", "--port 8001"),
    ),
    Command(
        source="github.com/gofreelee/SpaceServe/issues/15",
        line=(
            "python3 -m vllm.entrypoints.openai.api_server   --model /data/models/Qwen2.5-VL-3B-Instruct   "
            "--trust-remote-code   --max-num-batched-tokens 2048   --max-num-seqs 256 "
            "--gpu-memory-utilization 0.97"
        ),
        engine="vllm",
        model="/data/models/Qwen2.5-VL-3B-Instruct",
        asked={"max_num_batched_tokens": 2048, "max_num_seqs": 256, "utilization": "0.97"},
        ignored=("--trust-remote-code",),
    ),
    Command(
        source="github.com/vllm-project/vllm/issues/6689",
        line=(
            "python -m vllm.entrypoints.openai.api_server --model "
            "/NS/models--meta-llama--Meta-Llama-3.1-70B-Instruct --tensor-parallel-size 2  "
            "--max-seq-len-to-capture 32000 --max-model-len 32000"
        ),
        engine="vllm",
        model="/NS/models--meta-llama--Meta-Llama-3.1-70B-Instruct",
        asked={"tp": 2, "context": 32000},
        ignored=("--max-seq-len-to-capture 32000",),
    ),
    Command(
        source="github.com/zai-org/GLM-4.5/issues/3",
        line=(
            "python3 -m sglang.launch_server --model-path zai-org/GLM-4.5-Air-FP8 --tp-size 4 "
            "--tool-call-parser glm45 --reasoning-parser glm45 --speculative-algorithm EAGLE "
            "--speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 4 "
            "--mem-fraction-static 0.7 --disable-shared-experts-fusion --served-model-name glm-4.5-air-fp8 "
            "--host 0.0.0.0 --port 8000"
        ),
        engine="sglang",
        model="zai-org/GLM-4.5-Air-FP8",
        asked={
            "tp": 4,
            "utilization": "0.7",
            "draft": "mtp",
            "settings": {"speculative_num_draft_tokens": "4"},
        },
        ignored=(
            "--tool-call-parser glm45",
            "--reasoning-parser glm45",
            "--disable-shared-experts-fusion",
            "--served-model-name glm-4.5-air-fp8",
            "--host 0.0.0.0",
            "--port 8000",
        ),
    ),
    Command(
        source="github.com/sgl-project/sglang/issues/1030: --max-prefill is --max-prefill-tokens cut off",
        line=(
            "python -m sglang.launch_server --model-path NousResearch/Meta-Llama-3-8B-Instruct  "
            "--host 0.0.0.0  --port 8000 --context-length 4096 --dtype bfloat16  --max-prefill 8192"
        ),
        engine="sglang",
        model="NousResearch/Meta-Llama-3-8B-Instruct",
        asked={"context": 4096, "dtype": "bf16", "settings": {"max_prefill_tokens": "8192"}},
        ignored=("--host 0.0.0.0", "--port 8000"),
    ),
    Command(
        source="github.com/sgl-project/sglang/issues/445: --disk-cache left SGLang long ago",
        line=(
            "python -m sglang.launch_server --model-path ~/Llama3-OpenBioLLM-70B-Instruct --port 30000 "
            "--mem-fraction-static 0.9 --tp 8 --disable-disk-cache"
        ),
        engine="sglang",
        model="~/Llama3-OpenBioLLM-70B-Instruct",
        asked={"tp": 8, "utilization": "0.9"},
        ignored=("--port 30000",),
        unknown=("--disable-disk-cache",),
    ),
    Command(
        source="github.com/sgl-project/sglang/issues/1522",
        line=(
            "python -m sglang.launch_server --host 0.0.0.0 --port 30000 --model-path "
            "Qwen/Qwen2.5-0.5B-Instruct-AWQ --dp 8 --enable-p2p-check --mem-fraction-static 0.01 "
            "--enable-torch-compile"
        ),
        engine="sglang",
        model="Qwen/Qwen2.5-0.5B-Instruct-AWQ",
        asked={"dp": 8, "utilization": "0.01"},
        unmodelled=("--enable-torch-compile:",),
        ignored=("--host 0.0.0.0", "--port 30000", "--enable-p2p-check"),
    ),
    Command(
        source="github.com/ollama/ollama/issues/16946",
        line=(
            "/usr/lib/ollama/llama-server --model /root/.ollama/models/blobs/sha256-e7b2 --port 43737 "
            "--host 127.0.0.1 --no-webui --offline -c 16384 -np 1 --log-verbosity 4 --no-log-prefix "
            "--no-log-timestamps --no-jinja --chat-template chatml --cache-type-k q8_0 --cache-type-v q8_0 "
            "--flash-attn auto -b 512 -ub 512"
        ),
        engine="llamacpp",
        model="/root/.ollama/models/blobs/sha256-e7b2",
        asked={
            "batch": 1,
            "max_num_seqs": 1,
            "context": 16384,
            "max_num_batched_tokens": 512,
            "kv_dtype": "q8_0",
        },
        ignored=(
            "--port 43737",
            "--host 127.0.0.1",
            "--no-webui",
            "--offline",
            "--log-verbosity 4",
            "--no-log-prefix",
            "--no-log-timestamps",
            "--no-jinja",
            "--chat-template chatml",
            "--flash-attn auto",
        ),
    ),
    Command(
        source="github.com/Anbeeld/beellama.cpp/issues/74, shortened",
        line=(
            "llama-server.exe -m Qwen3.6-35B.gguf --alias 'Qwen3.6 35B' --n-gpu-layers 999 --fit off "
            "--ctx-size 120000 --temp 0.6 -ctk q8_0 -ctv q8_0 --flash-attn on --batch-size 512 "
            "--ubatch-size 512 --spec-type draft-mtp --spec-draft-n-max 2 --parallel 1 --kv-unified --metrics"
        ),
        engine="llamacpp",
        model="Qwen3.6-35B.gguf",
        asked={
            "batch": 1,
            "max_num_seqs": 1,
            "context": 120000,
            "max_num_batched_tokens": 512,
            "kv_dtype": "q8_0",
            "draft": "mtp",
            "settings": {"flash_attn": "true", "kv_unified": "true", "spec_draft_n_max": "2"},
        },
        ignored=("--alias Qwen3.6 35B", "--n-gpu-layers 999", "--temp 0.6", "--metrics"),
    ),
    Command(
        source="github.com/ggml-org/llama.cpp/issues/28813, shortened; the fourth GPU gets less",
        line=(
            "CUDA_VISIBLE_DEVICES=0,3,2,1 llama-server -hf unsloth/Qwen3.8-27B-GGUF:Q8_K_XL -np 3 -mg 0 "
            "-sm layer -ts 23552,23552,23552,20480 -fa on --load-mode none -c 786432 --batch-size 4096 "
            "--ubatch-size 512 --ctx-checkpoints 128 --cache-ram 131072"
        ),
        engine="llamacpp",
        model="unsloth/Qwen3.8-27B-GGUF:Q8_K_XL",
        asked={
            "batch": 3,
            "max_num_seqs": 3,
            "context": 262144,
            "max_num_batched_tokens": 512,
            "pp": 4,
            "settings": {"flash_attn": "true", "tensor_split": "23552,23552,23552,20480"},
        },
        ignored=(
            "-mg 0",
            "-sm layer",
            "--load-mode none",
            "--ctx-checkpoints 128",
            "--cache-ram 131072",
        ),
    ),
    Command(
        source="mintlify.com/NVIDIA/TensorRT-LLM, deployment/trtllm-serve",
        line=(
            "trtllm-serve TinyLlama/TinyLlama-1.1B-Chat-v1.0 --host localhost --port 8000 "
            "--backend pytorch --tp_size 2 --max_batch_size 128 --max_num_tokens 8192"
        ),
        engine="trtllm",
        model="TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        asked={"tp": 2, "max_num_seqs": 128, "max_num_batched_tokens": 8192},
        ignored=("--host localhost", "--port 8000", "--backend pytorch"),
    ),
)
