"""The static cache of small models of transformers' own, with a few tokens in it, against the engine."""

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest

from kvplan.engines.transformers.engine import Caches
from kvplan.errors import UnknownNameError
from kvplan.loads import uniform
from kvplan.validate.cachewalk import Walked, kept_in_modules, walk
from kvplan.validate.hf_models import build, quiet, require_version, stage_of
from kvplan.validate.toys import Toy, toys

pytestmark = [
    pytest.mark.skipif(
        find_spec("torch") is None or find_spec("transformers") is None,
        reason="needs torch and transformers",
    ),
    pytest.mark.filterwarnings("ignore"),
]

BATCH, FED, STEPS, ENCODER_TOKENS = 2, 9, 2, 21
BY_NAME = {toy.name: toy for toy in toys()}
# Equal depths: the library takes the encoder's for the decoder's static cache.
BY_NAME["t5"] = replace(BY_NAME["t5"], config={**BY_NAME["t5"].config, "num_layers": 4})

FORWARD = [
    "llama",
    "falcon-40b",
    "mistral, the window reached in decoding",
    "gemma3",
    "gemma4, shared layers",
    "gpt-oss",
    "llama4",
    "mimo-v2-flash",
    "deepseek-v3",
    "deepseek-v3.2",
    "longcat-flash",
    "mamba",
    "nemotron-h",
    "zamba2",
    "qwen3-next",
    "lfm2",
]
"""One class or more of each kind of layer; a window is 32 tokens or 75."""

GENERATE = ["llama", "gemma3", "mimo-v2-flash", "deepseek-v3.2", "qwen3-next", "falcon-h1", "bart", "t5"]


def figure(toy: Toy, max_cache_len: int) -> int:
    stage = stage_of(toy.spec, ENCODER_TOKENS if toy.encoder else None)
    caches = Caches(stages=(stage,), tp=1, traits=toy.traits, static=True)
    return caches.reserved_bytes(rank=0, load=uniform(max_cache_len, BATCH))


def built(toy: Toy) -> Any:
    require_version("5.23")
    return build(toy.config_class, toy.model_class, toy.config, "cpu")


def forward(model: Any, max_cache_len: int) -> list[Walked]:
    """Return the static cache after a prompt and after each token, with what modules keep beside it."""
    import torch  # noqa: PLC0415 - skipped without it
    from transformers import StaticCache  # noqa: PLC0415 - as above

    before = frozenset(map(id, kept_in_modules(model).values()))
    cache = StaticCache(config=model.config, max_cache_len=max_cache_len)
    key = "cache_params" if "mamba" in type(model).__name__.lower() else "past_key_values"
    walked = []
    for length in (FED, *[1] * STEPS):
        model(torch.randint(3, 250, (BATCH, length)), **{key: cache}, use_cache=True)
        walked.append(walk(cache, kept_in_modules(model, before)))
    return walked


def generated(model: Any, toy: Toy, **options: int) -> Walked:
    """Return the cache that generate() makes for FED + STEPS tokens, the last of which is not fed."""
    import torch  # noqa: PLC0415 - skipped without it

    prompt = torch.randint(3, 250, (BATCH, ENCODER_TOKENS if toy.encoder else FED))
    output = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_length=FED + STEPS,
        cache_implementation="static",
        do_sample=False,
        return_dict_in_generate=True,
        **options,
    )
    return walk(output.past_key_values)


@pytest.mark.parametrize("name", FORWARD)
def test_a_static_cache_has_the_figures_bytes_from_the_first_token_on(name: str) -> None:
    toy = BY_NAME[name]
    with quiet():
        model = built(toy)
        for max_cache_len in (20, 100):  # below the windows, and above
            expected = figure(toy, max_cache_len)
            for walked in forward(model, max_cache_len):
                assert (walked.data_bytes, walked.storage_bytes) == (expected, expected)


def test_recurrentgemma_keeps_its_states_beside_the_static_cache() -> None:
    """Its modules keep a slice of a longer convolution, so that only the data are the figure's."""
    toy = BY_NAME["recurrentgemma"]
    with quiet():
        for walked in forward(built(toy), 100):
            assert walked.data_bytes == figure(toy, 100)


@pytest.mark.parametrize("name", GENERATE)
def test_generate_makes_it_as_long_as_the_tokens_that_are_fed(name: str) -> None:
    toy = BY_NAME[name]
    with quiet():
        found = generated(built(toy), toy)
    assert found.data_bytes == found.storage_bytes == figure(toy, FED + STEPS - 1)


def test_generate_keeps_the_longest_length_of_earlier_calls() -> None:
    toy = BY_NAME["llama"]
    with quiet():
        model = built(toy)
        assert generated(model, toy, max_cache_len=50).data_bytes == figure(toy, 50)
        assert generated(model, toy).data_bytes == figure(toy, 50)
        assert generated(model, toy, num_beams=3).data_bytes == 3 * figure(toy, 50)


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("deepseek-v4", KeyError, "compressed_sparse_attention"),
        ("minimax-01", ValueError, "MiniMax uses cache of its own"),
    ],
)
def test_what_is_refused_has_no_static_cache(name: str, error: type[Exception], says: str) -> None:
    toy = BY_NAME[name]
    with pytest.raises(UnknownNameError, match="no static cache"):
        figure(toy, 20)
    with quiet():
        model = built(toy)
        with pytest.raises(error, match=says):
            forward(model, 20)


def test_rwkv_writes_nothing_into_a_static_cache() -> None:
    toy = BY_NAME["rwkv-4"]
    with pytest.raises(UnknownNameError, match="no static cache"):
        figure(toy, 20)
    with quiet():
        walked = forward(built(toy), 20)
    assert [each.data_bytes for each in walked] == [0] * (1 + STEPS)
