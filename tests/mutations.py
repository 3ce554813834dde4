"""
Put one deliberate error at a time into a copy of kvplan's formulas, and see that something notices.

Run it as `python tests/mutations.py [--all] [NAME...]`. What an attention kind gets wrong, L0 should
notice (where torch is installed), the rest the ordinary tests; each error is tried on one after the
other until one notices, with `--all` on both. Exit status 1 if an error goes unnoticed, or if the copy
without an error does not pass.

The right copy is compiled as it is tested; the wrong ones take its bytecode along, all but that of the
file with the error.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIED = ("kvplan", "tests", "model_specs", "pyproject.toml")
L0 = ("tests/validate/test_reference.py", "-k", "elements_of_the_kind")


@dataclass(frozen=True, slots=True)
class Mutation:
    """
    An error: *old* becomes *new* in one file, at the only place where it stands.

    `tests` are the ordinary test files that should notice.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str = "tests/attention"


_GROUPED, _WINDOWED = "attention/grouped.py", "attention/windowed.py"
_UNCACHED, _LATENT = "attention/uncached.py", "attention/latent.py"
_RECURRENT, _SSM = "attention/recurrent.py", "attention/ssm.py"
_TERMS, _BASE, _DTYPES, _UNITS = "terms.py", "attention/base.py", "dtypes.py", "units.py"
_HF, _HF_TESTS = "engines/transformers/caches.py", "tests/engines/test_transformers.py"
_OVERHEADS = "engines/overheads.py"
_SGLANG, _TRTLLM, _LLAMACPP = "engines/sglang", "engines/trtllm", "engines/llamacpp"

MUTATIONS = (
    Mutation(
        "K without V",
        _GROUPED,
        '            ("value", "V", self.v_head_dim or self.head_dim),\n',
        "",
    ),
    Mutation("V as wide as K", _GROUPED, '"V", self.v_head_dim or self.head_dim', '"V", self.head_dim'),
    Mutation(
        "a row per query head",
        _GROUPED,
        "split=groups_split(self.kv_heads),\n                width=width,\n                window",
        "split=groups_split(self.heads),\n                width=width,\n                window",
    ),
    Mutation("MHA with one group", _GROUPED, "return self.heads\n", "return 1\n"),
    Mutation("MQA with all heads", _GROUPED, "return 1\n", "return self.heads\n"),
    Mutation(
        "window + 1", _WINDOWED, "self.window + (self.sinks or 0)", "self.window + (self.sinks or 0) + 1"
    ),
    Mutation("no sinks", _WINDOWED, "window=self.window + (self.sinks or 0)", "window=self.window"),
    Mutation("the chunk is no bound", _WINDOWED, "window=self.chunk, chunked=True", "chunked=True"),
    Mutation(
        "cross: K without V",
        _UNCACHED,
        '("key", "encoder K"), ("value", "encoder V")',
        '("key", "encoder K"),',
    ),
    Mutation(
        "cross: the decoder's tokens",
        _UNCACHED,
        "rows=target.encoder_tokens or self.encoder_tokens",
        "rows=1",
    ),
    Mutation(
        "GQA without its indexer",
        _GROUPED,
        "self.keys_and_values(target) + (self.indexer.lower(target) if self.indexer else ())",
        "self.keys_and_values(target)",
    ),
    Mutation("MLA without d_rope", _LATENT, '            ("rope", "RoPE key d_rope", self.d_rope),\n', ""),
    Mutation("MLA per head", _LATENT, 'split=whole("latent")', "split=heads_split(self.heads)"),
    Mutation(
        "MLA without its indexer",
        _LATENT,
        "return terms + (self.indexer.lower(target) if self.indexer else ())",
        "return terms",
    ),
    Mutation(
        "wrong stride", _LATENT, '"compressed", stride=self.ratio', '"compressed", stride=self.ratio + 1'
    ),
    Mutation("compressor keys without gates", _LATENT, "width=2 * self.overlap", "width=self.overlap"),
    Mutation("no overlap in the states", _LATENT, "window=self.overlap * ratio", "window=ratio"),
    Mutation(
        "keys from entries wait, too",
        _LATENT,
        "if self.indexer and not self.keys_from_entry:",
        "if self.indexer:",
    ),
    Mutation(
        "ceil for floor",
        _TERMS,
        "maximum(0, held - self.skip) // self.stride",
        "-(-maximum(0, held - self.skip) // self.stride)",
        "tests/test_terms.py",
    ),
    Mutation(
        "the window is no bound",
        _TERMS,
        "held = tokens if self.window is None else minimum(tokens, self.window)",
        "held = tokens",
        "tests/test_terms.py",
    ),
    Mutation("the residual counts twice", _TERMS, "held - self.skip)", "held)", "tests/test_terms.py"),
    Mutation("k columns for k - 1", _BASE, "rows=kernel - 1", "rows=kernel"),
    Mutation("no normalizer", _RECURRENT, "return (state, sums)\n\n    def", "return (state,)\n\n    def"),
    Mutation(
        "the state has q and k channels",
        _RECURRENT,
        "_matrix(self.heads, self.feature_dim, self.v_head_dim",
        "_matrix(self.heads, self.qk_head_dim, self.v_head_dim",
    ),
    Mutation("a vector for a matrix", _RECURRENT, "width=key_dim * value_dim", "width=key_dim"),
    Mutation("RWKV-4 without its exponent", _RECURRENT, "width=3,", "width=2,"),
    Mutation("one token shift", _RECURRENT, "rows=2,", "rows=1,"),
    Mutation("a state per key head", _RECURRENT, "_matrix(self.v_heads,", "_matrix(self.qk_heads,"),
    Mutation("no convolution of k", _RECURRENT, '                (qk, "k", self.qk_head_dim),\n', ""),
    Mutation(
        "KDA with one convolution", _RECURRENT, 'Stream, ...] = ("q", "k", "v")', 'Stream, ...] = ("q",)'
    ),
    Mutation("B without C", _SSM, '"B and C", 2 * self.d_state', '"B and C", self.d_state'),
    Mutation("a number for a state vector", _SSM, "width=self.d_state,", "width=1,"),
    Mutation("B and C per head", _SSM, '(groups_split(self.groups), "B and C"', '(heads, "B and C"'),
    Mutation("states in bf16", _BASE, '"fp32": FP32, "bf16"', '"fp32": BF16, "bf16"'),
    Mutation(
        "groups are not replicated",
        _BASE,
        'unit="groups", count=groups, replicable=True',
        'unit="groups", count=groups, replicable=False',
    ),
    Mutation(
        "a rank without a unit",
        _TERMS,
        "            return 1\n        raise SplitError",
        "            return self.count // tp\n        raise SplitError",
        "tests/test_terms.py",
    ),
    Mutation(
        "scales of a row forgotten",
        _DTYPES,
        "* self.block_bytes + self.row_extra",
        "* self.block_bytes",
        "tests/test_dtypes.py",
    ),
    Mutation(
        "q8_0 without its scale",
        _DTYPES,
        'name="q8_0", block_bytes=34',
        'name="q8_0", block_bytes=32',
        "tests/test_dtypes.py",
    ),
    Mutation(
        "fp8 in two bytes",
        _DTYPES,
        'name="fp8", block_bytes=1',
        'name="fp8", block_bytes=2',
        "tests/test_dtypes.py",
    ),
    Mutation("GB for GiB", _UNITS, '"gb": 10**9', '"gb": GIB', "tests/test_units.py"),
    Mutation("GiB for GB", _UNITS, "GIB = 1024**3", "GIB = 1000**3", "tests/test_units.py"),
    Mutation(
        "rounded down",
        _UNITS,
        "return -(-dividend // divisor)",
        "return dividend // divisor",
        "tests/test_units.py",
    ),
    Mutation(
        "the whole card",
        "planner/budget.py",
        "ceil_div((self.gpu_bytes - outside) * numerator, denominator)",
        "self.gpu_bytes - outside",
        "tests/planner/test_budget.py",
    ),
    Mutation(
        "all weights on every rank",
        "planner/weights.py",
        "ceil_div(replica_bytes, tp * stages)",
        "replica_bytes",
        "tests/planner/test_weights.py",
    ),
    Mutation(
        "one sequence too many",
        "planner/search.py",
        "    return low\n",
        "    return high\n",
        "tests/planner/test_search.py",
    ),
    Mutation(
        "a division too many",
        "engines/arrangement.py",
        "return 1 + (there_bytes - self.first)",
        "return 2 + (there_bytes - self.first)",
        "tests/planner/test_plan.py",
    ),
    Mutation(
        "each layer once",
        "engines/exact.py",
        "count * term.row_bytes",
        "term.row_bytes",
        "tests/planner/test_fit.py",
    ),
    Mutation("the whole window", _HF, "window_offset: int = -1", "window_offset: int = 0", _HF_TESTS),
    Mutation("k - 1 columns for k", _HF, "conv_columns: int = 1", "conv_columns: int = 0", _HF_TESTS),
    Mutation(
        "Falcon without its broadcast",
        _HF,
        "replace(traits, kv_copies=sharing)",
        "replace(traits, kv_copies=1)",
        _HF_TESTS,
    ),
    Mutation(
        "a slice frees its prompt",
        _HF,
        'return tokens if moment == "prefill" else min(tokens, newest + 1)',
        "return newest",
        _HF_TESTS,
    ),
    Mutation(
        "graphs of one layer",
        _OVERHEADS,
        "_GRAPHS_BYTES + workload.layers * _GRAPHS_LAYER_BYTES",
        "_GRAPHS_BYTES + _GRAPHS_LAYER_BYTES",
        "tests/engines/test_overheads.py",
    ),
    Mutation(
        "no table of rotations",
        _OVERHEADS,
        "outside_torch(workload, outside) + workload.rotations_bytes",
        "outside_torch(workload, outside)",
        "tests/engines/test_overheads.py",
    ),
    Mutation(
        "off is on", "engines/settings.py", '"off": False', '"off": True', "tests/engines/test_settings.py"
    ),
    Mutation(
        "no padding slot",
        f"{_SGLANG}/states.py",
        "self.fixed or 0) + 1 + self.of_drafts(slots)",
        "self.fixed or 0) + self.of_drafts(slots)",
        f"tests/{_SGLANG}/test_pools.py",
    ),
    Mutation(
        "an exact ratio of pools",
        f"{_SGLANG}/pools.py",
        "int(tokens * float(self.options.swa_full_tokens_ratio))",
        "int(tokens * self.options.swa_full_tokens_ratio)",
        f"tests/{_SGLANG}/test_pools.py",
    ),
    Mutation(
        "indexer keys without scales",
        f"{_SGLANG}/lowering.py",
        "return width + width // 128 * 4",
        "return width",
        f"tests/{_SGLANG}/test_cells.py",
    ),
    Mutation(
        "convolutions in float32",
        f"{_SGLANG}/lowering.py",
        "            return BF16\n",
        "            return FP32\n",
        f"tests/{_SGLANG}/test_cells.py",
    ),
    Mutation(
        "the first rank's states",
        f"{_SGLANG}/cells.py",
        "max(rank.slot_bytes for rank in self.ranks)",
        "self.ranks[0].slot_bytes",
        f"tests/{_SGLANG}/test_pools.py tests/{_SGLANG}/test_cells.py",
    ),
    Mutation(
        "one MiB for a request's graph",
        f"{_SGLANG}/fraction.py",
        "kept += 2 * requests",
        "kept += requests",
        f"tests/{_SGLANG}/test_fraction.py",
    ),
    Mutation(
        "spare layers on the first stage",
        f"{_SGLANG}/engine.py",
        'extra="last"',
        'extra="first"',
        f"tests/{_SGLANG}/test_pools.py",
    ),
    Mutation(
        "KV heads rounded down",
        f"{_TRTLLM}/lowering.py",
        "ceil_div(self.heads, tp) * self.width",
        "max(1, self.heads // tp) * self.width",
        f"tests/{_TRTLLM}/test_bytes.py",
    ),
    Mutation(
        "no block for what slides out",
        f"{_TRTLLM}/pools.py",
        "return held + (slides & (ceil_div(context, self.block_size) > held))",
        "return held",
        f"tests/{_TRTLLM}/test_windows.py",
    ),
    Mutation(
        "pools as large as needed",
        f"{_TRTLLM}/waterfall.py",
        "len(groups) * max(pool_bytes",
        "sum(pool_bytes",
        f"tests/{_TRTLLM}/test_windows.py",
    ),
    Mutation(
        "spare layers on the last stage",
        f"{_TRTLLM}/engine.py",
        'extra="first"',
        'extra="last"',
        f"tests/{_TRTLLM}/test_start_up.py",
    ),
    Mutation(
        "cells in steps of 32",
        f"{_LLAMACPP}/cells.py",
        "CELL_PADDING = 256",
        "CELL_PADDING = 32",
        f"tests/{_LLAMACPP}/test_published.py",
    ),
    Mutation(
        "a window without its batch",
        f"{_LLAMACPP}/cells.py",
        "(self.batch if shared else 1) + self.options.n_ubatch",
        "(self.batch if shared else 1)",
        f"tests/{_LLAMACPP}/test_published.py",
    ),
    Mutation(
        "states in the spec's dtype",
        f"{_LLAMACPP}/tensors.py",
        "FP32.row_bytes(term.width) * term.rows.at(0)",
        "term.row_bytes * term.rows.at(0)",
        f"tests/{_LLAMACPP}/test_published.py tests/{_LLAMACPP}/test_engine.py",
    ),
    Mutation(
        "the model's dtype for f16",
        f"{_LLAMACPP}/engine.py",
        'return "fp16"',
        "return model_dtype",
        f"tests/{_LLAMACPP}/test_engine.py",
    ),
    Mutation(
        "one copy of a tied embedding",
        "planner/weights.py",
        "if len(stages) > 1 or not spec.tied or not embedding:",
        "if not spec.tied or not embedding:",
        "tests/planner/test_weights.py",
    ),
    Mutation(
        "replicated weights are divided",
        "planner/weights.py",
        "held = total - whole + whole * tp",
        "held = total",
        "tests/planner/test_weights.py",
    ),
    Mutation(
        "a share of what is left and the weights",
        "planner/budget.py",
        '"rest": weights_bytes + other_bytes',
        '"rest": other_bytes',
        "tests/planner/test_budget.py",
    ),
    Mutation(
        "a share rounded down",
        "planner/budget.py",
        "ceil_div((self.gpu_bytes - outside) * numerator, denominator)",
        "(self.gpu_bytes - outside) * numerator // denominator",
        "tests/planner/test_budget.py",
    ),
    Mutation(
        "vLLM's 32.3k without floats",
        "serving/values.py",
        "count if exact else int(float(number) * suffixes[suffix])",
        "count",
        "tests/serving/test_vllm.py",
    ),
    Mutation(
        "each slot has all of -c",
        "serving/slots.py",
        '{"context": total // slots}',
        '{"context": total}',
        "tests/serving/test_llamacpp.py",
    ),
    Mutation(
        "SGLang's k is 1024",
        "serving/sglang.py",
        '{"k": 10**3, "M"',
        '{"k": 2**10, "M"',
        "tests/serving/test_sglang.py",
    ),
    Mutation(
        "options behind --",
        "serving/words.py",
        'if word == "--":',
        'if word == "---":',
        "tests/serving/test_words.py tests/cli/test_served.py",
    ),
    Mutation(
        "a rounding twice as wide",
        "reconcile/printed.py",
        "half = Fraction(1, 2 * 10",
        "half = Fraction(1, 10",
        "tests/reconcile/test_printed.py",
    ),
    Mutation(
        "printed GB are decimal",
        "reconcile/printed.py",
        '"GB": GIB, "MiB": MIB',
        '"GB": 10**9, "MiB": MIB',
        "tests/reconcile/test_printed.py",
    ),
    Mutation(
        "the most of several workers",
        "reconcile/log.py",
        "return min(found, key=",
        "return max(found, key=",
        "tests/reconcile/test_read.py",
    ),
    Mutation(
        "earlier starts count",
        "reconcile/starts.py",
        "self._bounded(lines[before:end])",
        "self._bounded(lines[:end])",
        "tests/reconcile/test_read.py tests/reconcile/test_starts.py",
    ),
    Mutation(
        "a static window of w - 1",
        "engines/transformers/static.py",
        "traits.window_offset + 1)",
        "traits.window_offset)",
        "tests/engines/transformers",
    ),
    Mutation(
        "too much is inside",
        "reconcile/rows.py",
        "low - slack <= self.nearest <= high + slack",
        "low - slack <= self.nearest",
        "tests/reconcile/test_reconcile.py",
    ),
    Mutation(
        "a window that no context fills",
        _TERMS,
        "(rows.window or 0) < tokens",
        "(rows.window or 0) < 2 * tokens",
        "tests/planner/test_wide_windows.py",
    ),
    Mutation(
        "a running sequence that stands at its prompt before its first token",
        "traffic/observed.py",
        "first = self.prompts + (self.outputs > 0)",
        "first = self.prompts",
        "tests/traffic/test_requests.py",
    ),
    Mutation(
        "a refused output that is met while it runs",
        "traffic/independent.py",
        "living -= self._refused_at(np.append(survival, 0.0), size)\n",
        "living -= 0\n",
        "tests/traffic/test_requests.py",
    ),
    Mutation(
        "a mixture by requests, not by their steps",
        "traffic/mixture.py",
        "return self._added(self._steps, [part.living() for part in self.parts])",
        "return self._added(self.shares, [part.living() for part in self.parts])",
        "tests/traffic/test_requests.py",
    ),
    Mutation(
        "a law without an end that ends at the limit",
        "traffic/laws.py",
        "whole = self._upto() - below",
        "whole = float(shares[-1]) - below",
        "tests/traffic/test_laws.py",
    ),
    Mutation(
        "failures that are requests",
        "traffic/files.py",
        "failed = (outputs == 0) & form.fails",
        "failed = (outputs < 0) & form.fails",
        "tests/traffic/test_files.py",
    ),
    Mutation(
        "a declared KV cache that vLLM passes over",
        "engines/vllm/versions.py",
        'check="first group", declared_kv=frozenset({"modelopt"})',
        'check="first group", declared_kv=frozenset()',
        "tests/planner/test_declared_kv.py",
    ),
    Mutation(
        "a tower without a merger's norm",
        "importers/parameters/towers.py",
        "deep = 2 * width * side**2 + _merger",
        "deep = _merger",
        "tests/importers/parameters/test_towers.py",
    ),
    Mutation(
        "a bit for a byte",
        _UNITS,
        '8 if match[4] == "b" else 1',
        "1",
        "tests/test_units.py",
    ),
    Mutation(
        "replicas of a prompt move",
        "phases/transfer.py",
        "term.rows.at(tokens) * term.split.count",
        "term.rows.at(tokens) * term.split.on_rank(deployment.tp) * deployment.tp",
        "tests/phases/test_disaggregate.py",
    ),
    Mutation(
        "a moved window begins a block",
        "engines/vllm/transfer.py",
        "ceil_div(spec.window or 0, spec.block_size) + 1",
        "ceil_div(spec.window or 0, spec.block_size)",
        "tests/engines/vllm/test_transfer.py",
    ),
    Mutation(
        "K and V in one descriptor",
        "engines/vllm/transfer.py",
        "apart = 2 if layout.rules.sends_kv_apart else 1",
        "apart = 1",
        "tests/engines/vllm/test_transfer.py",
    ),
    Mutation(
        "slices of heads in a row",
        "engines/vllm/transfer.py",
        "max(1, here // there), here == there",
        "max(1, here // there), True",
        "tests/engines/vllm/test_transfer.py",
    ),
    Mutation(
        "the last token moves",
        "engines/vllm/transfer.py",
        "handover.tokens - layout.has_states",
        "handover.tokens",
        "tests/engines/vllm/test_transfer.py",
    ),
    Mutation(
        "stages in parallel",
        "phases/bounds.py",
        "max(sum(weights), ",
        "max(max(weights), ",
        "tests/phases/test_bounds.py",
    ),
    Mutation(
        "an embedding is read",
        "phases/reading.py",
        'update={"embedding": 0, ',
        "update={",
        "tests/phases/test_reading.py",
    ),
    Mutation(
        "latents that an indexer skips",
        "phases/reading.py",
        "if not (sparse and ",
        "if not (False and ",
        "tests/phases/test_reading.py",
    ),
)


@contextmanager
def copy(source: Path = ROOT) -> Iterator[Path]:
    """Make a copy of what the tests need, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="kvplan-mutations-") as folder:
        for name in COPIED:
            path = source / name
            if not path.is_dir():
                shutil.copy(path, folder)
            elif source == ROOT:
                # A checkout may have bytecode of any age.
                shutil.copytree(path, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copytree(path, Path(folder) / name, copy_function=os.link)
        yield Path(folder)


@contextmanager
def mutated(folder: Path, mutation: Mutation) -> Iterator[None]:
    """Put the error into the copy, and take it out again; exit if its place is gone or not the only one."""
    path = folder / "kvplan" / mutation.file
    right = path.read_text(encoding="utf-8")
    if (places := right.count(mutation.old)) != 1:
        sys.exit(f"{mutation.name}: {mutation.file} has {places} places like {mutation.old!r}, not 1")
    # The file may be a link to that of another copy.
    path.unlink()
    path.write_text(right.replace(mutation.old, mutation.new), encoding="utf-8")
    # Its bytecode is of the file before the error came into it, perhaps of the same second and size.
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
    try:
        yield
    finally:
        path.write_text(right, encoding="utf-8")


def passes(folder: Path, *arguments: str, **settings: str) -> bool:
    """Run tests in the copy, up to the first failure, and return whether all passed."""
    # Plain assertions fail as well as rewritten ones, which say more and take longer to load.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--assert=plain"]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(  # noqa: S603 - the tests of this project
        [*command, "-o", "addopts=--import-mode=importlib", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode not in {0, 1}:
        sys.exit(f"the tests {' '.join(arguments)} could not run:\n{ended.stdout}{ended.stderr}")
    return ended.returncode == 0


def main(arguments: list[str]) -> int:
    """Print who notices which error, and return the exit status."""
    names = [each for each in arguments if each != "--all"]
    chosen = [each for each in MUTATIONS if not names or each.name in names]
    if unknown := set(names) - {each.name for each in chosen}:
        sys.exit(f"unknown mutations: {', '.join(sorted(unknown))}")
    with copy() as right:
        _require_passing(right, chosen)
        judge = partial(_noticed, right, everyone="--all" in arguments)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            noticed = list(pool.map(judge, chosen))
    unnoticed = [each.name for each, by in zip(chosen, noticed, strict=True) if not by]
    sys.stdout.write(f"{len(chosen) - len(unnoticed)} of {len(chosen)} errors were noticed\n")
    return 1 if unnoticed else 0


def _require_passing(right: Path, chosen: Sequence[Mutation]) -> None:
    """Run all tests that are to notice an error where there is none; exit if one fails."""
    suites = {suite: name for each in chosen for name, suite in _suites(each)}
    ordinary = dict.fromkeys(each for suite, name in suites.items() if name == "tests" for each in suite)
    for suite in ([L0] if L0 in suites else []) + ([tuple(ordinary)] if ordinary else []):
        if not passes(right, "-n", "auto", *suite):
            sys.exit(f"{' '.join(suite)} fails without any mutation")


def _suites(mutation: Mutation) -> list[tuple[str, tuple[str, ...]]]:
    """Return who may notice an error, by name and as arguments of pytest, the likeliest first."""
    suites = [("tests", tuple(mutation.tests.split()))]
    if mutation.file.startswith("attention/") and find_spec("torch") is not None:
        suites.insert(0, ("L0", L0))
    return suites


def _noticed(right: Path, mutation: Mutation, *, everyone: bool) -> bool:
    started = time.monotonic()
    noticed: list[str] = []
    with copy(right) as folder, mutated(folder, mutation):
        for name, suite in _suites(mutation):
            # No test that notices has a plugin; loading those that are installed takes a second.
            if (everyone or not noticed) and not passes(folder, *suite, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"):
                noticed.append(name)
    by = " and ".join(noticed) or "NOBODY"
    seconds = time.monotonic() - started
    sys.stdout.write(f"{mutation.name:<32} {mutation.file:<24} noticed by {by} in {seconds:.1f} s\n")
    sys.stdout.flush()
    return bool(noticed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
