"""A small model hub on 127.0.0.1, served from folders: as much of the real one's API as huggingface_hub asks for.

API: https://huggingface.co/docs/hub/api
"""

import hashlib
import json
import re
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

# What the real hub's .gitattributes keeps in large file storage.
LFS_SUFFIXES = (".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".pkl", ".h5", ".msgpack", ".ot", ".onnx", ".tflite")
API = re.compile(r"/api/models/(?P<name>[^/]+/[^/]+)(?:/(?P<what>revision|tree|paths-info|refs)(?:/(?P<rest>.*))?)?")
# The library's telemetry asks for this once a day.
HARNESSES = "/api/agent-harnesses"
RESOLVE = re.compile(r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class HubFile:
    """One file of a commit; `oid` is its git blob id, `sha256` is set for files in large file storage."""

    path: str
    source: Path
    size: int
    oid: str
    sha256: str | None

    @property
    def etag(self) -> str:
        """What the hub names the content by."""
        return self.sha256 or self.oid

    def sibling(self, blobs: bool) -> dict[str, Any]:
        """The file as the model API lists it."""
        if not blobs:
            return {"rfilename": self.path}
        lfs = {"lfs": {"sha256": self.sha256, "size": self.size, "pointerSize": 134}} if self.sha256 else {}
        return {"rfilename": self.path, "size": self.size, "blobId": self.oid} | lfs

    def entry(self) -> dict[str, Any]:
        """The file as the tree API lists it."""
        lfs = {"lfs": {"oid": self.sha256, "size": self.size, "pointerSize": 134}} if self.sha256 else {}
        return {"type": "file", "path": self.path, "size": self.size, "oid": self.oid} | lfs


@dataclass(frozen=True)
class Commit:
    """The files of a repository at one point, by path."""

    id: str
    files: Mapping[str, HubFile]


@dataclass(frozen=True)
class Answer:
    """What one request gets; with `drop_after`, the connection ends after so many bytes of the body."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop_after: int | None = None


def read_file(folder: Path, source: Path) -> HubFile:
    """Describe a file by its path below `folder` and its hashes."""
    data = source.read_bytes()
    path = source.relative_to(folder).as_posix()
    large = path.endswith(LFS_SUFFIXES)
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return HubFile(path, source, len(data), oid, hashlib.sha256(data).hexdigest() if large else None)


def read_commit(folder: Path) -> Commit:
    """The commit that holds a folder's files; equal files make an equal commit."""
    described = [read_file(folder, path) for path in sorted(folder.rglob("*")) if path.is_file()]
    files = {file.path: file for file in described}
    listing = "\n".join(f"{file.oid} {file.path}" for file in files.values())
    return Commit(hashlib.sha1(listing.encode()).hexdigest(), files)


def json_answer(value: Any) -> Answer:
    """A good answer of the API."""
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def error_answer(status: int, code: str, message: str) -> Answer:
    """A bad answer, with the headers that huggingface_hub tells errors by."""
    return Answer(status, message.encode(), {"X-Error-Code": code, "X-Error-Message": message})


class LoopbackHub:
    """Serves folders as model repositories and notes every request; a context manager."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.gated: set[str] = set()
        self.commits: dict[str, dict[str, Commit]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        self.failures: deque[Answer] = deque()
        self.drops: Counter[tuple[str, int]] = Counter()
        self.abrupt = False
        """Whether a dropped connection is reset, instead of closed in order."""
        self.corrupted: set[str] = set()
        self.tokens: list[str] = []
        self.ranges: list[str] = []
        self.storage: str | None = None
        """The address that large files are redirected to, as the real hub does."""
        self.before_answer: list[Callable[[str], None]] = []
        """Called with each request's path before it is answered."""
        self.lock = Lock()
        # Port 0: the system picks a free one.
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, name: str, folder: Path, branch: str = "main") -> str:
        """Serve a folder as owner/name, at the tip of a branch; earlier commits stay. Returns the commit's hash."""
        commit = read_commit(folder)
        self.commits.setdefault(name, {})[commit.id] = commit
        self.branches.setdefault(name, {})[branch] = commit.id
        return commit.id

    def fail_next(self, status: int, headers: Mapping[str, str] | None = None, times: int = 1) -> None:
        """Answer the next requests, whatever they ask, with a status."""
        self.failures.extend([Answer(status, b"asked to fail", headers or {})] * times)

    def drop_after(self, path: str, size: int, times: int = 1) -> None:
        """End the connection after `size` bytes of the file's body, so many times."""
        self.drops[path, size] += times

    def corrupt(self, path: str) -> None:
        """Serve the file with one byte changed, under the size and hash of the good one."""
        self.corrupted.add(path)

    def asked(self, method: str) -> list[str]:
        """The paths of all requests of a method, in order."""
        return [path for seen, path in self.requests if seen == method]

    def fetched(self) -> list[str]:
        """The repository files whose content was asked for, in order."""
        return [unquote(match["path"]) for path in self.asked("GET") if (match := RESOLVE.fullmatch(path))]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one request."""
        for call in self.before_answer:
            call(target)
        with self.lock:
            self.requests.append((method, target))
            self.tokens += [headers["Authorization"]] if "Authorization" in headers else []
            self.ranges += [headers["Range"]] if "Range" in headers else []
            if self.failures:
                return self.failures.popleft()
        url = urlsplit(target)
        if match := RESOLVE.fullmatch(url.path):
            return self.resolve(match, headers, method)
        if url.path == HARNESSES:
            return json_answer({"standardEnvVars": [], "harnesses": {}})
        if match := API.fullmatch(url.path):
            return self.call_api(match, parse_qs(url.query), headers, body)
        return error_answer(404, "", "Sorry, we can't find the page you are looking for.")

    def resolve(self, match: re.Match[str], headers: Mapping[str, str], method: str) -> Answer:
        """HEAD or GET of a file."""
        name = match["name"]
        commit = self.find_commit(name, unquote(match["revision"]), headers)
        if isinstance(commit, Answer):
            return commit
        if name in self.gated:
            status = 403 if "Authorization" in headers else 401
            return error_answer(status, "GatedRepo", f"Access to model {name} is restricted.")
        file = commit.files.get(unquote(match["path"]))
        if file is None:
            return error_answer(404, "EntryNotFound", "Entry not found")
        known = {"X-Repo-Commit": commit.id, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.sha256:
            known |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
            if self.storage:
                return Answer(302, b"", known | {"Location": self.storage + match[0]})
        return self.content(file, known, headers.get("Range"), method)

    def content(self, file: HubFile, headers: dict[str, str], asked_range: str | None, method: str) -> Answer:
        """The file, or the range of it that is asked for, with the faults that were asked for."""
        data = bytearray(file.source.read_bytes())
        if file.path in self.corrupted:
            data[len(data) // 2] ^= 0xFF
        drop = self.take_drop(file.path) if method == "GET" else None
        match = RANGE.fullmatch(asked_range or "")
        if not match:
            return Answer(200, bytes(data), headers, drop)
        start, end = int(match[1]), min(int(match[2] or file.size - 1), file.size - 1)
        if start > end:
            return Answer(416, b"", {"Content-Range": f"bytes */{file.size}"})
        ranged = {"Content-Range": f"bytes {start}-{end}/{file.size}"}
        return Answer(206, bytes(data[start : end + 1]), headers | ranged, drop)

    def take_drop(self, path: str) -> int | None:
        """After how many bytes this answer is to be cut, if any."""
        with self.lock:
            for (dropped, size), times in self.drops.items():
                if dropped == path and times > 0:
                    self.drops[dropped, size] -= 1
                    return size
        return None

    def call_api(
        self, match: re.Match[str], query: dict[str, list[str]], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """The model's description, its file tree, or its branches."""
        name, what = match["name"], match["what"]
        revision, _, path = (match["rest"] or "main").partition("/")
        commit = self.find_commit(name, unquote(revision) if what != "refs" else "main", headers)
        if isinstance(commit, Answer):
            return commit
        if what == "refs":
            return json_answer(self.refs(name))
        if what == "tree":
            return json_answer(list(tree(commit, unquote(path), query.get("recursive") in (["true"], ["True"]))))
        if what == "paths-info":
            wanted = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode()).get("paths", [])
            return json_answer([commit.files[path].entry() for path in wanted if path in commit.files])
        return json_answer(self.info(name, commit, query.get("blobs") in (["true"], ["True"])))

    def info(self, name: str, commit: Commit, blobs: bool) -> dict[str, Any]:
        """A model's description. It is public even where the files are gated."""
        return {
            "_id": hashlib.sha1(name.encode()).hexdigest()[:24],
            "id": name,
            "modelId": name,
            "sha": commit.id,
            "private": False,
            "gated": "manual" if name in self.gated else False,
            "disabled": False,
            "tags": [],
            "siblings": [file.sibling(blobs) for file in commit.files.values()],
        }

    def refs(self, name: str) -> dict[str, Any]:
        """A model's branches and pull requests."""
        branches, pulls = [], []
        for branch, commit in self.branches[name].items():
            if branch.startswith("refs/pr/"):
                pulls.append({"name": branch, "ref": branch, "targetCommit": commit})
            else:
                branches.append({"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": commit})
        return {"branches": branches, "converts": [], "tags": [], "pullRequests": pulls}

    def find_commit(self, name: str, revision: str, headers: Mapping[str, str]) -> Commit | Answer:
        """The commit of a branch or hash, or the error for what is not there."""
        if name not in self.commits:
            # Without a token the hub does not tell a private repository from none.
            status = 404 if "Authorization" in headers else 401
            return error_answer(status, "RepoNotFound", "Repository not found")
        id_ = self.branches[name].get(revision, revision)
        if id_ not in self.commits[name]:
            return error_answer(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return self.commits[name][id_]


def tree(commit: Commit, folder: str, recursive: bool) -> Iterator[dict[str, Any]]:
    """The entries below a folder of a commit, folders before what is in them."""
    start = f"{folder}/" if folder else ""
    seen: set[str] = set()
    for path, file in commit.files.items():
        if not path.startswith(start):
            continue
        parts = path[len(start) :].split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            parent = start + "/".join(parts[:depth])
            if parent not in seen:
                seen.add(parent)
                yield {"type": "directory", "path": parent, "size": 0, "oid": hashlib.sha1(parent.encode()).hexdigest()}
        if recursive or len(parts) == 1:
            yield file.entry()


class Handler(BaseHTTPRequestHandler):
    """Carries requests to the hub and its answers back."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body go as two writes: without this each answer waits 40 ms
    timeout = 30

    def __init__(self, hub: LoopbackHub, *arguments: Any) -> None:
        self.hub = hub
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.respond()

    def do_HEAD(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def respond(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.hub.answer(self.command, self.path, self.headers, body)  # type: ignore[arg-type]
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(answer.body[: answer.drop_after])
        if answer.drop_after is not None:
            self.close_connection = True
            if self.hub.abrupt:
                time.sleep(0.1)  # what was written has to arrive: a reset takes back what has not
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: tests read `requests`."""
