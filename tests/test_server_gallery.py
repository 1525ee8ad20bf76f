"""The gallery that a server shows: the page, the files on it and no others, and who may see it."""

import base64
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

from conftest import RunMain, Serve
from gallery_folder import BREAKOUTS, fill_folder, make_record, write_picture, write_words


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_the_page_and_its_files_and_nothing_else_of_the_folder(serve: Serve, tmp_path: Path) -> None:
    folder = fill_folder(tmp_path / "out")
    (folder / "notes.md").write_text("mine")
    (folder / "out.png").symlink_to(tmp_path / "outside.png")
    write_picture(tmp_path / "outside.png", make_record("outside"))
    write_words(folder / "said.srt", make_record("", task="transcribe", text="the train leaves"))
    server = serve("--gallery", folder)
    status, headers, page = ask(server.port, "/gallery/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert json.dumps(BREAKOUTS[0]).encode() not in page
    assert ask(server.port, "/gallery/", **{"If-None-Match": headers["etag"]})[0] == 304
    names = re.findall(rb'"url": ?"\./([^"]+)"', page)
    assert len(names) > 10
    for name in {name.decode() for name in names}:
        status, headers, data = ask(server.port, f"/gallery/{name}")
        assert (status, headers["x-content-type-options"]) == (200, "nosniff"), name
        assert data
    assert ask(server.port, "/gallery/tinted-1.png")[1]["content-type"] == "image/png"
    assert ask(server.port, "/gallery/said.srt")[1]["content-type"] == "text/plain; charset=utf-8"
    part = ask(server.port, "/gallery/tinted-1.png", Range="bytes=0-7")
    assert (part[0], part[2]) == (206, b"\x89PNG\r\n\x1a\n")
    for name in ("notes.md", "out.png", "manifest.jsonl", "../outside.png", "..%2foutside.png", "gallery.html", "%00"):
        assert ask(server.port, f"/gallery/{name}")[0] == 404, name
    assert ask(server.port, "/gallery/", Host="evil.example")[0] == 403
    assert not (folder / "gallery.html").exists()


def test_with_a_key_a_browser_asks_for_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    server = serve("--gallery", tmp_path / "out", "--api-key", "secret")
    status, headers, _ = ask(server.port, "/gallery/")
    assert (status, "Basic" in headers["www-authenticate"]) == (401, True)
    for login, wanted in (("any:secret", 200), (":secret", 200), ("secret:", 401), ("secret", 401)):
        sent = base64.b64encode(login.encode()).decode()
        assert ask(server.port, "/gallery/", Authorization=f"Basic {sent}")[0] == wanted, login
    assert ask(server.port, "/gallery/", Authorization="Basic !")[0] == 401
    assert ask(server.port, "/gallery/", Authorization="Bearer secret")[0] == 200
    assert "/gallery/{name}" in ask(server.port, "/openapi.json")[2].decode()


def test_a_folder_that_goes_and_comes_back(serve: Serve, tmp_path: Path) -> None:
    """Meanwhile the answer is an error in OpenAI's form, which names no path."""
    folder = tmp_path / "out"
    folder.mkdir()
    write_picture(folder / "cat.png", make_record("a cat"))
    server = serve("--gallery", folder)
    assert ask(server.port, "/gallery/")[0] == ask(server.port, "/gallery/cat.png")[0] == 200
    folder.rename(tmp_path / "elsewhere")
    for path in ("/gallery/", "/gallery/cat.png"):
        status, headers, data = ask(server.port, path)
        assert (status, headers["content-type"], headers["retry-after"]) == (503, "application/json", "5")
        error = json.loads(data)["error"]
        assert (error["type"], error["message"]) == ("server_error", "the folder of the gallery is not there")
    folder.mkdir()
    write_picture(folder / "dog.png", make_record("a dog"))
    status, _, page = ask(server.port, "/gallery/")
    assert (status, b"a dog" in page, b"a cat" in page) == (200, True, False)
    assert [ask(server.port, f"/gallery/{name}.png")[0] for name in ("dog", "cat")] == [200, 404]
    assert server.process.poll() is None


def test_a_folder_that_is_none_is_refused(run_main: RunMain, tmp_path: Path) -> None:
    done = run_main("serve", "--port", "0", "--gallery", tmp_path / "nowhere")
    assert (done.code, "is not a folder" in done.stderr) == (2, True)
