"""What an engine is asked to run when it measures a card: the profile run of a deployment."""

from kvplan.dtypes import dtype_by_name
from kvplan.engines import Dealt, ProfileRun
from kvplan.gpus import Card
from kvplan.planner.deployment import Deployment
from kvplan.planner.drafts import OWN
from kvplan.specs import ModelSpec

_PLAIN = 0.99
"""Weights of so much of all parameters in the model's dtype are in no other."""


def profile_run(
    deployment: Deployment, card: Card, longest: int, sequences: int | None, *, weights_bytes: int
) -> ProfileRun:
    """
    Return the run of so many *sequences* of up to *longest* tokens, beside weights of so many bytes.

    Where nobody says how many, it is what the engine runs by default.
    """
    spec, options, stages = deployment.spec, deployment.options, deployment.stage_sizes
    element_bytes = dtype_by_name(spec.dtype).row_bytes(1)
    return ProfileRun(
        card=card,
        hidden=spec.hidden,
        vocab=spec.vocab,
        element_bytes=element_bytes,
        rotations=_rotations(spec, longest),
        rotated=_rotated(deployment),
        layers=max(stages),
        tp=options.tp,
        pp=len(stages),
        batched_tokens=options.max_num_batched_tokens,
        sequences=sequences or options.max_num_seqs,
        mlp=spec.met_by_all,
        vision=spec.vision,
        kinds=spec.kinds(),
        architecture=spec.architecture,
        computed_as=spec.computed_as,
        has_experts=options.has_experts,
        has_states=options.has_states,
        context=longest,
        indexer=_indexer(deployment),
        cache_dtypes=frozenset(term.dtype.name for layer in deployment.layers.values() for term in layer),
        drafts=deployment.draft is not None,
        drafted=deployment.draft is not None and deployment.choice.draft != OWN,
        model_context=options.model_context,
        weights_bytes=weights_bytes,
        ranks=len(stages) * deployment.engine.shares(options).together,
        sees=options.sees,
        plain_weights=weights_bytes >= (spec.parameters or 0) * element_bytes * _PLAIN,
        settings=options.settings,
        mixers=tuple(spec.attention[name] for name in spec.layer_types),
        parts=spec.parts,
        stages=stages,
        kv=deployment.kv,
        dealt=_dealt(deployment),
    )


def _dealt(deployment: Deployment) -> Dealt:
    """Return how whole experts are dealt out; of a spec that does not count them there are none."""
    options, shares, parts = deployment.options, deployment.shares, deployment.spec.parts
    experts = parts.experts if parts else 0
    each = options.node_gpus
    return Dealt(
        experts=experts and experts + shares.spare,
        ranks=shares.experts,
        dp=options.dp,
        crosses=each is not None and shares.experts > each,
    )


def rotations_bytes(deployment: Deployment, longest: int) -> int:
    """
    Return the tables of rotary embeddings on each rank, which an engine has beside what a release stores.

    vLLM prints them as a part of the weights that it has loaded.
    """
    row = _rotated(deployment) * dtype_by_name(deployment.spec.dtype).row_bytes(1)
    return _rotations(deployment.spec, longest) * row


def _rotations(spec: ModelSpec, longest: int) -> int:
    """Return the rows of the tables: those of the longest context unless the spec has others."""
    return spec.rotations or spec.max_context or longest


def _indexer(deployment: Deployment) -> tuple[int, int] | None:
    """Return the width of a key by which sparse attention selects, and the tokens for which there is one."""
    keys = {
        (term.width, term.rows.stride)
        for layer in deployment.layers.values()
        for term in layer
        if term.role == "indexer"
    }
    return min(keys, key=lambda key: key[1], default=None)


def _rotated(deployment: Deployment) -> int:
    """Return the width of the widest key that may be rotated: a decoupled one, or that of a head."""
    terms = [term for layer in deployment.layers.values() for term in layer]
    ropes = [term.width for term in terms if term.role == "rope"]
    return max(ropes or [term.width for term in terms if term.role == "key"], default=0)
