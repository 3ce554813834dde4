"""Build transformers' models from facts and run them: no weights are read, no remote code is run."""

import gc
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from typing import Any

from kvplan.dtypes import kv_format
from kvplan.specs.model import ModelSpec
from kvplan.terms import Stage, Target
from kvplan.validate.results import SkippedError


def stage_of(spec: ModelSpec, encoder_tokens: int | None = None, kv_dtype: str | None = None) -> Stage:
    """Return all layers of *spec* as one stage, the cache in the model's dtype unless told otherwise."""
    target = Target(kv=kv_format(kv_dtype or spec.dtype), encoder_tokens=encoder_tokens)
    layers = spec.lower_types(target)
    return Stage(
        types=spec.layer_types,
        counts=tuple((layers[name], count) for name, count in Counter(spec.layer_types).items()),
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Run transformers without gradients, progress bars and advice on missing kernels."""
    import torch  # noqa: PLC0415 - only the checks need it
    from transformers.utils import logging  # noqa: PLC0415 - as above

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


def build(  # noqa: PLR0913 - what from_config is told
    config_class: str,
    model_class: str,
    facts: Mapping[str, Any],
    device: str,
    *,
    dtype: str = "bfloat16",
    experts: str | None = "batched_mm",
) -> Any:  # noqa: ANN401 - a torch module
    """
    Return a model of transformers' own classes with random weights in *dtype* on *device*.

    *experts* is how those of a model are computed, None for the library's choice: one batched product,
    whose shapes do not depend on the data, gathers the weights of every token's experts.
    Raises SkippedError where the installed transformers does not have the class.
    """
    import torch  # noqa: PLC0415 - only the checks need it
    import transformers  # noqa: PLC0415 - as above

    missing = [name for name in (config_class, model_class) if not hasattr(transformers, name)]
    if missing:
        raise SkippedError(f"transformers {transformers.__version__} has no {' and no '.join(missing)}")
    # The model before this one is held by cycles, and the command line collects none by itself.
    gc.collect()
    torch.manual_seed(0)
    config = getattr(transformers, config_class)(**facts)
    with torch.device(device):
        model = _from_config(getattr(transformers, model_class), config, getattr(torch, dtype), experts)
    return model.eval()


def require_version(since: str) -> None:
    """Raise SkippedError where the installed transformers is older than a claim (`5.23`) is about."""
    import transformers  # noqa: PLC0415 - only the checks need it

    if not is_since(since):
        installed = transformers.__version__
        raise SkippedError(f"the claim is about transformers {since} and later; {installed} differs")


def is_since(since: str) -> bool:
    """Whether the installed transformers is that version or a later one; any is for an empty text."""
    import transformers  # noqa: PLC0415 - only the checks need it

    return not since or _minor(transformers.__version__) >= _minor(since)


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _from_config(model_class: Any, config: Any, dtype: Any, experts: str | None) -> Any:  # noqa: ANN401
    if not hasattr(model_class, "from_config"):
        return model_class._from_config(config, dtype=dtype)  # noqa: SLF001 - what AutoModel calls
    if experts is None:
        return model_class.from_config(config, dtype=dtype)
    try:
        return model_class.from_config(config, dtype=dtype, experts_implementation=experts)
    except (TypeError, ValueError):  # A model without experts.
        return model_class.from_config(config, dtype=dtype)


def cache_of(output: Any) -> Any:  # noqa: ANN401 - transformers' objects
    """Return the cache in what a model returned, under any of the names that it goes by, or None."""
    names = ("past_key_values", "cache_params", "state")
    found = (getattr(output, name, None) for name in names)
    return next((cache for cache in found if cache is not None), None)


def cache_key(model: Any) -> str:  # noqa: ANN401 - a torch module
    """Return the name under which a model takes the cache of earlier tokens; Mamba and RWKV have theirs."""
    names = signature(model.forward).parameters
    return next((own for own in ("cache_params", "state") if own in names), "past_key_values")


def new_cache(model: Any) -> Any:  # noqa: ANN401 - transformers' objects
    """Return the cache to pass to a model that fills the caller's and returns none."""
    from transformers import DynamicCache  # noqa: PLC0415 - only the checks need it

    return DynamicCache(config=model.config)
