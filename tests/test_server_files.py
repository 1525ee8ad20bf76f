"""Pictures that a server keeps: their addresses, who may have them, and how they go."""

import os
import re
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import RunMain, Serve
from readers import GENERATED, record_of

from genai_cli.server.kept_files import NAME, KeptFiles

openai = pytest.importorskip("openai")
AGED = 4000  # seconds


def test_a_picture_is_named_by_an_address(serve: Serve, tmp_path: Path) -> None:
    server = serve("-m", "tiny", "--keep-files", tmp_path / "kept", "--api-key", "secret")
    client = server.client("secret")
    asked = {"model": "tiny", "prompt": "a red circle", "size": "64x64", "extra_body": {"seed": 3}}
    made = client.images.generate(**asked, n=2, response_format="url")
    assert len({picture.url for picture in made.data}) == 2
    for picture in made.data:
        assert picture.b64_json is None
        assert picture.url.startswith(f"http://127.0.0.1:{server.port}/files/genai-")
        with urllib.request.urlopen(picture.url) as answer:  # as for OpenAI's, no key is needed
            assert answer.headers["content-type"] == "image/png"
            data = answer.read()
        (tmp_path / "a.png").write_bytes(data)
        assert record_of(tmp_path / "a.png")["prompt"] == "a red circle"
        assert GENERATED.encode() in data
        assert (tmp_path / "kept" / picture.url.rpartition("/")[2]).read_bytes() == data
    assert client.images.generate(**asked).data[0].url is None
    files = sorted((tmp_path / "kept").iterdir())
    assert len(files) == 2
    os.utime(files[0], (time.time() - AGED,) * 2)
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    for name in (files[0].name, "notes.txt", "../key", "..%2fkey", "", "genai-" + "x" * 32 + ".png"):
        status, _, data = server.ask("GET", f"/files/{name}")
        assert (status, b"error" in data, str(tmp_path).encode() in data) == (404, True, False)
    assert server.ask("GET", f"/files/{files[1].name}", headers={"Host": "evil.example"})[0] == 403
    assert "/files/{name}" in server.ask("GET", "/openapi.json")[2].decode()


def test_the_oldest_go_and_nothing_else(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path / "kept", most_bytes=250)
    files.open()
    KeptFiles(tmp_path / "gone").tidy()  # raises nothing
    (tmp_path / "kept" / "notes.txt").write_text("mine" * 100)
    paths = [files.keep(bytes(100), ".png") for _ in range(2)]
    assert all(NAME.fullmatch(path.name) for path in paths)
    os.utime(paths[1], (time.time() - 60,) * 2)
    paths.append(files.keep(bytes(100), ".png"))
    assert [path.exists() for path in paths] == [True, False, True]
    os.utime(paths[0], (time.time() - AGED,) * 2)
    assert files.read(paths[0].name) is None
    files.tidy()
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == sorted([paths[2].name, "notes.txt"])
    os.utime(paths[2], (time.time() - AGED,) * 2)
    KeptFiles(tmp_path / "kept").open()  # what an earlier server left
    assert not paths[2].exists()


def test_names_cannot_be_guessed(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path)
    names = {files.keep(b"x", ".png").name for _ in range(50)}
    assert len(names) == 50
    assert {len(re.sub(r"^genai-|\.png$", "", name)) for name in names} == {32}


def test_a_folder_that_takes_nothing_is_said_at_once(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_main("serve", "--port", "0", "--keep-files", tmp_path / "file" / "kept")
    assert done.code == 6
    assert "--keep-files names another folder" in done.stderr


def test_a_folder_that_is_gone_is_an_error_that_names_no_path(serve: Serve, tmp_path: Path) -> None:
    server = serve("-m", "tiny", "--keep-files", tmp_path / "kept")
    (tmp_path / "kept").rmdir()
    body = {"prompt": "a red circle", "size": "64x64", "seed": 1, "response_format": "url"}
    status, _, data = server.ask("POST", "/v1/images/generations", body)
    assert (status, b"cannot be kept" in data, str(tmp_path).encode() in data) == (507, True, False)
