"""Read every source of the catalogue again, by hand, with a network: `python docs/sources.py [NAME ...]`."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import Request, urlopen

from kvplan.errors import KvplanError
from kvplan.importers import import_model
from kvplan.importers.compare import compare
from kvplan.specs.catalogue import find_spec, spec_files
from kvplan.specs.load import load_file
from kvplan.specs.model import ModelSpec

_CONFIG = re.compile(r"https://huggingface\.co/[\w.-]+/[\w.-]+/blob/[\w.-]+/config\.json")
_ADDRESS = re.compile(r"(?:https?://|github\.com/|arxiv\.org/)[\w./-]*[\w/]|arXiv:? ?\d{4}\.\d{4,5}")
_MOST_BYTES = 2**20
_SECONDS = 20

Fetch = Callable[[str], bytes]


def fetch(address: str) -> bytes:
    """Return what stands at an address of the web."""
    request = Request(address, headers={"User-Agent": "kvplan docs/sources.py"})  # noqa: S310 - https alone
    with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
        return bytes(answer.read(_MOST_BYTES))


def report(spec: ModelSpec, get: Fetch = fetch) -> Iterator[str]:
    """Yield what the sources of a spec say of it: a config.json is compared, other pages are only reached."""
    configs = _CONFIG.findall(spec.source)
    others = [address for address in _ADDRESS.findall(spec.source) if address not in configs]
    for address in configs:
        yield from _compared(spec, address, get)
    for address in others:
        yield f"{address}: {_reached(address, get)}"
    if not configs and not others:
        yield f"no address in {spec.source!r}"


def _compared(spec: ModelSpec, address: str, get: Fetch) -> Iterator[str]:
    try:
        text = get(address.replace("/blob/", "/raw/"))
    except (URLError, OSError) as error:
        yield f"{address}: not read: {error}"
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_bytes(text)
        try:
            source = import_model(path)
        except KvplanError as error:
            yield f"{address}: not understood: {error.line}"
            return
    found = compare(spec, source.spec, source.estimates)
    yield f"{address}: {'; '.join(found.differences) or 'agrees'}"


def _reached(address: str, get: Fetch) -> str:
    number = re.search(r"\d{4}\.\d{4,5}", address)
    page = f"https://arxiv.org/abs/{number[0]}" if address.startswith("arXiv") and number else address
    try:
        get(page if page.startswith("http") else f"https://{page}")
    except (URLError, OSError) as error:
        return f"not reached: {error}"
    return "there"


def main() -> None:
    """Print a line for each source of the models that are named, or of all."""
    paths = [find_spec(name) for name in sys.argv[1:]] or spec_files()
    for path in paths:
        spec = load_file(path)
        for line in report(spec):
            sys.stdout.write(f"{spec.name}: {line}\n")


if __name__ == "__main__":
    main()
