"""
L1: transformers' own classes with random weights, small enough for a CPU, against its engine here.

The cache that the library's code returns is walked; the prediction comes from a spec written by hand
in kvplan's words. Equal bytes at two lengths are an equal slope and an equal intercept.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from kvplan.engines.transformers.caches import Moment, allocated, kept
from kvplan.errors import UnknownNameError
from kvplan.records import record
from kvplan.specs.load import path_of
from kvplan.validate.cachewalk import Walked, kept_in_modules, seen, walk
from kvplan.validate.feeding import encoder_inputs, encoder_tokens, feed, found
from kvplan.validate.hf_models import build, quiet, require_version, stage_of
from kvplan.validate.results import Check, Measurement, Number
from kvplan.validate.toys import Toy, toys

BATCH = 2
NEW_TOKENS = 5


@record
class Instant:
    """A moment of a toy's run: the prompt, the tokens fed to the decoder by then, the encoder's."""

    prompt: int
    tokens: int
    encoder_tokens: int | None
    moment: Moment


def checks(models: tuple[str, ...] = ()) -> list[Check]:
    """Return a check for each small model, or for those of the catalogue families of *models*."""
    families = {path_of(model).parent.name for model in models}
    return [
        Check(level="L1", name=toy.name, run=partial(run_toy, toy))
        for toy in toys()
        if not models or toy.family in families
    ]


def instants(toy: Toy) -> list[Instant]:
    """Return when a toy's cache is looked at: after each prefill, and after each generation."""
    # The last token of a generation has not been fed back.
    later: tuple[tuple[int, Moment], ...] = ((0, "prefill"), (NEW_TOKENS - 1, "decode"))
    return [
        Instant(prompt=length, tokens=length + fed, encoder_tokens=encoder_tokens(toy, length), moment=moment)
        for length in toy.lengths
        for fed, moment in later
    ]


def predictions(toy: Toy) -> dict[str, Number | None]:
    """Return what is claimed of a toy, before anything runs; None where no formula says it."""
    looks = instants(toy)
    return _claims(looks, [_data(toy, look) for look in looks], [_memory(toy, look) for look in looks])


def _data(toy: Toy, look: Instant) -> int:
    stage = stage_of(toy.spec, look.encoder_tokens)
    return kept(stage, tokens=look.tokens, batch=BATCH, tp=1, traits=toy.traits)


def _memory(toy: Toy, look: Instant) -> int | None:
    stage = stage_of(toy.spec, look.encoder_tokens)
    try:
        return allocated(stage, tokens=look.tokens, batch=BATCH, tp=1, moment=look.moment, traits=toy.traits)
    except UnknownNameError:
        return None


def _claims(
    looks: Sequence[Instant], data: Sequence[int], memory: Sequence[int | None]
) -> dict[str, Number | None]:
    """Return each claim's value, of what was predicted as of what was measured at *looks*."""
    (short, low), (long, high) = (
        (look, size) for look, size in zip(looks, data, strict=True) if look.moment == "prefill"
    )
    slope = (high - low) / (long.tokens - short.tokens)
    values: dict[str, Number | None] = {
        f"bytes that a token adds, {short.tokens} to {long.tokens} tokens": slope,
        f"bytes at no tokens, from {short.tokens} and {long.tokens}": low - slope * short.tokens,
    }
    for look, size, behind in zip(looks, data, memory, strict=True):
        when = "after prefill of" if look.moment == "prefill" else "after decoding to"
        values[f"data {when} {look.tokens} tokens"] = size
        values[f"memory {when} {look.tokens} tokens"] = behind
    return values


def run_toy(toy: Toy, device: str) -> list[Measurement]:
    """Return the bytes of a toy's cache, after prefill and after generation, beside the predictions."""
    require_version(toy.since)
    predicted = predictions(toy)
    walked = _run_all(toy, device)
    measured = _claims(
        instants(toy), [each.data_bytes for each in walked], [each.storage_bytes for each in walked]
    )
    fitted = f"; fitted: {toy.fitted}" if toy.fitted else ""
    *_, last = measured
    detail = f"{toy.config_class}, {BATCH} sequences{fitted}"
    return [
        Measurement(
            level="L1",
            subject=toy.name,
            claim=claim,
            measured=seen(claim, value),
            predicted=predicted[claim],
            unit="bytes/token" if "adds" in claim else "bytes",
            rule="finding" if predicted[claim] is None else "equal",
            detail=f"{detail}; {walked[-1].shapes()}" if claim == last else detail,
        )
        for claim, value in measured.items()
    ]


def _run_all(toy: Toy, device: str) -> list[Walked]:
    """Return the walked cache at each instant, in their order."""
    with quiet():
        model = build(toy.config_class, toy.model_class, toy.config, device)
        before = frozenset(map(id, kept_in_modules(model).values()))
        return [
            walked
            for look in instants(toy)
            if look.moment == "prefill"
            for walked in _run(model, before, toy, look, device)
        ]


def _run(model: Any, before: frozenset[int], toy: Toy, look: Instant, device: str) -> list[Walked]:  # noqa: ANN401
    """
    Return the cache of a prompt, and of the same generation some tokens later.

    *before* are the ids of the tensors that the modules held when the model was built.
    """
    import torch  # noqa: PLC0415 - only the checks need it

    encoder = encoder_inputs(toy, look.encoder_tokens, BATCH, device)
    ids = torch.randint(3, 250, (BATCH, look.prompt), device=device)
    cache = feed(toy, model, ids, encoder)

    def walked(cache: object) -> Walked:
        return walk(cache, kept_in_modules(model, before) if toy.give_cache else None)

    first = walked(cache)
    if encoder or toy.give_cache:
        return [first, walked(_step(toy, model, encoder, cache))]
    return [first, walked(_generate(model, ids))]


def _generate(model: Any, ids: Any) -> Any:  # noqa: ANN401 - a torch module and tensor
    import torch  # noqa: PLC0415 - only the checks need it

    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=NEW_TOKENS,
        min_new_tokens=NEW_TOKENS,
        do_sample=False,
        return_dict_in_generate=True,
        use_cache=True,
    )
    return found(output)


def _step(toy: Toy, model: Any, encoder: dict[str, Any], cache: Any) -> Any:  # noqa: ANN401
    """Feed the new tokens but the last one by one, as generation does."""
    import torch  # noqa: PLC0415 - only the checks need it

    for _ in range(NEW_TOKENS - 1):
        token = torch.full((BATCH, 1), 7, device=model.device)
        cache = feed(toy, model, token, encoder, cache)
    return cache
