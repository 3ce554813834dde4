"""Programs that write like an engine whose logs are read, and are named where they do not say enough."""

from kvplan.records import record


@record
class Foreign:
    """
    A program by words of its lines, and what a log of it lacks.

    `plugin` runs an engine on hardware whose memory kvplan does not plan: its pool is compared alone.
    """

    name: str
    marks: tuple[str, ...]
    lacks: str
    plugin: bool = False


FOREIGN = (
    # lmdeploy's turbomind, models/llama/BlockManager.cc.
    Foreign(
        name="LMDeploy",
        marks=("[BlockManager] block_size", "[BlockManager] max_block_count"),
        lacks="kvplan has no rules for its pool: `kvplan size MODEL` gives the bytes of a token, and a block "
        "has 64 unless told otherwise",
    ),
    # ollama's llm/memory.go (up to 0.11) and ml/device.go.
    Foreign(
        name="ollama",
        marks=('msg="kv cache" device=', "memory.required.kv="),
        lacks="sizes by its own engine are not planned: where it runs llama.cpp, the runner's own line "
        "`llama_kv_cache: size = ... MiB` is read",
    ),
    # huggingface/text-generation-inference, launcher/src/main.rs and backends/v3/src/lib.rs.
    Foreign(
        name="Text Generation Inference",
        marks=("text_generation_launcher", "text_generation_router"),
        lacks="kvplan has no rules for its pool: `kvplan size MODEL` gives the bytes of a token",
    ),
    # lmstudio-ai/lmstudio-bug-tracker#2240.
    Foreign(
        name="LM Studio",
        marks=("[LM STUDIO SERVER]",),
        lacks="its server's own lines have no sizes: where it runs llama.cpp, that one's line "
        "`llama_kv_cache: size = ... MiB` is read",
    ),
    # vllm-project/tpu-inference#145.
    Foreign(
        name="vLLM's TPU plugin",
        marks=("tpu_jax_runner", "tpu_runner.py", "tpu_worker.py", "Init kv-cache | shape="),
        lacks="it prints the memory of all chips together, and none for the cache alone",
        plugin=True,
    ),
    # vllm-project/vllm-metal#398.
    Foreign(
        name="vLLM's Metal plugin",
        marks=("metal_limit=", "VLLM_METAL_", "vllm_metal"),
        lacks="its budget is a share of the memory that macOS lets a GPU take, which kvplan does not plan",
        plugin=True,
    ),
    # vllm-project/vllm-ascend, worker/worker_v1.py and worker/worker.py.
    Foreign(
        name="vLLM's Ascend plugin",
        marks=("vllm_ascend", "vllm-ascend", "[worker_v1.py:", "NPUWorker", "NPU graph memory"),
        lacks="kvplan knows no card of Ascend",
        plugin=True,
    ),
)


def find_foreign(text: str) -> Foreign | None:
    """Return the program whose words are in a log; None if it is an engine's own."""
    return next((each for each in FOREIGN if any(mark in text for mark in each.marks)), None)
