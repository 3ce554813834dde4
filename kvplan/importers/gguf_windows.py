"""GGUF architectures with sliding or chunked layers, and those that share another layer's cache."""

from kvplan.importers.families.common import Facts, Reading
from kvplan.importers.fields import Fields
from kvplan.importers.gguf_layers import Shape, take_flags, take_shape
from kvplan.records import record

WINDOW = "attention.sliding_window"
PATTERN = "attention.sliding_window_pattern"
GEMMA_3N_OWN_CACHES = 20
"""The layers of Gemma 3n with a cache of their own: n_layer_kv_from_start in models/gemma3n.cpp."""


def plain(fields: Fields) -> Reading:
    """Read full attention in every layer that has KV heads."""
    return (shape := take_shape(fields)).each(shape.softmax)


def uncached(fields: Fields) -> Reading:
    """Read an encoder or a diffusion model, which keeps nothing: create_memory returns null."""
    shape = take_shape(fields)
    fields.skip(WINDOW, PATTERN)
    return shape.each(lambda layer: {"kind": "none", "heads": shape.heads[layer], "head_dim": shape.key_dim})


@record
class Windowed:
    """
    Read sliding layers among full ones.

    Of each `period` layers the last is full, the first if `full_first`; a file's own pattern, a
    number or a list, comes before it: load_swa_pattern, llama-model.cpp. `period` None: the file must
    list the layers. `window` stands for a file that names none; `optional`: such a file has no
    sliding layers at all.
    """

    period: int | None
    full_first: bool = False
    window: int | None = None
    optional: bool = False

    def __call__(self, fields: Fields) -> Reading:
        shape = take_shape(fields)
        return self.read(fields, shape, shared_from=shape.frame.layers)

    def read(self, fields: Fields, shape: Shape, *, shared_from: int) -> Reading:
        """Return the layers, of which those from *shared_from* on read another's cache."""
        window = fields.take_optional_whole(WINDOW, to="window")
        if window is None and not self.optional:
            window = self.window or fields.take_count(WINDOW, to="window")
        local = self.local(fields, shape) if window else [False] * shape.frame.layers
        fields.skip(PATTERN)

        def facts(layer: int) -> Facts:
            own = shape.softmax(layer, window if local[layer] else None)
            return _shared(own) if layer >= shared_from else own

        return shape.each(facts)

    def local(self, fields: Fields, shape: Shape) -> list[bool]:
        """Return which layers slide."""
        listed = take_flags(fields, PATTERN, shape)
        if listed is not None:
            return listed
        period = self.period if fields.take_optional_whole(PATTERN) is None else fields.take_count(PATTERN)
        if period is None:
            raise fields.error(PATTERN, "found nothing; expected true or false for each layer")
        full = 0 if self.full_first else period - 1
        return [layer % period != full for layer in range(shape.frame.layers)]


def exaone4(fields: Fields) -> Reading:
    """Read EXAONE 4: of its models the one with 64 layers slides, three layers of four."""
    if fields.take_count("block_count", to="layers") == 64:  # noqa: PLR2004 - the 32B
        return Windowed(period=4, window=4096)(fields)
    fields.skip(WINDOW, PATTERN)
    return plain(fields)


def phi3(fields: Fields) -> Reading:
    """Read Phi-3, whose window llama.cpp does not use: pull request 13676."""
    shape = take_shape(fields)
    if not fields.take_optional_whole(WINDOW):
        return shape.each(shape.softmax)
    return shape.each(shape.softmax, "llama.cpp keeps every token: it does not use this file's window.")


def llama4(fields: Fields) -> Reading:
    """Read Llama 4: chunks of 8192 tokens in three layers of four, unless the file's window is 0."""
    shape = take_shape(fields)
    if fields.take_optional_whole(WINDOW) == 0:
        return shape.each(shape.softmax)
    local = Windowed(period=4).local(fields, shape)
    return shape.each(lambda layer: shape.softmax(layer, chunk=8192 if local[layer] else None))


def smallthinker(fields: Fields) -> Reading:
    """Read SmallThinker: a window of 4096 whatever the file's is, the first layer of four full."""
    shape = take_shape(fields)
    if not fields.take_optional_whole(WINDOW):
        return shape.each(shape.softmax)
    local = Windowed(period=4, full_first=True).local(fields, shape)
    return shape.each(lambda layer: shape.softmax(layer, 4096 if local[layer] else None))


def gemma3n(fields: Fields) -> Reading:
    """Read Gemma 3n: the layers from the twentieth on read the cache of those before."""
    shape = take_shape(fields)
    shared = fields.take_optional_whole("attention.shared_kv_layers", to="layers")
    if shared is not None and shape.frame.layers - shared != GEMMA_3N_OWN_CACHES:
        raise fields.error("attention.shared_kv_layers", f"found {shared}; llama.cpp shares from layer 20 on")
    return Windowed(period=5).read(fields, shape, shared_from=GEMMA_3N_OWN_CACHES)


def gemma4(fields: Fields) -> Reading:
    """Read Gemma 4, whose last `shared_kv_layers` read the cache of those before."""
    shape = take_shape(fields)
    shared = fields.take_optional_whole("attention.shared_kv_layers") or 0
    return Windowed(period=None).read(fields, shape, shared_from=shape.frame.layers - shared)


def _shared(own: Facts) -> Facts:
    return {"kind": "shared"} | {
        name: own[name] for name in ("heads", "head_dim", "v_head_dim", "window") if name in own
    }
