"""What is read of a class's own file is what the class keeps, at two lengths, and its parameters."""

import pytest

from kvplan.importers.complete import count_parameters
from kvplan.importers.config import Imported
from kvplan.importers.families.rows import ROWS
from kvplan.importers.parameters import UNCOUNTED, Parameters
from kvplan.validate.hf_models import is_since
from tests.importers import tiny_models as tiny

pytest.importorskip("torch", reason="runs small models: kvplan[validate]")

NO_CAUSAL_CLASS = {
    "emu3_text_model",
    "ernie4_5_vl_moe_text",
    "granite4_vision_text",
    "idefics",
    "paddleocr_vl_text",
    "phi3small",
    "xmod",
}
"""Rows that transformers builds no small model of: a part, code of a release, one class per language, one
that needs an image (test_parts.py)."""

WITHOUT_HEAD = {"glm_ocr_text", "granite_docling_text", "hunyuan_vl_text", "molmo2_text"}
"""Text models that transformers builds by themselves without an output head."""

SINCE = {"inkling2_text": "5.24"}
"""Types whose class of an earlier release does not run in 16 bits."""

BESIDE_ROWS = """
    apertus apertus1p5_text arcee axk1 axk2 bart bert bitnet bloom cohere cohere2 cpmant deepseek_v2
    deepseek_v3 deepseek_v32 diffusion_gemma_text dory dots3_note_text ernie4_5 falcon falcon_mamba
    gemma gemma2 gemma4_unified_text glm5_next_text hy_v4 hy_v4_vl_text inkling2_loop_text inkling2_text
    inkling_text jetmoe laguna lara_mini lfm3 longt5 minimax_m3_vl_text mistral_large4_text mt5
    sarvam_mla sarvam_moe switch_transformers t5gemma t5gemma2 umt5 youtu zaya
"""


def _counted(found: Imported) -> Parameters | None:
    """Return the parameters, None where kvplan counts none of the type."""
    return None if found.model_type in UNCOUNTED else count_parameters(found)


TYPES = sorted({*ROWS, *BESIDE_ROWS.split()} - NO_CAUSAL_CLASS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model_type", TYPES)
def test_a_class_keeps_what_kvplan_reads_of_its_file(model_type: str) -> None:
    if not tiny.has(model_type) or not is_since(SINCE.get(model_type, "")):
        pytest.skip(f"the installed transformers has no class of {model_type} that runs")
    config = tiny.tiny(model_type)
    found = tiny.imported(config)
    assert found.spec.unread == ()
    encoder = all(kind.kind == "none" for kind in found.spec.kinds())
    model = tiny.built(config, head=not encoder and model_type not in WITHOUT_HEAD)
    if not encoder:
        expected = tiny.predicted(found, encoder=config.is_encoder_decoder)
        assert tiny.measured(model) == expected
        assert 0 < expected[0] <= expected[1]
    if (counted := _counted(found)) is not None:
        assert counted.total == tiny.parameters(model)
