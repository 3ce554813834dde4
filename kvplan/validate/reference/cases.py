"""Which kinds are proved, with sizes that no two axes share, so that no swap goes unseen."""

from collections.abc import Callable
from functools import partial

from kvplan.attention import Kind
from kvplan.attention.budgets import Budget, Composed
from kvplan.attention.grouped import GQA, MHA, MQA, Indexer
from kvplan.attention.latent import MLA, Compressed
from kvplan.attention.recurrent import (
    GLA,
    KDA,
    MLSTM,
    RWKV,
    RWKV4,
    GatedDeltaNet,
    Lightning,
    Linear,
    RetNet,
)
from kvplan.attention.ssm import RGLRU, Mamba, Mamba2, ShortConv
from kvplan.attention.uncached import Cross, NoCache, Shared
from kvplan.attention.windowed import Chunked, Sliding
from kvplan.records import record
from kvplan.validate.reference.composed import HeadMixing
from kvplan.validate.reference.compressed import CompressedEntries, SharedEntries
from kvplan.validate.reference.core import Reference
from kvplan.validate.reference.delta import Delta
from kvplan.validate.reference.grouped import Encoded, Grouped, Sharing, Streaming, TokenWise
from kvplan.validate.reference.latent import Latent, SparseLatent
from kvplan.validate.reference.linear import Decayed, Gated, Kernel
from kvplan.validate.reference.mlstm import MatrixMemory
from kvplan.validate.reference.rwkv import Finch, Goose, Sums
from kvplan.validate.reference.sparse import BlockSparse
from kvplan.validate.reference.ssm import Dual, GatedConvolution, RealGated, Selective


@record
class Case:
    """
    Layers that decode from one cache: their kinds, and what builds the reference for them.

    Of the last third of *tokens*, each cached tensor must have something and use all of it.
    """

    name: str
    kinds: tuple[Kind, ...]
    build: Callable[[], Reference]
    tokens: int = 29


def _grouped(name: str, kind: MHA | MQA | GQA | Sliding | Chunked) -> Case:
    def build() -> Reference:
        return Grouped(
            heads=kind.heads,
            groups=1 if isinstance(kind, MQA) else kind.heads if isinstance(kind, MHA) else kind.groups,
            head_dim=kind.head_dim,
            v_head_dim=kind.v_head_dim,
            window=kind.window if isinstance(kind, Sliding) else None,
            chunk=kind.chunk if isinstance(kind, Chunked) else None,
        )

    return Case(name=name, kinds=(kind,), build=build)


def _softmax() -> list[Case]:
    sinks = Sliding(kind="sliding", heads=6, groups=2, head_dim=8, window=7, sinks=3)
    cross = Cross(kind="cross", heads=6, groups=3, head_dim=8, encoder_tokens=11)
    owner = GQA(kind="gqa", heads=6, groups=2, head_dim=8, v_head_dim=10)
    reader = Shared(kind="shared", heads=4, head_dim=8, v_head_dim=10)
    selector = Indexer(heads=5, head_dim=4)
    blocks = GQA(kind="gqa", heads=6, groups=2, head_dim=8, indexer=selector)
    mlp = NoCache(kind="none")
    budget = Budget(kind="budget", heads=6, groups=2, head_dim=8, kept=10)
    mixed = Composed(kind="dcmha", heads=5, head_dim=8, v_head_dim=10)
    return [
        _grouped("mha", MHA(kind="mha", heads=5, head_dim=8, v_head_dim=10)),
        _grouped("mqa", MQA(kind="mqa", heads=5, head_dim=8, v_head_dim=10)),
        _grouped("gqa", GQA(kind="gqa", heads=6, groups=3, head_dim=8)),
        _grouped("gqa, K and V of unlike sizes", owner),
        _grouped("sliding", Sliding(kind="sliding", heads=6, groups=2, head_dim=8, v_head_dim=10, window=7)),
        _grouped("chunked", Chunked(kind="chunked", heads=6, groups=2, head_dim=8, v_head_dim=10, chunk=7)),
        Case(
            name="sliding with sinks",
            kinds=(sinks,),
            build=lambda: Streaming(heads=6, groups=2, head_dim=8, window=7, sinks=3),
        ),
        Case(
            name="budget, of the first and the newest tokens",
            kinds=(budget,),
            build=lambda: Streaming(heads=6, groups=2, head_dim=8, window=7, sinks=3),
        ),
        Case(name="dcmha", kinds=(mixed,), build=lambda: HeadMixing(heads=5, head_dim=8, v_head_dim=10)),
        Case(name="cross", kinds=(cross,), build=lambda: Encoded(cross)),
        Case(
            name="shared",
            kinds=(owner, reader),
            build=lambda: Sharing(Grouped(heads=6, groups=2, head_dim=8, v_head_dim=10), reader),
        ),
        Case(name="gqa with a block indexer", kinds=(blocks,), build=lambda: BlockSparse(blocks, selector)),
        Case(name="none", kinds=(mlp,), build=lambda: TokenWise(mlp)),
    ]


def _latent() -> list[Case]:
    sizes = {"heads": 5, "d_c": 12, "d_rope": 4, "d_nope": 10, "v_head_dim": 6}
    selector = Indexer(heads=7, head_dim=8)
    mla = MLA.model_validate({"kind": "mla", **sizes})
    sparse = MLA.model_validate({"kind": "mla", **sizes, "indexer": selector})
    entries = {"kind": "compressed", "heads": 5, "head_dim": 10, "d_rope": 4, "window": 6}
    entries |= {"q_lora_rank": 3, "o_groups": 1, "o_lora_rank": 2}
    window = Compressed.model_validate(entries)
    heavy = Compressed.model_validate({**entries, "ratio": 8, "overlap": 1, "state_dtype": "fp32"})
    overlapping = Compressed.model_validate(
        {**entries, "ratio": 4, "overlap": 2, "state_dtype": "fp32", "indexer": selector}
    )
    projected = entries | {"indexer": selector, "keys_from_entry": True}
    # Windows no longer than a block: where all are full, as many tokens wait as ever do.
    owner = Compressed.model_validate(
        {**projected, "window": 3, "ratio": 4, "overlap": 1, "state_dtype": "fp32"}
    )
    reader = Compressed.model_validate({**entries, "window": 3, "heads": 3})
    single = Compressed.model_validate({**projected, "ratio": 1})
    return [
        Case(name="mla", kinds=(mla,), build=lambda: Latent(mla)),
        Case(name="mla with an indexer", kinds=(sparse,), build=lambda: SparseLatent(sparse, selector)),
        Case(name="compressed, the window alone", kinds=(window,), build=lambda: CompressedEntries(window)),
        Case(
            name="compressed, 8 to 1",
            kinds=(heavy,),
            build=lambda: CompressedEntries(heavy),
            tokens=32,
        ),
        Case(
            name="compressed, 4 to 1, overlapping, indexed",
            kinds=(overlapping,),
            build=lambda: CompressedEntries(overlapping),
            tokens=32,
        ),
        Case(
            name="compressed, 4 to 1, indexed by its entries, shared",
            kinds=(owner, reader),
            build=lambda: SharedEntries(owner, reader),
            tokens=32,
        ),
        Case(
            name="compressed, 1 to 1, indexed by its entries",
            kinds=(single,),
            build=lambda: CompressedEntries(single),
            tokens=32,
        ),
    ]


def _recurrent() -> list[Case]:
    linear = {"kind": "linear", "heads": 3, "qk_head_dim": 4, "feature_dim": 6, "v_head_dim": 5}
    plain = Linear.model_validate({**linear, "normalizer": False, "state_dtype": "fp32"})
    normal = Linear.model_validate({**linear, "normalizer": True, "state_dtype": "fp32"})
    lightning = Lightning(kind="lightning", heads=3, head_dim=6, state_dtype="fp32")
    retnet = RetNet(kind="retnet", heads=3, qk_head_dim=4, v_head_dim=8, state_dtype="fp32")
    gla = GLA(kind="gla", heads=3, qk_head_dim=4, v_head_dim=8, gate_rank=2, state_dtype="fp32")
    mlstm = MLSTM(kind="mlstm", heads=3, qk_head_dim=4, v_head_dim=8, state_dtype="fp32")
    rwkv4 = RWKV4(kind="rwkv4", d_model=15, state_dtype="fp32", shift_dtype="bf16")
    cases = [
        Case(name="linear", kinds=(plain,), build=lambda: Kernel(plain)),
        Case(name="linear with a normalizer", kinds=(normal,), build=lambda: Kernel(normal)),
        Case(name="lightning", kinds=(lightning,), build=lambda: Decayed(lightning)),
        Case(name="retnet", kinds=(retnet,), build=lambda: Decayed(retnet)),
        Case(name="gla", kinds=(gla,), build=lambda: Gated(gla)),
        Case(name="mlstm", kinds=(mlstm,), build=lambda: MatrixMemory(mlstm)),
        Case(name="rwkv4", kinds=(rwkv4,), build=lambda: Sums(rwkv4)),
    ]
    for version in (5, 6, 7):
        kind = RWKV.model_validate(
            {
                "kind": "rwkv",
                "version": version,
                "heads": 3,
                "head_dim": 5,
                "state_dtype": "fp32",
                "shift_dtype": "bf16",
            }
        )
        build = Goose if version == 7 else Finch  # noqa: PLR2004 - RWKV's own version number
        cases.append(Case(name=f"rwkv {version}", kinds=(kind,), build=partial(build, kind)))
    return cases


def _convolved() -> list[Case]:
    dtypes = {"conv_dtype": "bf16", "state_dtype": "fp32"}
    delta = {"kind": "gated_delta_net", "qk_heads": 2, "v_heads": 6, "qk_head_dim": 4, "v_head_dim": 5}
    net = GatedDeltaNet.model_validate({**delta, "conv_kernel": 4, **dtypes})
    kda = KDA.model_validate({"kind": "kda", "heads": 3, "head_dim": 5, "conv_kernel": 4, **dtypes})
    s6 = {"kind": "mamba", "d_inner": 15, "d_state": 7, "dt_rank": 3, "conv_kernel": 4}
    mamba = Mamba.model_validate({**s6, **dtypes})
    ssd = {"kind": "mamba2", "heads": 6, "head_dim": 5, "groups": 2, "d_state": 7, "conv_kernel": 4}
    mamba2 = Mamba2.model_validate({**ssd, **dtypes})
    griffin = RGLRU.model_validate({"kind": "rg_lru", "heads": 3, "width": 15, "conv_kernel": 4, **dtypes})
    short = ShortConv(kind="short_conv", channels=15, conv_kernel=3, conv_dtype="bf16")
    return [
        Case(name="gated_delta_net", kinds=(net,), build=lambda: Delta(net)),
        Case(name="kda", kinds=(kda,), build=lambda: Delta(kda)),
        Case(name="mamba", kinds=(mamba,), build=lambda: Selective(mamba)),
        Case(name="mamba2", kinds=(mamba2,), build=lambda: Dual(mamba2)),
        Case(name="rg_lru", kinds=(griffin,), build=lambda: RealGated(griffin)),
        Case(name="short_conv", kinds=(short,), build=lambda: GatedConvolution(short)),
    ]


def cases() -> list[Case]:
    """Return every case; together they have every kind."""
    return _softmax() + _latent() + _recurrent() + _convolved()
