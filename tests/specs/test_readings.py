"""Names that are in no index: answered as what their words mean, which the answer says, or not at all."""

import pytest

import kvplan
from kvplan import importers
from kvplan.errors import KvplanError, UnknownNameError
from kvplan.planner import words
from kvplan.specs.catalogue import alike, read_index
from kvplan.specs.readings import _data, read_name


def said(answer: kvplan.Size) -> tuple[str, ...]:
    return tuple(map(words.warning, answer.warnings))


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Qwen/Qwen3.6-27B-FP8", "qwen3.6-27b"),
        ("RedHatAI/Qwen3-32B-FP8-dynamic", "qwen3-32b"),
        ("unsloth/gemma-3-27b-it-bnb-4bit", "gemma-3-27b"),
        ("QuantTrio/Qwen3-VL-30B-A3B-Instruct-AWQ", "qwen3-vl-30b-a3b"),
        ("OpenPipe/Qwen3-14B-Instruct", "qwen3-14b"),
        ("bartowski/Qwen_Qwen3-30B-A3B-GGUF:Q4_K_M", "qwen3-30b-a3b"),
        ("huihui-ai/Qwen2.5-72B-Instruct-abliterated", "qwen2.5-72b"),
        ("llama3.1:70b", "llama-3.1-70b"),
        ("qwen3:8b", "qwen3-8b"),
        ("qwen3:30b", "qwen3-30b-a3b"),
        ("gpt-oss:20b", "gpt-oss-20b"),
        ("mixtral:8x7b", "mixtral-8x7b"),
        ("Qwen3-8B-Q4_K_M.gguf", "qwen3-8b"),
        ("Qwen 3 8B", "qwen3-8b"),
        ("unsloth/gemma-2-2b-it-bnb-4bit", "gemma-2-2b-it"),
        # Sizes that the catalogue does not have, other active parameters, drafts, and nobody's models.
        ("qwen3:7b", None),
        ("Qwen/Qwen3-31B-FP8", None),
        ("Qwen/Qwen3-30B-A5B", None),
        ("RedHatAI/Qwen3-8B-speculator.eagle3", None),
        ("yuhuili/EAGLE3-LLaMA3.1-Instruct-8B", None),
        ("someone/Qwen3-8B-FP8-draft", None),
        ("foo/Bar-7B-FP8", None),
        ("llama3.1", None),
        ("", None),
    ],
)
def test_a_name_means_a_model_by_all_of_its_words(name: str, model: str | None) -> None:
    found = read_name(name)
    assert (found and found.model) == model


def test_a_name_of_two_models_is_an_error_with_both() -> None:
    """Ollama's names leave out which training is meant, and these two are of other dtypes."""
    with pytest.raises(UnknownNameError) as caught:
        kvplan.size("gemma2:2b", context=8192)
    assert str(caught.value) == "'gemma2:2b' may be gemma-2-2b or gemma-2-2b-it: name one"


def test_every_name_of_the_catalogue_is_read_as_its_own_model() -> None:
    """So that no entry hides another one's spelling."""
    for name, file in read_index().items():
        try:
            found = read_name(name)
        except UnknownNameError as error:
            assert "gemma-2-" in str(error)  # noqa: PT017 - the two above
        else:
            assert found is not None
            assert f"/{found.model}.yaml" in file, name


def test_a_release_by_its_name_has_the_models_cache_and_says_so() -> None:
    plain = kvplan.size("qwen3-32b", context=8192)
    other = kvplan.size("llama3.1:8b", context=8192)
    assert other.total_bytes == kvplan.size("llama-3.1-8b", context=8192).total_bytes
    assert said(other) == ("llama3.1:8b is answered as llama-3.1-8b with Ollama's weights, by its name",)
    spec = importers.named("RedHatAI/Qwen3-32B-FP8-dynamic")
    assert spec is not None
    fp8 = kvplan.size(spec, context=8192)
    assert fp8.total_bytes == plain.total_bytes
    assert said(fp8) == (
        (
            "RedHatAI/Qwen3-32B-FP8-dynamic is answered as qwen3-32b with FP8-dynamic weights, by its name; "
            "whether it says how its cache is stored is not known"
        ),
    )


def test_the_weights_of_a_format_are_asked_for() -> None:
    with pytest.raises(KvplanError) as caught:
        kvplan.fit("qwen3:8b", gpu="h100-80gb", context=8192)
    assert str(caught.value) == (
        "qwen3:8b is read as qwen3-8b with Ollama's weights, by its name; a name does not tell what weights "
        "take: give the weights' size, as in --weights 16.06GB\n"
        "        or --weight-dtype fp8 or q4_k for all of them, if that is near enough"
    )
    given = kvplan.fit("qwen3:8b", gpu="h100-80gb", context=8192, weights="5GB")
    assert given.memory.weights_bytes == 5 * 10**9


def test_a_release_has_the_parameters_of_its_model_in_the_dtype_that_is_asked_for() -> None:
    """So that an answer by a release's name is that of the model, with the same weights."""
    for dtype in ("fp8", "q4_k"):
        by_name, model = (
            kvplan.fit(name, gpu="h100-80gb", context=8192, weight_dtype=dtype)
            for name in ("qwen3:8b", "qwen3-8b")
        )
        assert by_name.memory == model.memory


def test_the_embedding_of_a_gguf_by_its_name_is_in_the_hosts_memory() -> None:
    """As it is of the model: 8,190,735,360 parameters, of which 151,936 x 4,096 are the embedding."""
    fit = kvplan.fit(
        "lmstudio/Qwen3-8B-GGUF:Q4_K_M", gpu="24GB", context=8192, weights=5_030_000_000, engine="llamacpp"
    )
    on_card = 8_190_735_360 - 151_936 * 4_096
    assert fit.memory.weights_bytes == -(-5_030_000_000 * on_card // 8_190_735_360)
    assert fit.command == "llama-server -hf lmstudio/Qwen3-8B-GGUF:Q4_K_M -c 8192 -np 1"


def test_a_release_of_the_catalogue_asks_for_its_weights_as_one_by_its_name_does() -> None:
    with pytest.raises(KvplanError) as caught:
        kvplan.fit("nvidia/Qwen3-235B-A22B-NVFP4", gpu="h200", tp=8)
    assert str(caught.value) == (
        "what the weights of nvidia/Qwen3-235B-A22B-NVFP4 take is not known: give the weights' size, as in "
        "--weights 16.06GB\n"
        "        or --weight-dtype nvfp4 for all of them, if that is near enough"
    )
    fit = kvplan.fit("nvidia/Qwen3-235B-A22B-NVFP4", gpu="h200", tp=8, weight_dtype="fp8")
    assert fit.plan.budget.replica_weights_bytes == 235_093_634_560


RELEASES = {
    # 94 layers of 128 experts of 3 x 4096 x 1536, and queries, keys, values and output, in fp8 with a float32
    # scale for each 128 x 128; embeddings, head, routers and norms stay in bfloat16.
    "Qwen/Qwen3-235B-A22B-FP8": 235_093_634_560 * 2
    - 94 * (128 * 3 * 4096 * 1536 + 4096 * (2 * 64 + 2 * 4) * 128)
    + 94 * 4 * (128 * 3 * 32 * 12 + 32 * (2 * 64 + 2 * 4)),
    # Within 0.01 % of the 746,191,421,568 B that vLLM 0.33's own class holds.
    "zai-org/GLM-5-FP8": 746_130_054_912,
    "zai-org/GLM-5.1-FP8": 746_130_054_912,
}


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_whose_files_tell_its_weights_needs_no_hint(release: str) -> None:
    spec = kvplan.load(release)
    assert (spec.hf_id, spec.weights()) == (release, RELEASES[release])
    assert spec.weight_blocks is not None
    assert not spec.weights_open
    answer = kvplan.fit(release, engine="vllm", gpu="h200", tp=8, context="8k")
    assert answer.command is not None
    assert answer.command.startswith(f"vllm serve {release} ")


def test_an_alias_of_other_dimensions_has_no_number_of_parameters() -> None:
    """The distilled 1.5B has an output head of its own, so its parameters are not its base's."""
    with pytest.raises(KvplanError, match=r"or ask for qwen2.5-1.5b with --weight-dtype"):
        kvplan.fit("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", gpu="h200", weight_dtype="fp8")


def test_sixteen_bits_are_two_bytes_a_parameter() -> None:
    """The catalogue's release of gpt-oss-20b is in MXFP4; this one is 20,914,757,184 x 2 bytes."""
    spec = importers.named("unsloth/gpt-oss-20b-BF16")
    assert spec is not None
    assert spec.weights() == 2 * 20_914_757_184
    assert spec.weights() != importers.load("gpt-oss-20b").weights()


def test_a_copy_has_the_weights_of_its_model() -> None:
    spec = importers.named("OpenPipe/Qwen3-14B-Instruct")
    assert spec is not None
    assert spec.weights() == importers.load("qwen3-14b").weights()


def test_a_gguf_file_that_is_not_there_is_known_by_its_name() -> None:
    answer = kvplan.size("/nowhere/Qwen3-8B-Q4_K_M.gguf", context=8192)
    assert answer.total_bytes == kvplan.size("qwen3-8b", context=8192).total_bytes
    assert said(answer) == (
        (
            "/nowhere/Qwen3-8B-Q4_K_M.gguf is answered as qwen3-8b with Q4_K_M weights, by its name; there "
            "is no such file here"
        ),
    )
    with pytest.raises(KvplanError, match="No such file"):
        kvplan.size("/nowhere/nothing-Q4_K_M.gguf", context=8192)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("qwen3-7b", "qwen3-8b"),
        ("llama-3.1-9b", "llama-3.1-8b"),
        ("gemma-3-30b", "gemma-3-27b"),
        ("qwen2.5-70b-instruct", "qwen2.5-72b"),
    ],
)
def test_what_is_alike_is_of_the_same_family_and_the_nearest_size(name: str, first: str) -> None:
    assert alike(name)[0] == first


@pytest.mark.parametrize(
    ("name", "model", "context"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "llama-3.3-70b", 131_072),
        ("unsloth/QwQ-32B-GGUF:Q4_K_M", "qwen2.5-32b", 131_072),
        ("Qwen/Qwen3-4B-Instruct-2507-FP8", "qwen3-4b", 262_144),
        ("Qwen/Qwen2.5-Math-7B-Instruct", "qwen2.5-7b", 4096),
        ("deepseek-r1:32b", "qwen2.5-32b", 131_072),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507", "qwen3-235b-a22b", 262_144),
    ],
)
def test_an_alias_has_the_shapes_of_its_model_and_its_own_context(
    name: str, model: str, context: int
) -> None:
    spec = importers.named(name)
    assert spec is not None
    assert (spec.name, spec.max_context) == (model, context)
    assert spec.attention == importers.load(model).attention


def test_an_alias_says_its_source_and_needs_no_hub() -> None:
    (warning,) = said(kvplan.size("Qwen/QwQ-32B", context=8192))
    assert warning == (
        "Qwen/QwQ-32B is answered as qwen2.5-32b, whose shapes it has by the fields of its config.json in "
        "litgpt/config.py of github.com/Lightning-AI/litgpt at 2685705"
    )


def test_the_weights_of_an_alias_are_known_where_its_source_gives_all_dimensions() -> None:
    """The distilled 1.5B has an output head of its own, which its base has not."""
    same, other = (
        importers.named(name) for name in ("Qwen/QwQ-32B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B")
    )
    assert same is not None
    assert other is not None
    assert same.weights() == importers.load("qwen2.5-32b").weights()
    assert other.weights() is None


def test_a_name_of_two_aliases_is_an_error_with_both() -> None:
    with pytest.raises(UnknownNameError) as caught:
        read_name("deepseek-r1:8b")
    assert str(caught.value) == "'deepseek-r1:8b' may be llama-3.1-8b or qwen3-8b: name one"


def test_a_makers_own_name_may_stand_before_the_models() -> None:
    found = read_name("huihui-ai/Huihui-Qwen3.5-27B-abliterated")
    assert found is not None
    assert found.model == "qwen3.5-27b"
    assert read_name("foo/3.2-1b") is None
    assert read_name("meta-llama/3.2-1b") is None


def test_no_other_format_stands_beside_numbers_of_32_bits() -> None:
    """OLMo 2 7B is published in float32, and no release in fewer bits is; a GGUF has a cache of its own."""
    awq, gguf, half = (
        importers.named(name)
        for name in ("x/OLMo-2-1124-7B-AWQ", "OLMo-2-1124-7B-Q4_0.gguf", "x/OLMo-2-1124-7B-BF16")
    )
    assert awq is not None
    assert gguf is not None
    assert half is not None
    assert (awq.dtype_open, gguf.dtype, half.dtype) == (True, "float16", "bfloat16")
    assert not gguf.dtype_open
    assert half.weights() == 2 * 7_298_617_344
    with pytest.raises(KvplanError, match="give --dtype"):
        kvplan.size(awq, context=4096)


def test_every_alias_names_a_model_and_a_source() -> None:
    """No alias is a name of the catalogue, whose own facts would then be hidden."""
    _, aliases = _data()
    for alias in aliases:
        assert read_index()[alias.model].endswith(f"/{alias.model}.yaml")
        assert alias.source
        assert [name for name in alias.names if name.lower() in read_index()] == []
