"""Settings of one engine: read by their kind, and refused by name."""

from fractions import Fraction

import pytest

from kvplan.engines import EngineOptions, engine_names, find_engine
from kvplan.engines.settings import Setting, read_settings, require_declared
from kvplan.errors import KvplanError, UnknownNameError

DECLARED = (
    Setting(name="slots", kind="count", help=""),
    Setting(name="windows", kind="counts", help=""),
    Setting(name="shared", kind="flag", help=""),
    Setting(name="share", kind="ratio", help=""),
    Setting(name="mode", kind="name", help="", choices=("none", "align")),
)


def test_each_kind_is_read() -> None:
    given = {"slots": "8k", "windows": "512,1024", "shared": "off", "share": "1.5", "mode": "align"}
    read = read_settings(DECLARED, given)
    assert (read.count("slots"), read.counts("windows"), read.flag("shared")) == (8192, (512, 1024), False)
    assert (read.ratio("share"), read.name("mode")) == (Fraction(3, 2), "align")


def test_what_is_not_given_is_none() -> None:
    read = read_settings(DECLARED, {})
    assert read.count("slots") is None
    assert read.counts("windows") is None
    assert read.flag("shared") is None
    assert read.ratio("share") is None
    assert read.name("mode") is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"slots": "0"}, "not between 1"),
        ({"slots": "-1"}, "not a number of slots"),
        ({"windows": "1,x"}, "not a number of windows"),
        ({"shared": "perhaps"}, "neither true nor false"),
        ({"share": "0"}, "not a number above 0"),
        ({"share": "-2"}, "not a number above 0"),
        ({"share": "nan"}, "not a number above 0"),
        ({"share": "inf"}, "not a number above 0"),
        ({"share": "1" * 60}, "not a number above 0"),
        ({"mode": "all"}, "not one of none, align"),
    ],
)
def test_what_a_setting_does_not_take_is_refused(given: dict[str, str], problem: str) -> None:
    with pytest.raises(KvplanError, match=problem):
        read_settings(DECLARED, given)


def test_a_setting_that_an_engine_lacks_is_refused() -> None:
    has = r"no setting 'slot' \(did you mean 'slots'\?\); it has slots, windows"
    with pytest.raises(KvplanError, match=has):
        require_declared("toy", DECLARED, {"slot": "1"})


def test_an_engine_without_settings_says_so() -> None:
    with pytest.raises(KvplanError, match="has no setting 'kv_unified'; it has none"):
        find_engine("exact").require_taken(EngineOptions(settings={"kv_unified": "on"}))


@pytest.mark.parametrize("engine", ["exact@1", "transformers@4.57"])
def test_an_engine_without_versions_says_so(engine: str) -> None:
    with pytest.raises(UnknownNameError, match="write"):
        find_engine(engine)


@pytest.mark.parametrize("engine", ["exact", "vllm", "transformers"])
def test_every_engine_is_found_by_its_name(engine: str) -> None:
    assert engine in engine_names()
    assert find_engine(f" {engine.upper()} ").name.partition("@")[0] == engine
