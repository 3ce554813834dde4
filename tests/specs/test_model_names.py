"""Names taken apart: what each part of a name is."""

import pytest

from kvplan.specs.model_names import family, size_of, take_apart, without_active


@pytest.mark.parametrize(
    ("name", "organisation", "model", "release"),
    [
        ("Qwen/Qwen3-8B", "Qwen", "Qwen3-8B", None),
        ("Qwen/Qwen3.6-27B-FP8", "Qwen", "Qwen3.6-27B", "FP8"),
        ("RedHatAI/Qwen3-32B-FP8-dynamic", "RedHatAI", "Qwen3-32B", "FP8-dynamic"),
        ("Qwen/Qwen3-32B-FP8-Static-PerTensor", "Qwen", "Qwen3-32B", "FP8-Static-PerTensor"),
        ("amd/Llama-3.1-8B-Instruct-FP8-KV", "amd", "Llama-3.1-8B-Instruct", "FP8-KV"),
        ("RedHatAI/Qwen2.5-1.5B-quantized.w8a8", "RedHatAI", "Qwen2.5-1.5B", "quantized.w8a8"),
        ("nvidia/DeepSeek-R1-0528-NVFP4-v2", "nvidia", "DeepSeek-R1-0528", "NVFP4-v2"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "Qwen", "Qwen2.5-7B-Instruct", "GPTQ-Int4"),
        ("ISTA-DASLab/gemma-3-27b-it-GPTQ-4b-128g", "ISTA-DASLab", "gemma-3-27b-it", "GPTQ-4b-128g"),
        ("unsloth/gemma-3-27b-it-unsloth-bnb-4bit", "unsloth", "gemma-3-27b-it", "bnb-4bit"),
        ("mlx-community/Qwen3-8B-4bit-DWQ", "mlx-community", "Qwen3-8B", "4bit-DWQ"),
        ("Qwen/Qwen3-4B-MLX-4bit", "Qwen", "Qwen3-4B", "MLX-4bit"),
        ("unsloth/Qwen3-8B-GGUF", "unsloth", "Qwen3-8B", "GGUF"),
        ("unsloth/Qwen3-8B-GGUF:UD-Q4_K_XL", "unsloth", "Qwen3-8B", "GGUF:UD-Q4_K_XL"),
        ("google/gemma-3-27b-it-qat-q4_0-gguf", "google", "gemma-3-27b-it", "qat-q4_0-gguf"),
        # llama.cpp's files, in shards, in folders; a file of 16 bits has norms of 32.
        ("Qwen3-8B-Q4_K_M.gguf", None, "Qwen3-8B", "Q4_K_M"),
        ("mistral-7b-instruct-v0.2.Q4_K_M.gguf", None, "mistral-7b-instruct-v0.2", "Q4_K_M"),
        ("/models/x/Qwen3-32B-Q8_0-00001-of-00002.gguf", "x", "Qwen3-32B", "Q8_0"),
        ("qwen3-8b-bf16.gguf", None, "qwen3-8b", "GGUF:bf16"),
        ("qwen3-8b.gguf", None, "qwen3-8b", "GGUF"),
        # LM Studio's and Ollama's.
        ("qwen3-8b@q4_k_m", None, "qwen3-8b", "q4_k_m"),
        ("llama3.1:70b", None, "llama3.1:70b", "Ollama's"),
        ("llama3.1:70b-instruct-q4_K_M", None, "llama3.1:70b-instruct", "q4_K_M"),
        ("qwen3:8b-fp16", None, "qwen3:8b", "fp16"),
        # What is a part of the model's name, and no format.
        ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "deepseek-ai", "DeepSeek-R1-0528-Qwen3-8B", None),
        ("RedHatAI/Qwen3-8B-speculator.eagle3", "RedHatAI", "Qwen3-8B-speculator.eagle3", None),
        ("someone/Qwen3-8B-FP8-draft", "someone", "Qwen3-8B-FP8-draft", None),
    ],
)
def test_a_name_has_an_organisation_a_model_and_a_format(
    name: str, organisation: str | None, model: str, release: str | None
) -> None:
    said = take_apart(name)
    assert (said.organisation, said.model, said.release) == (organisation, model, release)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Llama-3.1-8B", "llama 3.1 8b"),
        ("llama3.1:8b", "llama 3.1 8b"),
        ("Qwen3 8B", "qwen 3 8b"),
        ("qwen3-30b-a3b", "qwen 3 30b a 3b"),
        # A name of a family of 31 billion, and that of another family's billion.
        ("gemma-4-31b", "gemma 4 31b"),
        ("gemma-43-1b", "gemma 43 1b"),
        ("mixtral-8x7b", "mixtral 8x 7b"),
    ],
)
def test_the_words_of_a_name_are_those_of_its_other_spellings(name: str, words: str) -> None:
    assert " ".join(take_apart(name).words) == words


@pytest.mark.parametrize(
    ("name", "other", "sixteen", "gguf"),
    [
        ("Qwen/Qwen3-8B", False, None, False),
        ("unsloth/Qwen3-8B-BF16", False, "bfloat16", False),
        ("someone/Qwen3-8B-fp16", False, "float16", False),
        ("Qwen/Qwen3-8B-FP8", True, None, False),
        ("unsloth/Qwen3-8B-GGUF:Q4_K_M", True, None, True),
        ("qwen3:8b", True, None, True),
        ("qwen3-8b-f16.gguf", True, None, True),
    ],
)
def test_a_format_says_what_is_known_of_the_weights(
    name: str, *, other: bool, sixteen: str | None, gguf: bool
) -> None:
    said = take_apart(name)
    assert (said.other_weights, said.sixteen_bits, said.gguf) == (other, sixteen, gguf)


def test_the_size_stands_behind_the_family() -> None:
    words = take_apart("Qwen3-30B-A3B").words
    assert (family(words), size_of(words)) == (("qwen", "3"), 30_000.0)
    assert without_active(words) == ("qwen", "3", "30b")
    assert (family(("bert",)), size_of(("bert",))) == (("bert",), None)
    assert (size_of(("gemma", "270m")), size_of(("qwen", "2.4t"))) == (270.0, 2_400_000.0)
    assert without_active(("phi", "a", "3b")) == ("phi", "a", "3b")
