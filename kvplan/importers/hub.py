"""
Models of a hub by their id: only metadata is fetched, through huggingface_hub and its cache.

What is fetched: config.json, generation_config.json, hf_quant_config.json, the safetensors index,
and of each weight file the header, by a range request. huggingface_hub finds the endpoint
(HF_ENDPOINT), the token, the cache and the offline mode (HF_HUB_OFFLINE). Its own reader of headers
is not used, as it takes whatever body a server sends into memory.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kvplan.errors import ImportedError, NotFetchedError
from kvplan.importers.files import find_inside, read_plain
from kvplan.importers.hub_guard import BadAnswerError, Guard, Limit, StatusError, TooLargeError
from kvplan.importers.ranges import HeaderSource, UnreachableError
from kvplan.importers.safetensors import (
    INDEX_NAMES,
    MAX_INDEX_BYTES,
    SINGLE_NAMES,
    Index,
    read_folder,
    read_index,
    stored,
    total_alone,
)
from kvplan.importers.stored import StoredTensor, StoredWeights
from kvplan.records import record

_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
_ID = re.compile(f"{_PART}/{_PART}", re.ASCII)
_REVISION = re.compile(r"[\w][\w./-]{0,199}", re.ASCII)
_REQUIRED = "config.json"
_OPTIONAL = ("generation_config.json", "hf_quant_config.json")
_PARALLEL = 8
SERVER_ERROR = 500
"""Statuses from here on say that the hub is in trouble, not that it refuses."""

_OFFLINE_HELP = (
    "        a catalogue name, a spec file, or a config.json or model folder on disk works offline"
)


@record
class HubModel:
    """
    The metadata of one model at one commit.

    `folder` is the commit's folder in the hub's cache, with config.json in it. `origin` is the scheme and
    host of the hub that answered, empty if the cache did. `weights` are None if the model has no
    safetensors. `notes` say what a person should know, such as a hub out of reach.
    """

    repo_id: str
    commit: str
    folder: Path
    origin: str
    weights: StoredWeights | None
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The address of the config that was read, or its place in the cache if no hub was asked."""
        path = f"{self.repo_id}/blob/{self.commit}/{_REQUIRED}"
        return f"{self.origin}/{path}" if self.origin else f"the hub's cache: {path}"


def is_hub_id(text: str) -> bool:
    """
    Tell whether *text* has the form of a hub id, `organisation/name`.

    What this takes huggingface_hub takes, too (validate_repo_id in utils/_validators.py): it raises for
    all else.
    """
    barred = ".." in text or "--" in text or text.endswith(".git")
    return _ID.fullmatch(text) is not None and not barred


def fetch_model(repo_id: str, revision: str | None = None) -> HubModel:
    """
    Return the metadata of a model on the hub, of *revision* or the newest commit.

    Raises ImportedError, in one or two lines, without huggingface_hub, without the network and
    anything in the cache, for a model that is missing, gated or broken, and for a file that is
    larger than metadata can be.
    """
    if not is_hub_id(repo_id):
        raise ImportedError(f"{repo_id!r} is not a hub id; expected organisation/name")
    if revision is not None and not (_REVISION.fullmatch(revision) and ".." not in revision):
        raise ImportedError(f"{revision!r} is not a revision; expected a branch, a tag or a commit")
    _require_hub(repo_id)
    with _quiet(), Guard() as guard:
        trouble = _trouble(guard, repo_id, revision)
        cached = trouble is not None
        config = _download(guard, repo_id, _REQUIRED, revision, cached=cached)
        if config is None:
            raise NotFetchedError(f"{repo_id} is not in the hub's cache, and {trouble};", _OFFLINE_HELP)
        folder = config.parent
        for name in _OPTIONAL:
            _download(guard, repo_id, name, folder.name, cached=cached)
        if trouble:
            notes: tuple[str, ...] = (f"from the hub's cache, as {trouble}",)
            weights = read_folder(folder)
        else:
            weights, notes = _weights(guard, repo_id, folder)
    origin = "" if cached else guard.origin
    return HubModel(
        repo_id=repo_id, commit=folder.name, folder=folder, origin=origin, weights=weights, notes=notes
    )


def _require_hub(repo_id: str) -> None:
    try:
        import huggingface_hub  # noqa: F401, PLC0415 - an extra, and heavy
    except ImportError:
        raise NotFetchedError(
            f"{repo_id} is a hub id, which needs huggingface_hub: pip install '.[hub]' in the checkout;",
            _OFFLINE_HELP,
        ) from None


def _trouble(guard: Guard, repo_id: str, revision: str | None) -> str | None:
    """
    Return why the hub cannot be asked now, None if it can.

    Raises ImportedError for an answer that says no or is none of a hub's. It is one request, without
    the client's own retries, which take minutes.
    """
    from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url  # noqa: PLC0415

    url = hf_hub_url(repo_id, _REQUIRED, revision=revision)
    try:
        answer = guard.in_time(
            constants.ENDPOINT, lambda: get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        )
    except errors.OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set"
    except errors.HfHubHTTPError as error:
        if error.response.status_code < SERVER_ERROR:
            raise _refused(repo_id, revision, error) from None
        return f"{constants.ENDPOINT} answers {error.response.status_code}"
    except BadAnswerError as error:
        raise _failed(repo_id, _REQUIRED, error) from None
    except Exception as error:  # noqa: BLE001 - the client's own errors, of every kind
        return f"{constants.ENDPOINT} cannot be reached ({_first_line(error)})"
    if answer.commit_hash is None:
        raise ImportedError(f"{constants.ENDPOINT} does not answer as a hub does; check HF_ENDPOINT")
    return None


def _weights(guard: Guard, repo_id: str, folder: Path) -> tuple[StoredWeights | None, tuple[str, ...]]:
    """Return the weights from headers, or from the index alone if no header can be read."""
    index = _index(guard, repo_id, folder)
    shards = index.shards if index else list(SINGLE_NAMES[:1])
    if all(find_inside(folder, shard) for shard in shards):
        return read_folder(folder), ()
    source = HeaderSource(repo_id=repo_id, commit=folder.name)
    try:
        headers = guard.in_time(f"the headers of {repo_id}", lambda: _read_all(source, shards))
    except (UnreachableError, BadAnswerError) as error:
        note = f"the headers of the weight files could not be read ({error})"
        return (total_alone(index) if index else None), (note,)
    found = {shard: tensors for shard, tensors in headers.items() if tensors is not None}
    if index and len(found) < len(shards):
        missing = [shard for shard in shards if shard not in found]
        raise ImportedError(f"{repo_id}: the index names {missing[0]}, which the hub does not have")
    return (stored(found, index) if found else None), ()


def _read_all(source: HeaderSource, shards: list[str]) -> dict[str, tuple[StoredTensor, ...] | None]:
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        return dict(zip(shards, pool.map(source.read, shards), strict=True))


def _index(guard: Guard, repo_id: str, folder: Path) -> Index | None:
    """Return the safetensors index of the model, None if it has a single weight file or none."""
    for name in INDEX_NAMES:
        path = _download(guard, repo_id, name, folder.name)
        if path:
            return read_index(read_plain(path, MAX_INDEX_BYTES), f"{repo_id}: {name}")
    return None


def _download(
    guard: Guard, repo_id: str, name: str, revision: str | None, *, cached: bool = False
) -> Path | None:
    """Return the path of a small file in the hub's cache, None if the model (or the cache) has none."""
    from huggingface_hub import errors, hf_hub_download  # noqa: PLC0415 - an extra, and heavy

    def work() -> str:
        path: str = hf_hub_download(
            repo_id,
            name,
            revision=revision,
            local_files_only=cached,
            headers={"accept-encoding": "identity"},
            tqdm_class=Limit,
        )
        return path

    try:
        path = guard.in_time(f"{name} of {repo_id}", work)
    except errors.EntryNotFoundError as error:
        if isinstance(error, errors.RemoteEntryNotFoundError) or cached:
            return None
        raise _failed(repo_id, name, error.__cause__ or error) from None
    except TooLargeError:
        raise ImportedError(
            f"{repo_id}: {name} is larger than {MAX_INDEX_BYTES // 2**20} MiB; a real one is far smaller"
        ) from None
    except Exception as error:  # noqa: BLE001 - the client's own errors, of every kind
        raise _failed(repo_id, name, error) from None
    return Path(path)


def _refused(repo_id: str, revision: str | None, error: Any) -> NotFetchedError:  # noqa: ANN401 - not ours
    """Return in one or two lines what the hub's refusal means."""
    from huggingface_hub import constants, errors  # noqa: PLC0415 - an extra, and heavy

    hub, status = constants.ENDPOINT, error.response.status_code
    match error:
        case errors.RemoteEntryNotFoundError():
            return NotFetchedError(
                f"{repo_id} has no {_REQUIRED} at revision {revision or 'main'};",
                "        if it holds GGUF files, download one and give its path",
            )
        case errors.RevisionNotFoundError():
            text = f"has no revision {revision}: expected a branch, a tag or a commit"
        case errors.GatedRepoError():
            text = f"is gated: accept its terms at {hub}/{repo_id} and log in with `hf auth login`"
        case errors.RepositoryNotFoundError():
            text = f"is not at {hub}, or is private: check the id, or log in with `hf auth login`"
        case _ if status in (401, 403):
            text = f"was refused by {hub} ({status}): the token is wrong or has no access to it"
        case _:
            text = f"could not be fetched: {hub} answers {status}"
    return NotFetchedError(f"{repo_id} {text};", _OFFLINE_HELP)


def _failed(repo_id: str, name: str, error: BaseException) -> NotFetchedError:
    return NotFetchedError(f"{repo_id}: {name} could not be fetched: {_first_line(error)};", _OFFLINE_HELP)


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [""])[0][:120]
    if isinstance(error, BadAnswerError | StatusError):
        return line
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's own warnings off stderr: what fails is said once, in an error."""
    from huggingface_hub.utils import logging  # noqa: PLC0415 - an extra, and heavy

    before = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)
