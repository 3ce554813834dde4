"""Published commands for large mixtures, pasted as they are: each is answered, with what it leaves out."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.program import Cli
from tests.serving.recipes import RECIPES, Recipe
from tests.serving.test_trtllm_files import PUBLISHED


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the published files of options, by the ends of their sources, where commands name them."""
    for file in PUBLISHED:
        (tmp_path / file.source.rpartition("/")[2]).write_text(file.text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.source)
def test_a_published_command_is_answered(recipe: Recipe, kvplan: Cli) -> None:
    done = kvplan(f"fit --gpu {recipe.gpu} {recipe.weights} --json -- {recipe.line}")
    answer: dict[str, Any] = json.loads(done.out)
    assert "error" not in answer, answer
    assert (done.status == 0, answer["fits"]) == (recipe.fits, recipe.fits)
    assert not any(option.endswith("(not known)") for option in answer["ignored"])
    told = [text for text in answer["warnings"] if text.startswith("left out of the plan: ")]
    assert len(told) == len(recipe.left_out)
    for text, begins in zip(told, recipe.left_out, strict=True):
        assert text.startswith(f"left out of the plan: {begins}")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "recipe",
    [recipe for recipe in RECIPES if recipe.line.endswith(".yaml")],
    ids=lambda recipe: recipe.source,
)
def test_a_command_in_quotes_may_end_in_a_file_of_options(recipe: Recipe, kvplan: Cli) -> None:
    options = f"fit --gpu {recipe.gpu} {recipe.weights} --json --"
    quoted = kvplan(f"{options} {shlex.quote(recipe.line)}")
    assert quoted.out == kvplan(f"{options} {recipe.line}").out
    assert "error" not in json.loads(quoted.out)
