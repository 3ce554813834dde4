"""The hub against a real HTTP server: only metadata is fetched, and each failure is one or two lines."""

import gzip
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from kvplan.errors import ImportedError
from kvplan.importers.hub import fetch_model, is_hub_id
from tests.importers.hub_server import COMMIT, Hub, serve
from tests.importers.model_files import safetensors, safetensors_header

ROOT = Path(__file__).parents[2]
needs_hub = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None,
    reason="huggingface_hub is not installed (the extra `hub`)",
)
# The library reads its settings when it is imported, so each case runs in a process of its own.
PROGRAM = """
import json, os, sys
from kvplan.errors import KvplanError
from kvplan.importers import hub_guard
from kvplan.importers.hub import fetch_model
hub_guard.SECONDS = float(os.environ.get("SECONDS", hub_guard.SECONDS))
hub_guard.NOTICE_SECONDS = min(hub_guard.NOTICE_SECONDS, hub_guard.SECONDS / 2)
try:
    model = fetch_model(*sys.argv[1:])
except KvplanError as error:
    print(json.dumps({"error": str(error)}))
else:
    print(json.dumps({
        "commit": model.commit,
        "source": model.source,
        "files": sorted(path.name for path in model.folder.iterdir()),
        "weights": model.weights and model.weights.bytes_by_dtype(),
        "total": model.weights and model.weights.total_bytes,
        "notes": model.notes,
    }))
"""
TENSORS = {"a": ("BF16", [4, 8], 64), "b": ("F32", [3], 12)}
INDEX = {"metadata": {"total_size": 76}, "weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}
GB = 10**9
FILES = {
    "org/one/config.json": b'{"model_type": "llama"}',
    "org/one/generation_config.json": b"{}",
    "org/one/hf_quant_config.json": b"{}",
    "org/one/README.md": b"never asked for",
    "org/one/modeling_one.py": b"raise SystemExit('code of the repository was run')",
    "org/one/model.safetensors": safetensors(TENSORS),
    "org/two/config.json": b"{}",
    "org/two/model.safetensors.index.json": json.dumps(INDEX).encode(),
    "org/two/x.safetensors": safetensors({"a": TENSORS["a"]}),
    "org/two/y.safetensors": safetensors({"b": TENSORS["b"]}),
    "org/bare/config.json": b"{}",
    "org/gguf/model.gguf": b"GGUF",
}


class Client:
    """Runs fetch_model in a process of its own, against one hub and with one cache."""

    def __init__(self, hub: Hub, cache: Path) -> None:
        self.hub = hub
        self.cache = cache
        self.waited: list[str] = []

    def fetch(self, *arguments: str, **environment: str) -> dict[str, Any]:
        settings = {
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": str(self.cache),
            "HF_HUB_ETAG_TIMEOUT": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        done = subprocess.run(  # noqa: S603 - this file's own program
            [sys.executable, "-c", PROGRAM, *arguments],
            env=inherited | settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0
        self.waited = done.stderr.splitlines()
        assert all(line.startswith("kvplan: waiting for ") for line in self.waited), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def refusal(self, *arguments: str, **environment: str) -> str:
        """Return the error of a fetch, which is one or two lines, not too long."""
        text = str(self.fetch(*arguments, **environment)["error"])
        assert len(text.splitlines()) <= 2
        assert max(map(len, text.splitlines())) < 220
        return text


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    hub = Hub(files=FILES)
    with serve(hub):
        yield Client(hub, tmp_path / "cache")


@needs_hub
def test_one_file(client: Client) -> None:
    found = client.fetch("org/one")
    assert found == {
        "commit": COMMIT,
        "source": f"{client.hub.endpoint}/org/one/blob/{COMMIT}/config.json",
        "files": ["config.json", "generation_config.json", "hf_quant_config.json"],
        "weights": {"BF16": 64, "F32": 12},
        "total": 76,
        "notes": [],
    }


@needs_hub
def test_only_metadata_is_asked_for(client: Client) -> None:
    client.fetch("org/one")
    client.fetch("org/two")
    fetched = {(asked.file, asked.range) for asked in client.hub.asked if asked.method == "GET"}
    assert fetched == {
        ("config.json", ""),
        ("generation_config.json", ""),
        ("hf_quant_config.json", ""),
        ("model.safetensors.index.json", ""),
        ("model.safetensors", "bytes=0-99999"),
        ("x.safetensors", "bytes=0-99999"),
        ("y.safetensors", "bytes=0-99999"),
    }


@needs_hub
def test_shards_by_dtype(client: Client) -> None:
    found = client.fetch("org/two", COMMIT)
    assert (found["weights"], found["commit"]) == ({"BF16": 64, "F32": 12}, COMMIT)


@needs_hub
def test_a_model_without_safetensors(client: Client) -> None:
    found = client.fetch("org/bare")
    assert (found["weights"], found["notes"]) == (None, [])


@needs_hub
def test_a_long_header_takes_a_second_request(client: Client) -> None:
    names = {f"model.layers.{number:06}.mlp.down_proj.weight": ("U8", [8], 8) for number in range(2000)}
    header = safetensors_header(names)
    client.hub.files = {**FILES, "org/bare/model.safetensors": header + b"\0" * 16000}
    assert client.fetch("org/bare")["total"] == 16000
    ranges = [asked.range for asked in client.hub.asked if asked.range]
    assert ranges == ["bytes=0-99999", f"bytes=100000-{len(header) - 1}"]


@needs_hub
def test_a_weight_file_of_5_gb_is_not_read(client: Client) -> None:
    """Its header is; where the server ignores ranges, reading stops after the first 100,000 bytes."""
    header = safetensors_header({"a": ("U8", [5 * GB], 5 * GB)})
    client.hub.files = {**FILES, "org/bare/model.safetensors": header}
    client.hub.lengths = {"org/bare/model.safetensors": len(header) + 5 * GB}
    assert client.fetch("org/bare")["total"] == 5 * GB
    client.hub.ignores_ranges = True
    assert client.fetch("org/bare")["total"] == 5 * GB
    assert client.hub.sent_bytes < 100 * 2**20


@needs_hub
def test_the_token_stays_with_the_hub(client: Client) -> None:
    """A weight file lies on another host, as at the real hub; only the hub itself sees the token."""
    with serve(Hub(files=FILES)) as store:
        path = f"/org/one/resolve/{COMMIT}/model.safetensors"
        client.hub.moved = {"org/one/model.safetensors": store.endpoint + path}
        found = client.fetch("org/one", HF_TOKEN="hf_made_up")  # noqa: S106 - not one
        assert found["total"] == 76
        assert {asked.token for asked in client.hub.asked} == {"Bearer hf_made_up"}
        assert [asked.token for asked in store.asked] == [""]


@needs_hub
def test_offline_mode_takes_the_cache(client: Client) -> None:
    client.fetch("org/two")
    client.hub.asked.clear()
    found = client.fetch("org/two", HF_HUB_OFFLINE="1")
    assert (found["commit"], found["total"], found["weights"]) == (COMMIT, 76, {})
    assert found["notes"] == ["from the hub's cache, as HF_HUB_OFFLINE is set"]
    assert found["source"] == f"the hub's cache: org/two/blob/{COMMIT}/config.json"
    assert client.hub.asked == []
    text = client.refusal("org/one", HF_HUB_OFFLINE="1")
    assert "org/one is not in the hub's cache, and HF_HUB_OFFLINE is set" in text
    assert "a spec file, or a config.json or model folder on disk works offline" in text


@needs_hub
def test_a_hub_out_of_reach_takes_the_cache(client: Client) -> None:
    client.fetch("org/two")
    found = client.fetch("org/two", HF_ENDPOINT="http://127.0.0.1:9")
    assert found["commit"] == COMMIT
    assert "http://127.0.0.1:9 cannot be reached" in found["notes"][0]
    text = client.refusal("org/one", HF_ENDPOINT="http://127.0.0.1:9")
    assert "org/one is not in the hub's cache, and http://127.0.0.1:9 cannot be reached" in text


@needs_hub
@pytest.mark.parametrize(
    ("status", "code", "problem"),
    [
        (403, "GatedRepo", "is gated: accept its terms at"),
        (401, "RepoNotFound", "or is private: check the id, or log in"),
        (404, "RepoNotFound", "is not at"),
        (401, "", "(401): the token is wrong or has no access to it"),
        (403, "", "(403): the token is wrong or has no access to it"),
        (418, "", "answers 418"),
        (503, "", "is not in the hub's cache, and"),
    ],
)
def test_refusals(client: Client, status: int, code: str, problem: str) -> None:
    client.hub.errors = {"org/one": (status, code)}
    assert problem in client.refusal("org/one")


@needs_hub
def test_unknown_models_revisions_and_files(client: Client) -> None:
    assert "org/none is not at http://127.0.0.1" in client.refusal("org/none")
    assert "org/one has no revision v9: expected a branch" in client.refusal("org/one", "v9")
    text = client.refusal("org/gguf")
    assert "org/gguf has no config.json at revision main" in text
    assert "if it holds GGUF files, download one and give its path" in text


@needs_hub
def test_a_server_that_never_answers(client: Client) -> None:
    client.hub.slow = frozenset({"org/one"})
    """It is asked once: the client's own retries would take minutes."""
    assert "cannot be reached (ReadTimeout" in client.refusal("org/one")
    assert len(client.hub.asked) == 1


@needs_hub
def test_a_config_cut_short(client: Client) -> None:
    client.hub.cut = {"org/one/config.json": 5}
    assert "org/one: config.json could not be fetched" in client.refusal("org/one")


@needs_hub
@pytest.mark.parametrize("where", ["lengths", "grown"])
def test_a_config_of_5_gb(client: Client, where: str) -> None:
    """Refused by its announced size, and again by what comes, if only the body is that large."""
    setattr(client.hub, where, {"org/one/config.json": 5 * GB})
    assert "org/one: config.json is larger than 32 MiB" in client.refusal("org/one")
    assert client.hub.sent_bytes < 100 * 2**20


def written(folder: Path) -> list[Path]:
    """Return the files beside and in a cache, but those that it keeps for itself in it."""
    own = {"cache/hub/CACHEDIR.TAG", "cache/hub/models--org--one/refs/main"}
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path.suffix != ".lock" and str(path) not in own]


@needs_hub
@pytest.mark.parametrize(
    ("etag", "first"),
    [
        *(("../../../../owned", first) for first in (1, 2, 3)),
        *((etag, 1) for etag in ("/owned", "..", '"', "a b", "a" * 129)),
    ],
)
def test_an_etag_that_is_not_plain_writes_nothing(client: Client, etag: str, first: int) -> None:
    """The cache calls a file by it; the hub is asked once, then for each file, then for its body."""
    client.hub.etags = {"org/one/config.json": (first, etag)}
    assert "config.json could not be fetched: the server sends the ETag" in client.refusal("org/one")
    assert written(client.cache.parent) == []


@needs_hub
@pytest.mark.parametrize("commit", ["../../../owned", "main", COMMIT[1:], COMMIT.upper().replace("0", "A")])
def test_a_commit_that_is_none_writes_nothing(client: Client, commit: str) -> None:
    client.hub.commits = {"org/one": commit}
    assert "config.json could not be fetched: the server calls" in client.refusal("org/one")
    assert written(client.cache.parent) == []


@needs_hub
def test_a_missing_file_has_a_plain_commit_too(client: Client) -> None:
    """The cache keeps which files a commit has not, in a folder called by what the server says."""
    client.hub.commits = {"org/gguf": "../../../owned"}
    assert "the server calls '../../../owned' a commit" in client.refusal("org/gguf")
    assert written(client.cache.parent) == []


@needs_hub
def test_a_body_that_never_ends_is_given_up_and_said_to_be_waited_for(client: Client) -> None:
    """Each byte comes before a read times out."""
    client.hub.dripping = frozenset({"org/one/config.json"})
    client.hub.lengths = {"org/one/config.json": 10**6}
    text = client.refusal("org/one", SECONDS="4")
    assert "org/one: config.json could not be fetched: no whole answer within 4.0 seconds" in text
    assert client.waited == ["kvplan: waiting for config.json of org/one, 4.0 seconds at most"]
    assert 0 < client.hub.sent_bytes < 10**6


@needs_hub
def test_headers_that_never_end_leave_the_index(client: Client) -> None:
    client.hub.dripping = frozenset({"org/two/x.safetensors"})
    client.hub.lengths = {"org/two/x.safetensors": 10**6}
    found = client.fetch("org/two", SECONDS="4")
    assert (found["total"], found["weights"]) == (76, {})
    assert "could not be read (no whole answer within 4.0 seconds)" in found["notes"][0]
    assert client.waited[-1] == "kvplan: waiting for the headers of org/two, 4.0 seconds at most"


@needs_hub
@pytest.mark.parametrize("packed", ["gzip", "gzip, gzip", "br"])
def test_a_packed_body_is_not_unpacked(client: Client, packed: str) -> None:
    """A megabyte of gzip holds a gigabyte of zeros, and of gzip in gzip far more."""
    bomb = gzip.compress(gzip.compress(bytes(2**24)))
    client.hub.files = {**FILES, "org/one/config.json": bomb}
    client.hub.packed = {"org/one/config.json": packed}
    text = client.refusal("org/one")
    assert f"could not be fetched: the server packs its answer ({packed})" in text
    assert client.hub.sent_bytes <= len(bomb)


@needs_hub
def test_headers_that_cannot_be_had_leave_the_index(client: Client) -> None:
    client.hub.cut = {"org/two/x.safetensors": 3}
    found = client.fetch("org/two")
    assert (found["total"], found["weights"]) == (76, {})
    assert "the headers of the weight files could not be read" in found["notes"][0]


@needs_hub
@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"x.safetensors": b"\xff" * 100}, "org/two: x.safetensors: the first 8 bytes claim a header of"),
        ({"x.safetensors": safetensors({"a": TENSORS["a"]})[:-1]}, "org/two: x.safetensors is cut short"),
        ({"x.safetensors": safetensors({"c": TENSORS["a"]})}, "a is not in x.safetensors"),
        ({"model.safetensors.index.json": b"{"}, "model.safetensors.index.json:1: not JSON"),
        (
            {"model.safetensors.index.json": b'{"weight_map": {"a": "../../x"}}'},
            "is not the plain name of a file",
        ),
        (
            {"model.safetensors.index.json": b'{"weight_map": {"a": "z.safetensors"}}'},
            "the index names z.safetensors, which the hub does not have",
        ),
    ],
)
def test_broken_weights_are_refused(client: Client, files: dict[str, bytes], problem: str) -> None:
    client.hub.files = {**FILES, **{f"org/two/{name}": data for name, data in files.items()}}
    assert problem in client.refusal("org/two")


def test_what_is_a_hub_id() -> None:
    for text in ("org/name", "Qwen/Qwen3-0.6B", "01-ai/Yi-6B", "meta-llama/Llama-3.1-8B"):
        assert is_hub_id(text)
    for text in (
        "name",
        "a/b/c",
        "./model",
        "/etc/passwd",
        "../x",
        "a/..",
        "~/x",
        "a b/c",
        "a/b--c",
        "a/b-",
        "a./b",
        "a/b.git",
        "",
        "a/",
    ):
        assert not is_hub_id(text)


def test_what_is_taken_for_a_hub_id_the_hubs_client_takes() -> None:
    """It raises an error of its own for any other."""
    validators = pytest.importorskip("huggingface_hub.utils", reason="needs kvplan[hub]")
    ids = [f"{'x' * 96}/{'x' * 96}", *map("".join, product("a_-.", *["a_-./"] * 5)), "a/b.git", "a/b.gitt"]
    taken = [text for text in ids if is_hub_id(text)]
    assert len(taken) > 20
    for text in taken:
        validators.validate_repo_id(text)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("../../etc/passwd",), "is not a hub id; expected organisation/name"),
        (("org/name", "../x"), "is not a revision; expected a branch"),
        (("org/name", ""), "is not a revision"),
    ],
)
def test_ids_that_are_none(arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ImportedError, match=problem):
        fetch_model(*arguments)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportedError) as error:
        fetch_model("org/name")
    assert str(error.value) == (
        "org/name is a hub id, which needs huggingface_hub: pip install '.[hub]' in the checkout;\n"
        "        a catalogue name, a spec file, or a config.json or model folder on disk works offline"
    )


def test_the_module_is_imported_without_the_extra() -> None:
    """A cold start never pays for huggingface_hub."""
    code = "import sys, kvplan.importers.hub; print('huggingface_hub' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - this file's own program
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
