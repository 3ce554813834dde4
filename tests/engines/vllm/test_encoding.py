"""What images take of a profile run, by hand from the tensors of the towers' classes."""

from dataclasses import replace
from typing import Any

import kvplan
from kvplan.engines.overheads import SELECTS
from kvplan.engines.vllm.encoding import Prompts
from kvplan.engines.vllm.encoding import encoding as encoding_of
from kvplan.engines.vllm.frames import Room
from kvplan.engines.vllm.profiling import CUBLAS_BYTES, Batch, Encoding, Widths, peak_bytes
from kvplan.specs.vision import Vision
from kvplan.units import GIB

GEMMA = Vision(
    design="siglip", layers=27, hidden=1152, intermediate=4304, heads=16, pixels=588, patches=4096, tokens=256
)
QWEN = Vision(
    design="qwen3_vl",
    layers=27,
    hidden=1152,
    intermediate=4304,
    heads=16,
    pixels=1536,
    patches=65_536,
    tokens=16_384,
)
FILMS = Vision(
    design="qwen2_5_vl",
    layers=32,
    hidden=1280,
    intermediate=3420,
    heads=16,
    pixels=1176,
    patches=65_536,
    tokens=16_384,
    film=7,
)
PIXTRAL = Vision(
    design="pixtral",
    layers=24,
    hidden=1024,
    intermediate=4096,
    heads=16,
    pixels=588,
    patches=12_100,
    tokens=3025,
)
KIMI = PIXTRAL.model_copy(
    update={
        "design": "kimi_k25",
        "hidden": 1152,
        "intermediate": 4304,
        "patches": 16_900,
        "tokens": 4225,
    }
)
LLAMA = PIXTRAL.model_copy(
    update={
        "design": "llama4",
        "hidden": 1408,
        "intermediate": 5632,
        "patches": 17 * 576,
        "tokens": 17 * 144,
        "classes": 17,
    }
)
GEMMA4 = GEMMA.model_copy(update={"design": "gemma4", "pixels": 768, "patches": 2520, "tokens": 280})
ROOM = Room(80 * GIB, 30 * GIB)
TEXT = Batch(tokens=8192, sequences=64, hidden=5376, vocab=262_208, element_bytes=2, tp=1, v2=True)


def encoding(
    batch: Batch, vision: Vision, context: int, *, pixel_bytes: int = 2, room: Room = ROOM, **prompts: Any
) -> Encoding:
    return encoding_of(batch, vision, Prompts(context, **prompts), room, pixel_bytes=pixel_bytes)


def test_as_many_images_as_a_batch_may_bring_are_encoded_at_once() -> None:
    """32 images of 256 tokens are 8192; each has 4096 patches, and the text model's width for each token."""
    found = encoding(TEXT, GEMMA, 8192)
    inside = 2 * 4304 + 4 * 1152 + 588
    states = 8192 * 5376 * 2
    assert found == Encoding(32 * 4096 * inside * 2, encoded_bytes=states, inputs_bytes=states)
    # The older runner has the pixels still, and a batch of embedded tokens for all models.
    older = encoding(replace(TEXT, v2=False), GEMMA, 8192)
    assert older == found._replace(encoded_bytes=states + 32 * 4096 * 588 * 2, inputs_bytes=0)
    # One prompt of 512 tokens may have two, and four prompts eight.
    few = encoding(replace(TEXT, sequences=4), GEMMA, 512)
    assert few.encoded_bytes == 8 * 256 * 5376 * 2
    # One prompt may bring three at most, where limit_mm_per_prompt says so, and 64 prompts all 32.
    limited = encoding(replace(TEXT, sequences=1), GEMMA, 8192, limits={"image": 3})
    assert limited.encoded_bytes == 3 * 256 * 5376 * 2
    assert encoding(TEXT, GEMMA, 8192, limits={"image": 3}) == found
    # The budget is never less than one image.
    assert encoding(replace(TEXT, tokens=64), GEMMA, 8192).encoded_bytes == 256 * 5376 * 2


def test_qwen3_vl_has_one_image_of_the_largest_size_and_its_deeper_outputs() -> None:
    """12 hidden states, the pixels of two pictures, and rotations of 72 for each of 65,536 patches."""
    batch = replace(TEXT, hidden=5120)
    inside = 12 * 1152 + 1536 + 72
    states, inputs = 16_384 * 5120 * 2, 8192 * 5120 * 2
    assert encoding(batch, QWEN, 32_768) == Encoding(65_536 * inside * 2, states, inputs_bytes=inputs)
    deeper = QWEN.model_copy(update={"stacked": 3})
    deep = Encoding(65_536 * inside * 2 + 3 * states, 4 * states, 3 * inputs, inputs)
    assert encoding(batch, deeper, 32_768) == deep
    unseen = Encoding(buffer_bytes=3 * inputs, inputs_bytes=inputs)
    assert encoding(batch, deeper, 32_768, profiled=False) == unseen


def test_ranks_share_heads_and_mlps() -> None:
    """
    Eight of the twelve hidden states are of heads, and what ranks have summed up is one more.

    An MLP has most in SigLIP as it is summed up, and on eight ranks in Qwen3-VL: one row, and six states.
    """
    batch = replace(TEXT, hidden=5120, tp=2)
    found = encoding(batch, QWEN, 8192)
    assert found.peak_bytes == 65_536 * (4 * 1152 + 5 * 1152 + 1536 + 72) * 2
    assert encoding(batch, GEMMA, 8192).peak_bytes == 32 * 4096 * (2152 + 6 * 1152 + 588) * 2
    eight = encoding(replace(batch, tp=8), QWEN, 8192)
    assert eight.peak_bytes == 65_536 * (538 + 6 * 1152 + 1536 + 72) * 2


def test_qwen25_vl_has_a_film_of_as_many_images_as_a_context_holds() -> None:
    """
    Three rows of a gated MLP, three hidden states, rotations of 80 twice, and 16 bytes for four patches.

    Pixels are a byte each since 0.28; the rotations stay.
    """
    batch = replace(TEXT, hidden=3584)
    inside = 2 * (3 * 3420 + 3 * 1280 + 2 * 80) + 4
    outputs, inputs = 16_384 * 3584 * 2, 8192 * 3584 * 2

    def film(images: int) -> Encoding:
        patches = images * 65_536
        return Encoding(patches * (inside + 1176), images * outputs + patches * 80 * 2, inputs_bytes=inputs)

    for context, images in ((8192, 1), (32_767, 1), (32_768, 2), (114_688, 7), (1_000_000, 7)):
        assert encoding(batch, FILMS, context, pixel_bytes=1) == film(images)
    alone = encoding(batch, FILMS, 128_000, pixel_bytes=1, limits={"video": 0})
    assert alone == film(1)
    older = encoding(batch, FILMS, 8192, pixel_bytes=2)
    assert older.peak_bytes == 65_536 * (inside + 2 * 1176)


def test_smaller_pixels_make_smaller_films_and_more_of_them() -> None:
    """1,003,520 pixels are 1280 squares of 28 x 28, so that a context of 8192 has six pairs of pictures."""
    batch = replace(TEXT, hidden=3584)
    inside = 2 * (3 * 3420 + 3 * 1280 + 2 * 80) + 4
    found = encoding(batch, FILMS, 8192, pixel_bytes=1, pixels=1_003_520)
    assert found.peak_bytes == 6 * 1280 * 4 * (inside + 1176)
    assert found.encoded_bytes == 6 * 1280 * (3584 * 2 + 4 * 80 * 2)
    images = encoding(batch, FILMS, 8192, pixel_bytes=1, pixels=1_003_520, limits={"video": 0})
    assert images.peak_bytes == found.peak_bytes
    assert encoding(batch, QWEN, 8192, pixels=1_003_520) == encoding(batch, QWEN, 8192)


def test_qwen25_vl_shares_its_mlp_over_ranks() -> None:
    """Half of three rows, and the states that were summed up beside the three."""
    batch = replace(TEXT, hidden=3584, tp=2)
    inside = 2 * (3 * 1710 + 4 * 1280 + 2 * 80) + 4
    assert encoding(batch, FILMS, 8192, pixel_bytes=1).peak_bytes == 65_536 * (inside + 1176)


def test_qwen2_vl_gathers_the_heads_of_all_ranks() -> None:
    """Eight hidden states of heads and three more; on two ranks four, those gathered, and four more."""
    older = FILMS.model_copy(update={"design": "qwen2_vl", "intermediate": 5120})
    for tp, states in ((1, 8 + 3), (2, 4 + 3 + 4)):
        batch = replace(TEXT, hidden=3584, tp=tp)
        found = encoding(batch, older, 8192, pixel_bytes=1)
        assert found.peak_bytes == 65_536 * (2 * (states * 1280 + 80) + 1176)
        assert found.encoded_bytes == 16_384 * 3584 * 2


def test_pixtral_has_two_images_of_3025_tokens_in_a_batch() -> None:
    """Three rows of 4096, six hidden states, rotations of a head of 64, and places of 16 bytes."""
    batch = replace(TEXT, hidden=5120)
    inside = 2 * (3 * 4096 + 6 * 1024 + 2 * 64) + 16
    outputs, inputs = 2 * 3025 * 5120 * 2, 8192 * 5120 * 2
    found = encoding(batch, PIXTRAL, 32_768, pixel_bytes=1)
    assert found == Encoding(24_200 * (inside + 588), outputs, inputs_bytes=inputs)
    shared = 2 * (3 * 2048 + 7 * 1024 + 2 * 64) + 16
    assert encoding(replace(batch, tp=2), PIXTRAL, 32_768).peak_bytes == 24_200 * (shared + 2 * 588)


def test_kimi_k25_keeps_a_table_of_rotations() -> None:
    """Two rows of 4304 and four states; 36 complex numbers of eight bytes for each of 512 x 512 places."""
    batch = replace(TEXT, hidden=7168)
    table, outputs = 512 * 512 * 36 * 8, 4225 * 7168 * 2
    found = encoding(batch, KIMI, 32_768, pixel_bytes=1)
    assert found.peak_bytes == 16_900 * (2 * (2 * 4304 + 4 * 1152) + 36 * 8 + 588) + table
    assert found.encoded_bytes == outputs + table
    # On eight ranks a row of the MLP, its output, what was summed up, and the four.
    shared = 2 * (538 + 6 * 1152) + 36 * 8
    found = encoding(replace(batch, tp=8), KIMI, 32_768, pixel_bytes=1)
    assert found.peak_bytes == 16_900 * (shared + 588) + table


def test_llama_4_turns_queries_and_keys_in_float32() -> None:
    """
    Three images of 17 tiles of 577 rows: queries, keys and values, twice two states of float32, and two more.

    On four ranks an MLP has more: a row of 1408, its output, what was summed up, and four states.
    """
    batch = replace(TEXT, hidden=5120)
    rows, pixels = 3 * 17 * 577, 3 * 17 * 576 * 588 * 2
    found = encoding(batch, LLAMA, 8192)
    assert found.peak_bytes == rows * 2 * (3 + 4 + 4 + 2 + 3) * 1408 + pixels
    assert found.encoded_bytes == 3 * 2448 * 5120 * 2
    shared = encoding(replace(batch, tp=4), LLAMA, 8192)
    assert shared.peak_bytes == rows * 2 * (1 + 6) * 1408 + pixels


def test_ranks_that_share_images_out_have_a_copy_of_theirs() -> None:
    """
    One image on two ranks: the tower as on one GPU, and the pixels twice; the rank without one is not full.

    What stays is gathered, with as much padding as the other rank has no outputs.
    """
    batch = replace(TEXT, hidden=5120, tp=2)
    inside, outputs = 12 * 1152 + 2 * 1536 + 72, 16_384 * 5120 * 2
    found = encoding(batch, QWEN, 8192, shared_out=True)
    assert found == Encoding(65_536 * inside * 2, 2 * outputs, inputs_bytes=8192 * 5120 * 2)
    older = encoding(replace(batch, v2=False), QWEN, 8192, shared_out=True)
    assert older.encoded_bytes == 2 * outputs + 65_536 * 1536 * 2
    # On one rank nothing is gathered, and pixels are copied all the same.
    alone = encoding(replace(batch, tp=1), QWEN, 8192, shared_out=True)
    assert (alone.peak_bytes, alone.encoded_bytes) == (found.peak_bytes, outputs)


def test_the_fullest_rank_has_two_of_three_images() -> None:
    """All pixels and two of three copied; four outputs are gathered, each with those of three more layers."""
    deeper, batch = QWEN.model_copy(update={"stacked": 3}), replace(TEXT, tokens=49_152, hidden=2048, tp=2)
    outputs, pixels = 16_384 * 2048 * 2, 65_536 * 1536
    found = encoding(batch, deeper, 32_768, pixel_bytes=1, shared_out=True)
    assert found.peak_bytes == 2 * 65_536 * (12 * 1152 + 72) * 2 + 2 * 3 * outputs + 5 * pixels
    assert found.encoded_bytes == 4 * 4 * outputs
    # What sixteen ranks gather of one image is more than its tower has: 17 times four outputs.
    many = encoding(replace(batch, tokens=8192, tp=16), deeper, 32_768, pixel_bytes=1, shared_out=True)
    assert many.peak_bytes == 17 * 4 * outputs + 2 * pixels
    assert many.encoded_bytes == 16 * 4 * outputs


def test_a_film_is_not_shared_by_two_ranks() -> None:
    """Qwen2.5-VL's seven pairs of pictures, all on one rank, whose rotations stay."""
    batch = replace(TEXT, hidden=3584, tp=2)
    inside = 2 * (3 * 3420 + 3 * 1280 + 2 * 80) + 4
    found = encoding(batch, FILMS, 128_000, pixel_bytes=1, shared_out=True)
    assert found.peak_bytes == 7 * 65_536 * (inside + 2 * 1176)
    assert found.encoded_bytes == 7 * (2 * 16_384 * 3584 + 65_536 * 80) * 2


def test_kimi_projects_what_ranks_have_gathered() -> None:
    """
    A token is four states of 1152 until then, and on 16 ranks the last projection has most.

    Beside what 16 ranks made that is the image's part of it in one tensor, projected once, and its output.
    """
    batch = replace(TEXT, hidden=7168)
    table, pixels, states, outputs = 512 * 512 * 36 * 8, 16_900 * 588, 16_900 * 1152 * 2, 4225 * 7168 * 2
    inside = 16_900 * (2 * (2 * 4304 + 4 * 1152) + 36 * 8)
    for tp, peak in ((8, inside + 2 * pixels), (16, (16 + 2) * states + outputs + pixels)):
        found = encoding(replace(batch, tp=tp), KIMI, 32_768, pixel_bytes=1, shared_out=True)
        assert found.peak_bytes == peak + table
        assert found.encoded_bytes == outputs + table


def test_llama_4_shares_tiles_out() -> None:
    """
    51 tiles on two ranks are 26 each, padded to 52; on 32 ranks two each, of which 64 are gathered.

    Their tokens are then projected to a part of 5120 on each rank, gathered, and put in order.
    """
    batch = replace(TEXT, hidden=5120)
    tile = 576 * 588 * 2
    found = encoding(replace(batch, tp=2), LLAMA, 8192, shared_out=True)
    assert found.peak_bytes == 26 * 577 * 2 * 16 * 1408 + (51 + 52) * tile
    assert found.encoded_bytes == 51 * 144 * 5120 * 2
    wide = encoding(replace(batch, tp=32), LLAMA, 8192, shared_out=True)
    assert wide.peak_bytes == 64 * 144 * 4096 * 2 + 51 * 144 * (160 + 2 * 5120) * 2 + 51 * tile


def test_gemma_4_has_films_in_parts_as_large_as_a_card_has_room() -> None:
    """
    Three films of 2496 tokens are 96 pictures of 630 patches, whose places would take 630 x 4 x 10,240 x 8 B.

    An 80 GiB card runs 41 at once by a tenth of it: the second part has most, the output of the first there.
    """
    inside = 2 * (3 * 4304 + 4 * 1152 + 2 * 72) + 630 + 1
    pixels, made = 96 * 630 * (2 * 768 + 16 + 1), 630 * 2 * 1152
    assert (8 * GIB, 41) == (80 * GIB // 10, 8 * GIB // (630 * 4 * 10_240 * 8))
    found = encoding(TEXT, GEMMA4, 8192)
    assert found.peak_bytes == pixels + 41 * made + 41 * 630 * inside
    # Each picture of 224 x 224 fills 24 x 24 of its patches, nine to a token.
    assert found.encoded_bytes == 96 * 64 * 5376 * 2
    # Half of a GiB that is free has room for two pictures; before the last two there are 94.
    tight = encoding(TEXT, GEMMA4, 8192, room=Room(80 * GIB, GIB))
    assert tight.peak_bytes == pixels + 94 * made + 2 * 630 * inside
    # All at once where there is room, and of one part nothing is there before.
    wide = encoding(TEXT, GEMMA4, 8192, room=Room(800 * GIB, 800 * GIB))
    assert wide.peak_bytes == pixels + 96 * 630 * inside


def test_gemma_4_has_images_where_no_films_may_come() -> None:
    """29 of 280 tokens, each 2520 patches, copied part by part: ten on this card, and nine in the last."""
    found = encoding(TEXT, GEMMA4, 8192, limits={"video": 0})
    pixels, made = 2520 * (2 * 768 + 16), 2520 * 2 * 1152
    inside = 2 * (3 * 4304 + 4 * 1152 + 2 * 72) + 2520 + 2
    each = 2520 * inside + pixels
    assert found.peak_bytes == 29 * pixels + max(10 * made + 10 * each, 20 * made + 9 * each)
    assert found.encoded_bytes == 29 * 256 * 5376 * 2


def test_a_peak_is_that_of_images_or_of_text_beside_what_they_left() -> None:
    few, many = Encoding(peak_bytes=1, encoded_bytes=7), Encoding(peak_bytes=GIB * 9, encoded_bytes=7)
    text = 8192 * 3 * 5376 * 2  # Three hidden states of a layer without an MLP.
    assert peak_bytes(TEXT, Widths(), SELECTS, few) == CUBLAS_BYTES + 7 + text
    assert peak_bytes(TEXT, Widths(), SELECTS, many) == CUBLAS_BYTES + 9 * GIB


def test_text_alone_and_runs_without_images_have_no_tower() -> None:
    def activation(**settings: str) -> int:
        asked = {"compile_cache": "warm", "enforce_eager": "true", **settings}
        answer = kvplan.fit(
            "qwen3.6-27b",
            gpu="h100-80gb",
            engine="vllm@0.30",
            context=32_768,
            max_num_seqs=64,
            settings=asked,
            advice=False,
        )
        return answer.memory.activation_bytes

    assert activation() == CUBLAS_BYTES + 65_536 * (12 * 1152 + 1536 + 72) * 2
    assert activation() > activation(skip_mm_profiling="true") == activation(language_model_only="true")
