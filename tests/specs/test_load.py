"""From a name or a file to a spec, and what a person reads when the file is wrong."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.attention import kind_class, kind_names
from kvplan.errors import KvplanError, SpecError
from kvplan.specs.load import load, load_file, path_of
from kvplan.specs.model import GIVEN, ModelSpec
from kvplan.specs.names import as_name
from kvplan.specs.problems import LONGEST
from kvplan.specs.runs import LayerRun
from kvplan.specs.synonyms import MEANT

HEAD = """\
name: toy
source: https://example.org/config.json
dtype: bfloat16
max_context: 4096
"""
GQA = "{kind: gqa, heads: 32, groups: 8, head_dim: 128}"
NONE = "{kind: none}"

LOAD_MODULE = sys.modules[load_file.__module__]

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "toy.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def spec(layers: str = "32", attention: str = GQA) -> str:
    """Return a spec whose layers stand on line 5 and whose attention starts on line 6."""
    return f"{HEAD}layers: {layers}\nattention: {attention}\n"


def refusal(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_file(path)
    return str(caught.value)


def test_a_short_spec_is_read(write: Write) -> None:
    read = load(write(spec()))
    assert (read.name, read.max_context, read.layer_count) == ("toy", 4096, 32)
    assert load(str(write(spec()))) == read


def test_six_words_are_a_spec(tmp_path: Path) -> None:
    """The rest are facts of published models: the file names the design, and nobody vouches for it."""
    path = tmp_path / "My Design v2.yaml"
    path.write_text(f"layers: 32\ndtype: bfloat16\nattention: {GQA}\n", encoding="utf-8")
    read = load(path)
    assert (read.name, read.source, read.max_context) == ("my-design-v2", GIVEN, None)
    assert kvplan.size(read, context=8192).bytes_per_token == 32 * 2 * 8 * 128 * 2


@pytest.mark.parametrize("six", ["heads: 128, d_c: 512, d_rope: 64"])
def test_a_latent_needs_its_two_widths(write: Write, six: str) -> None:
    """(512 + 64) x 2 B in each of 2 layers, on each rank."""
    read = load(write(spec("2", f"{{kind: mla, {six}}}")))
    assert kvplan.size(read, context=8192, tp=8).bytes_per_token == 2304


@given(st.text(max_size=100), st.just("model"))
def test_any_file_name_gives_a_name(stem: str, otherwise: str) -> None:
    """One that a spec may have, and that a name already in its form keeps."""
    name = as_name(stem, otherwise=otherwise)
    found = ModelSpec.model_validate(
        {"name": name, "dtype": "bfloat16", "layers": 1, "attention": {"kind": "none"}}
    )
    assert as_name(found.name, otherwise="") == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # A misspelt key is told rather than the key that it leaves missing, and before others.
        (spec().replace("source", "sorce"), ":2: sorce: unknown key (did you mean 'source'?)"),
        (
            spec(attention="{kind: gqa, heads: 0, grups: 8, head_dim: 128}"),
            (
                ":6: attention.grups: unknown key (did you mean 'groups'?)"
                "; line 6: attention.heads: found 0; expected greater than or equal to 1"
            ),
        ),
        (
            spec("[{repeat: 2, patern: [a]}]", f"{{a: {NONE}}}"),
            ":5: layers[0].patern: unknown key (did you mean 'pattern'?)",
        ),
        (spec().replace("dtype: bfloat16\n", ""), ":1: dtype: found nothing; expected this key"),
        (
            spec(attention="{kind: gqa, heads: 32, groups: 8}"),
            ":6: attention.head_dim: found nothing; expected this key",
        ),
        (
            spec(attention="{kind: gqaa, heads: 32, groups: 8}"),
            ":6: attention: found the kind 'gqaa', which is unknown (did you mean 'gqa'?); the kinds are "
            + ", ".join(kind_names()),
        ),
        (spec("0"), ":5: layers: found 0; expected greater than or equal to 1"),
        (spec("true"), ":5: layers: expected a number of layers, or a list of {repeat, pattern}"),
        (
            spec(attention=GQA.replace("32", "'32'")),
            ":6: attention.heads: found '32'; expected a valid integer: 32",
        ),
        (
            spec("128k"),
            ":5: layers: expected a number of layers, or a list of {repeat, pattern}",
        ),
        (
            spec() + "hidden: 4k\n",
            ":7: hidden: found '4k'; expected a valid integer: 4096",
        ),
        (spec() + "parameters: 9B\n", ":7: parameters: found '9B'; expected a valid integer"),
        (spec() + "notes: no\n", ":7: notes: found false; expected a valid string"),
        (spec() + "notes: yes\n", ":7: notes: found true; expected a valid string"),
        (spec() + "weight_dtype: fp9\n", ":7: weight_dtype: unknown dtype 'fp9' (did you mean 'fp8'?)"),
        (
            spec().replace("bfloat16", "int8"),
            ":3: dtype: found 'int8'; expected 'bfloat16', 'float16' or 'float32'",
        ),
        (
            "layers: 2\n",
            ":1: found no dtype, attention; expected these keys",
        ),
        # What others call the keys, where they belong and where they do not.
        (
            (
                "num_hidden_layers: 32\ntorch_dtype: bfloat16\n"
                "attention: {kind: gqa, num_attention_heads: 32,\n  kv_heads: 8, head_dim: 128}\n"
            ),
            (
                ":1: num_hidden_layers: unknown key (did you mean 'layers'?)"
                "; line 2: torch_dtype: unknown key (did you mean 'dtype'?)"
                "; line 3: attention.num_attention_heads: unknown key (did you mean 'heads'?)"
                "; line 4: attention.kv_heads: unknown key (did you mean 'groups'?)"
            ),
        ),
        (
            spec(attention="{kind: mla, heads: 8, kv_lora_rank: 512, qk_rope_head_dim: 64}"),
            (
                ":6: attention.kv_lora_rank: unknown key (did you mean 'd_c'?)"
                "; line 6: attention.qk_rope_head_dim: unknown key (did you mean 'd_rope'?)"
            ),
        ),
        (spec() + "n_kv_heads: 8\n", ":7: n_kv_heads: unknown key (it belongs in attention, as 'groups')"),
        (
            spec(attention="{kind: mha, heads: 8, head_dim: 64, window: 8, n_layers: 2}"),
            (
                ":6: attention.window: unknown key ('window' is a key of sliding, shared, compressed)"
                "; line 6: attention.n_layers: unknown key (it belongs at the top, as 'layers')"
            ),
        ),
        (
            spec(attention="{heads: 32, groups: 8, head_dim: 128}"),
            f":6: attention: found no kind; expected one of {', '.join(kind_names())}, as in kind: gqa",
        ),
        # What YAML would guess at beside what a validator finds; the cause is told, and not its effects.
        (
            spec("1.5", "{kind: gqa, heads: 010, groups: [8], head_dim: 128}") + "notes: a\nnotes: b\n",
            (
                ":5: layers: found 1.5; expected a whole number or text"
                "; line 6: attention.groups: found a list; expected a valid integer"
                "; line 6: attention.heads: found '010'; expected plain text or a decimal number"
                "; line 8: notes: this key stands twice"
            ),
        ),
        (
            spec(attention="{kind: 1.5, heads: 8}"),
            ":6: attention.kind: found 1.5; expected a whole number or text",
        ),
        (
            spec() + "rope_theta: 1.5\n",
            ":7: rope_theta: unknown key; expected one of " + ", ".join(ModelSpec.model_fields),
        ),
        # A file of another kind is not quoted.
        ("- a\n- b\n", ":1: found a list; expected the keys of a model spec"),
        ("secret\n", ":1: found text; expected the keys of a model spec"),
        (
            "password: secret\nport: 1.5\n",
            ":1: found none of the keys of a model spec, such as dtype, layers, attention",
        ),
        ("{}\n", ":1: found no dtype, attention, layers; expected these keys"),
    ],
)
def test_a_wrong_spec_is_refused_in_these_words(write: Write, text: str, problem: str) -> None:
    path = write(text)
    assert refusal(path) == f"{path}{problem}"


@pytest.mark.parametrize(
    ("text", "place", "fragment"),
    [
        (spec("-3"), ":5: layers: ", "found -3"),
        (spec("1000000001"), ":5: layers: ", "1000000000"),
        (spec("9" * 29), ":5: layers: ", "1000000000"),
        (spec("'32'"), ":5: layers: ", "a number of layers"),
        (spec("{repeat: 1, pattern: [a]}"), ":5: layers: ", "a list of {repeat, pattern}"),
        (spec("[]"), ":5: layers: ", "a number of layers"),
        (spec("[local]", f"{{local: {NONE}}}"), ":5: layers: ", "a list of {repeat, pattern}"),
        (spec("[{repeat: 1, pattern: a}]", f"{{a: {NONE}}}"), ":5: layers[0].pattern: ", "a list"),
        (spec("[{repeat: 1, pattern: []}]", f"{{a: {NONE}}}"), ":5: layers[0].pattern: ", "at least 1"),
        (spec("[{repeat: 0, pattern: [a]}]", f"{{a: {NONE}}}"), ":5: layers[0].repeat: ", "found 0"),
        (spec("[{repeat: 1, pattern: [1]}]", f"{{a: {NONE}}}"), ":5: layers[0].pattern[0]: ", "found 1"),
        (spec(attention="gqa"), ":6: attention: ", "an attention kind"),
        (spec(attention=""), ":6: attention: ", "an attention kind"),
        (spec(attention="{}"), ":6: attention: ", "an attention kind"),
        (spec(attention=f"[{NONE}]"), ":6: attention: ", "an attention kind"),
        (spec(attention="{kind: [gqa]}"), ":6: attention: ", "an attention kind"),
        (spec(attention="{a: gqa}"), ":6: attention.a: ", "an attention kind"),
        (spec(attention=f"\n  a: [{NONE},\n    3]"), ":8: attention.a[1]: ", "an attention kind"),
        (spec(attention="{kind: gqa, heads: 0}"), ":6: attention.heads: ", "found 0"),
        (spec(attention=GQA.replace("128", "true")), ":6: attention.head_dim: ", "valid integer"),
        (spec(attention=GQA.replace("128", "{a: 1}")), ":6: attention.head_dim: ", "found a mapping"),
        (spec(attention=GQA[:-1] + ", indexer: 3}"), ":6: attention.indexer: ", "expected a mapping"),
        (
            spec(attention=GQA[:-1] + ", indexer: {heads: 1, head_dm: 1}}"),
            ":6: attention.indexer.head_dm: ",
            "did you mean 'head_dim'",
        ),
        (
            spec(attention="{kind: mqa, heads: 8, head_dim: 64,\n  indexer: {}}"),
            ":7: attention.indexer: ",
            "unknown key ('indexer' is a key of gqa, mla, compressed)",
        ),
        (
            spec(attention="{kind: mqa, heads: 8, head_dim: 64,\n  potato: {}}"),
            ":7: attention.potato: ",
            "unknown key; expected one of kind, heads, head_dim, ",
        ),
        # Layer types that are called like a kind or like a key of one.
        (
            spec("[{repeat: 1, pattern: [mla]}]", "{mla: {kind: gqa, heads: 3, grups: 1, head_dim: 4}}"),
            ":6: attention.mla.grups: ",
            "did you mean 'groups'",
        ),
        (
            spec("[{repeat: 1, pattern: [indexer]}]", "{indexer: {kind: gqa, heads: 3, grups: 1}}"),
            ":6: attention.indexer.grups: ",
            "did you mean 'groups'",
        ),
        (
            spec(attention="{kind: rwkv, version: 8, heads: 1, head_dim: 64}"),
            ":6: attention.version: ",
            "found 8; expected 5, 6 or 7",
        ),
        (
            spec().replace("toy", "Toy Model"),
            ":1: name: ",
            "found 'Toy Model'; expected lower-case words joined by hyphens, as in my-model",
        ),
        (spec().replace("toy", "a/b"), ":1: name: ", "found 'a/b'"),
        (spec().replace("toy", "a" * 81), ":1: name: ", "80 characters"),
        (spec().replace("toy", "7"), ":1: name: ", "found 7"),
        (spec().replace("https://example.org/config.json", "''"), ":2: source: ", "at least 1 character"),
        (spec().replace("4096", "10000000000"), ":4: max_context: ", "1000000000"),
        (spec() + "parameters: 10000000000000000000\n", ":7: parameters: ", "1000000000000000000"),
        (spec() + "aliases: toy\n", ":7: aliases: ", "a list"),
        (spec() + "aliases: [1]\n", ":7: aliases[0]: ", "found 1"),
        (spec() + "weight_dtype: 8\n", ":7: weight_dtype: ", "found 8"),
        # What strict_yaml refuses is told with the same line and key.
        (spec("1e400"), ":5: layers: ", "a number of layers"),
        (spec(".inf"), ":5: layers: ", "found .inf"),
        (spec(attention=GQA + "\nlayers: 3"), ":7: layers: ", "stands twice"),
        (spec(attention="\n  <<: {kind: none}"), ":7: attention: ", "'<<'"),
    ],
)
def test_a_wrong_spec_is_refused_with_file_line_and_key(
    write: Write, text: str, place: str, fragment: str
) -> None:
    path = write(text)
    problem = refusal(path)
    assert problem.startswith(f"{path}{place}")
    assert fragment in problem
    assert problem.isprintable()


MISTAKES = {
    ":1: name: found 'Toy Model'": ("toy", "Toy Model"),
    "2: sourc: unknown key (did you mean 'source'?)": ("source:", "sourc:"),
    "3: torch_dtype: unknown key (did you mean 'dtype'?)": ("dtype:", "torch_dtype:"),
    "4: max_context: found -1; expected greater": ("4096", "-1"),
    "5: layers: found 1.5; expected a whole number": ("layers: 32", "layers: 1.5"),
    "6: attention.kv_heads: unknown key (did you mean 'groups'?)": ("groups", "kv_heads"),
    "6: attention.heads: found '0x20'; expected": ("heads: 32", "heads: '0x20'"),
    "6: attention.head_dim: found nothing; expected this key": (", head_dim: 128", ""),
}
"""Fragments of the error, and the change of a good spec that each is about."""


@given(st.sets(st.sampled_from(sorted(MISTAKES))))
def test_all_mistakes_are_told_at_once(tmp_path_factory: pytest.TempPathFactory, mistakes: set[str]) -> None:
    """On one line, which no terminal is too small for; without a mistake there is none."""
    text = spec()
    for old, new in (MISTAKES[each] for each in sorted(mistakes)):
        text = text.replace(old, new)
    path = tmp_path_factory.getbasetemp() / "all.yaml"
    path.write_text(text, encoding="utf-8")
    if not mistakes:
        assert load_file(path).name == "toy"
        return
    problem = refusal(path)
    assert [each for each in mistakes if each.removeprefix(":") not in problem] == []
    assert problem.count("; line ") == len(mistakes) - 1
    assert len(problem) <= LONGEST
    assert problem.isprintable()


@pytest.mark.parametrize("count", [2, 30, 3000])
def test_more_mistakes_than_are_read_are_counted(write: Write, count: int) -> None:
    """Each is told or counted, in no more than fills a few lines."""
    path = write(spec() + "".join(f"x{number}: 1\n" for number in range(count)))
    problem = refusal(path)
    assert len(problem) <= LONGEST < 1200 - len("kvplan: \n")
    told = len(re.findall(r"x\d+: unknown key", problem))
    left = re.search(r"; and (\d+) more$", problem)
    assert told + (int(left[1]) if left else 0) == count
    assert (left is None) == (count == 2)


@pytest.mark.parametrize("word", ["bf16", "fp16", "fp32", "half", "torch.bfloat16", "BF16"])
def test_a_dtype_has_many_names(write: Write, word: str) -> None:
    """And one meaning, for models and for their states."""
    short = {"half": "fp16"}.get(word, word.lower().replace("torch.bfloat", "bf"))
    long = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}[short]
    state = f"{{kind: lightning, heads: 8, head_dim: 64, state_dtype: {word}}}"
    read = load_file(write(spec(attention=state).replace("dtype: bfloat16", f"dtype: {word}")))
    plain = spec(attention=state.replace(word, short)).replace("dtype: bfloat16", f"dtype: {long}")
    assert read == load_file(write(plain))
    assert read.dtype == long


@pytest.mark.parametrize("key", sorted(set(MEANT.values())))
def test_every_key_that_others_name_otherwise_is_one(key: str) -> None:
    """A hint names what may be written somewhere."""
    known = set(ModelSpec.model_fields) | set(LayerRun.model_fields)
    for kind in kind_names():
        known |= set(kind_class(kind).model_fields)
    assert key in known


@pytest.mark.parametrize(
    ("layers", "attention", "place", "fragment"),
    [
        ("[{repeat: 1, pattern: [a, b]}]", f"{{a: {NONE}}}", ":5: layers", "'b'"),
        ("[{repeat: 1, pattern: [a]}]", GQA, ":5: layers", "'a'"),
        ("[{repeat: 1, pattern: [a]}]", f"\n  a: {NONE}\n  b: {NONE}", "", "describes 'b', which layers"),
        ("32", f"{{a: {NONE}}}", ":5: layers", "'a'"),
        ("[{repeat: 1, pattern: [a]}]", "{a: []}", ":6: attention", "'a'; use {kind: none}"),
        ("10001", GQA, ":5: layers", "10001 layers are more than 10000"),
        ("[{repeat: 5001, pattern: [a, a]}]", f"{{a: {NONE}}}", ":5: layers", "10002 layers"),
        ("[{repeat: 1000000000, pattern: [a]}]", f"{{a: {NONE}}}", ":5: layers", "1000000000 layers"),
    ],
)
def test_layers_and_attention_that_do_not_match_are_refused_where_they_stand(
    write: Write, layers: str, attention: str, place: str, fragment: str
) -> None:
    """Not on line 1, where the name of the model stands."""
    path = write(spec(layers, attention))
    problem = refusal(path)
    assert fragment in problem
    assert problem.startswith(f"{path}{place}")
    assert not problem.startswith(f"{path}:1:")


@pytest.mark.parametrize(
    "text",
    [
        spec("[{repeat: 1, pattern: []}]", f"{{a: {NONE}}}"),
        spec(attention="{kind: gqa, heads: , groups: 8, head_dim: 128}"),
        spec().replace("https://example.org/config.json", ""),
        spec() + "notes: yes\n",
        spec() + "? [a, b]\n: 1\n",
        "~\n",
    ],
)
def test_a_refusal_does_not_speak_python(write: Write, text: str) -> None:
    """Who writes YAML has written nothing, a list or `yes`, not None, a Tuple, True or a ScalarNode."""
    assert not re.search(r"None|Tuple|tuple|True|dict|Node|Input", refusal(write(text)))


@pytest.mark.parametrize("kind", ["gqa", "foo", "3", "[a]", "{a: b}"])
def test_a_key_named_kind_where_none_belongs_is_an_unknown_key(write: Write, kind: str) -> None:
    path = write(spec(attention=GQA[:-1] + f", indexer: {{kind: {kind}, heads: 8, head_dim: 64}}}}"))
    assert refusal(path).startswith(f"{path}:6: attention.indexer.kind: unknown key")


def test_a_misspelt_key_cannot_draw_on_the_terminal(write: Write) -> None:
    path = write(spec() + '"\\e[31mred\\n": 1\n')
    problem = refusal(path)
    assert problem.startswith(f"{path}:7: ")
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("length", "found"),
    [(58, f"'{'x' * 58}'"), (59, f"'{'x' * 56}..."), (5000, f"'{'x' * 56}...")],
)
def test_a_long_value_is_cut(write: Write, length: int, found: str) -> None:
    """60 characters of what was found are enough to find it, its quotes and the dots among them."""
    path = write(spec() + f"aliases: {'x' * length}\n")
    assert refusal(path) == f"{path}:7: aliases: found {found}; expected a list"


@pytest.mark.parametrize(
    "text",
    [
        spec(attention=f"{{kind: {'x' * 5000}}}"),
        spec() + f"? {'x' * 5000}\n: 1\n",
        spec() + f"weight_dtype: {'x' * 5000}\n",
        spec("[{repeat: 1, pattern: [" + "x" * 5000 + "]}]", f"{{a: {NONE}}}"),
    ],
)
def test_a_refusal_does_not_repeat_what_fills_the_screen(write: Write, text: str) -> None:
    """Whichever way it comes: a kind, a key, a dtype, a layer type."""
    assert len(refusal(write(text))) < 1000


KEYS = (
    "name",
    "layers",
    "attention",
    "kind",
    "heads",
    "groups",
    "head_dim",
    "indexer",
    "repeat",
    "pattern",
    "a",
)
VALUES = st.recursive(
    st.sampled_from(["gqa", "mla", "a", "", None, True, 0, 1, 8, 10**12, 1.5]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(KEYS), values, max_size=4),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("layers", "attention", "aliases", "weight_dtype", "potato"), VALUES),
    )
)
def test_any_document_is_a_spec_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, object]
) -> None:
    """In one printable line, and with no other error."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(HEAD + yaml.safe_dump(facts), encoding="utf-8")
    try:
        load_file(path)
    except SpecError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017
        assert str(error).isprintable()  # noqa: PT017


def test_a_path_is_taken_as_it_is_and_a_name_is_looked_up(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Path, a name that ends in .yaml or .yml, and the name of a file that is there."""
    looked_up: list[str] = []

    def find_spec(name: str) -> Path:
        looked_up.append(name)
        return tmp_path / "found.yaml"

    monkeypatch.setattr(LOAD_MODULE, "find_spec", find_spec)
    file = write(spec())
    bare = file.rename(tmp_path / "no-suffix")
    for model in (Path("toy"), "missing.yaml", "missing.YML", str(bare)):
        assert path_of(model) == Path(model)
    assert looked_up == []
    for model in ("llama-2-7b", "meta-llama/Llama-2-7b-hf"):
        assert path_of(model) == tmp_path / "found.yaml"
    assert looked_up == ["llama-2-7b", "meta-llama/Llama-2-7b-hf"]


@pytest.mark.parametrize("model", ["/no/such/spec", "./spec", "../spec", "."])
def test_a_path_that_is_no_file_is_not_looked_up_as_a_name(model: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(model)
    assert str(caught.value) == f"{model} is not a file; expected a model name or a spec file in YAML"


@pytest.mark.parametrize("model", ["", "a" * 300, "a" * 300 + ".yaml", "a\0b", "a\0b.yaml", "/" * 5000])
def test_a_name_that_no_file_can_have_is_refused(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error that the command line catches."""

    def find_spec(name: str) -> Path:
        raise SpecError(f"unknown model {name!r}")

    monkeypatch.setattr(LOAD_MODULE, "find_spec", find_spec)
    with pytest.raises(KvplanError):
        load(model)
