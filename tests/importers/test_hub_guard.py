"""What is refused of an answer before its body is read, answer by answer."""

from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from kvplan.importers.hub_guard import BadAnswerError, Guard, StatusError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def answer(status: int = 200, *, method: str = "GET", **headers: str) -> Any:
    """Return an answer as the client gives it; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = SimpleNamespace(scheme="https", netloc=b"user:secret@hub.example:8443")
    return SimpleNamespace(
        headers=named,
        status_code=status,
        is_closed=False,
        has_redirect_location="location" in named,
        request=SimpleNamespace(method=method, url=url),
    )


def look(response: Any) -> Guard:
    guard = Guard()
    guard._look(response)
    return guard


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_repo_commit": COMMIT, "etag": f'"{COMMIT}"'},
        {"etag": f'W/"{COMMIT}"', "x_linked_etag": f'"{"a" * 64}"'},
        {"etag": '"9b2cf535f27731c974343645a3985328-12"', "content_encoding": "identity"},
        {"location": "https://store.example/x", "content_length": "1369"},
    ],
)
def test_what_hubs_and_their_stores_answer(headers: dict[str, Any]) -> None:
    look(answer(**headers))


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"etag": '"../../x"'}, "the ETag"),
        ({"etag": '"a"', "x_linked_etag": '"/x"'}, "the ETag"),
        ({"x_repo_commit": "../x"}, "a commit"),
        ({"x_repo_commit": COMMIT + "\n"}, "a commit"),
        ({"content_encoding": "gzip"}, "packs its answer"),
        ({"location": "/x", "content_length": str(2**30)}, "redirects with 1073741824 bytes"),
        ({"location": "/x", "content_length": "-1"}, "redirects with -1 bytes"),
    ],
)
def test_what_no_hub_answers(headers: dict[str, Any], told: str) -> None:
    with pytest.raises(BadAnswerError, match=told):
        look(answer(**headers))


def test_the_body_of_an_error_is_not_read() -> None:
    """It may be of any length; a HEAD has none, and the client tells its errors apart."""
    with pytest.raises(StatusError) as error:
        look(answer(404, x_error_code="EntryNotFound"))
    assert (str(error.value), error.value.code) == ("the server answers 404", "EntryNotFound")
    look(answer(404, method="HEAD"))


def test_the_origin_is_the_host_that_names_the_commit_without_its_user() -> None:
    assert look(answer(x_repo_commit=COMMIT)).origin == "https://hub.example:8443"
    assert look(answer()).origin == ""


def test_files_are_fetched_without_xet() -> None:
    """Its own client would pass by what is looked at here."""
    response = answer(x_xet_hash="a" * 64)
    look(response)
    assert response.headers == {}


def test_what_is_waited_for_no_longer_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvplan.importers.hub_guard.SECONDS", 0)
    monkeypatch.setattr("kvplan.importers.hub_guard.NOTICE_SECONDS", 0)
    closed: list[bool] = []
    guard = Guard()
    response = answer()
    response.close = lambda: closed.append(True)
    guard._look(response)
    stays = Event()
    with pytest.raises(BadAnswerError, match="no whole answer within 0 seconds"):
        guard.in_time("a file", stays.wait)
    assert closed == [True]
    with pytest.raises(BadAnswerError, match="no answer is waited for any longer"):
        guard._look(answer())
    stays.set()
