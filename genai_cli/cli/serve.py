"""genai serve: the OpenAI API over the models that the worker keeps loaded."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from genai_cli.cli.command import Command, Given
from genai_cli.cli.console import Console
from genai_cli.cli.options import LicenseOptions, MessageOptions, NetworkOptions, read_access
from genai_cli.device.spec import Placing
from genai_cli.errors import InputError
from genai_cli.events import Notice
from genai_cli.request.option import BATCHES, MODEL, OUTPUT, Option
from genai_cli.work.engines.keeping import AUTO_SECONDS, Keeping, parse_keep
from genai_cli.work.engines.link import can_work

if TYPE_CHECKING:
    from genai_cli.server.answering import Served
    from genai_cli.server.guard import Rules
    from genai_cli.server.kept_files import KeptFiles

NEEDED = ("starlette", "uvicorn")
MORE_CONNECTIONS = 64  # beside those of requests that are made or wait
KEEP_SECONDS = 3600.0  # that the worker waits for a request, where --keep says nothing


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Where the server listens, what it serves, and to whom."""

    model: Annotated[
        tuple[str, ...],
        Option("-m", "--model", help="A model to serve; may be given several times.", default="tiny", heading=MODEL),
    ] = ()
    any_model: Annotated[bool, Option("--any-model", help="Serve every model that a request names.", heading=MODEL)] = (
        False
    )
    host: Annotated[str, Option("--host", help="The address to listen on.", heading=OUTPUT)] = "127.0.0.1"
    port: Annotated[int, Option("--port", help="The port to listen on.", low=0, high=65535, heading=OUTPUT)] = 8080
    api_key: Annotated[
        str | None, Option("--api-key", metavar="KEY", help="The key that requests must carry.", heading=OUTPUT)
    ] = None
    api_key_file: Annotated[
        Path | None, Option("--api-key-file", metavar="FILE", help="A file that holds the key.", heading=OUTPUT)
    ] = None
    allow_host: Annotated[
        tuple[str, ...],
        Option(
            "--allow-host",
            metavar="NAME",
            help="Answer to this name as well, such as that of a proxy; may be given several times.",
            heading=OUTPUT,
        ),
    ] = ()
    keep_files: Annotated[
        Path | None,
        Option(
            "--keep-files",
            metavar="FOLDER",
            help="Keep pictures here for an hour, 1 GB at most, so that answers can hold their addresses.",
            heading=OUTPUT,
        ),
    ] = None
    gallery: Annotated[
        Path | None,
        Option("--gallery", metavar="FOLDER", help="Show this folder's results at /gallery/.", heading=OUTPUT),
    ] = None
    at_once: Annotated[
        int, Option("--at-once", help="Requests that are made at once.", low=1, high=64, heading=BATCHES)
    ] = 32
    waiting: Annotated[
        int, Option("--waiting", help="Requests that may wait; more get 503.", low=0, high=10000, heading=BATCHES)
    ] = 64


def serve(given: Given) -> int:
    """Serve until a signal ends it. Raises GenaiError for what cannot be served."""
    missing = next((name for name in NEEDED if importlib.util.find_spec(name) is None), None)
    if missing:
        raise InputError(f"genai serve needs {missing}, which is not installed", hint="pip install 'genai-cli[server]'")
    if not can_work():
        raise InputError("genai serve needs Unix sockets, which this system does not have")
    from genai_cli.server.answering import Queue, Served
    from genai_cli.server.guard import Rules
    from genai_cli.server.live_gallery import LiveGallery

    options = given.read(ServeOptions)
    models = options.model or ("tiny",)
    check_models(models)
    keep = parse_keep(given.read(Keeping).keep)
    queue = Queue(options.at_once, options.waiting)
    files = open_files(options.keep_files)
    access, placing = read_access(given), given.read(Placing)
    gallery = LiveGallery(options.gallery.expanduser().absolute()) if options.gallery else None
    served = Served(models, options.any_model, access, placing, keep or KEEP_SECONDS, queue, files, gallery)
    rules = Rules(options.host, read_key(options), frozenset(options.allow_host))
    return run(served, rules, options, given.read(MessageOptions).open_console())


def check_models(names: tuple[str, ...]) -> None:
    """Raise ModelError for a name that can be none."""
    from genai_cli.hub.address import refuse_address
    from genai_cli.hub.names import parse_name
    from genai_cli.hub.reference import BUILT_IN
    from genai_cli.modality.registry import load_catalog

    for name in names:
        refuse_address(name)
        if name != BUILT_IN:
            parse_name(name, None, load_catalog())


def open_files(folder: Path | None) -> "KeptFiles | None":
    """Where files are kept. Raises OutputError."""
    from genai_cli.server.kept_files import KeptFiles

    if folder is None:
        return None
    files = KeptFiles(folder.expanduser().absolute())
    files.open()
    return files


def read_key(options: ServeOptions) -> str | None:
    """The key. Raises InputError for a file that cannot be read, or holds none."""
    if options.api_key_file is None:
        return options.api_key
    try:
        key = options.api_key_file.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--api-key-file {options.api_key_file} cannot be read: {error}") from None
    if not key:
        raise InputError(f"--api-key-file {options.api_key_file} is empty")
    return key


def run(served: "Served", rules: "Rules", options: ServeOptions, console: Console) -> int:
    """Listen. Raises DeviceError where the address cannot be had."""
    from genai_cli.server.app import build_app
    from genai_cli.server.listening import Patience, make_server, open_listener
    from genai_cli.server.pages import GALLERY
    from genai_cli.work.engines.worker import set_keep

    patience = Patience()
    listener = open_listener(options.host, options.port, patience)
    host = f"[{options.host}]" if ":" in options.host else options.host
    base = f"http://{host}:{listener.getsockname()[1]}"
    console.emit(Notice(f"serving {', '.join(served.models)} on {base}/v1"))
    if served.gallery is not None:
        console.emit(Notice(f"showing {served.gallery.folder} on {base}{GALLERY}"))
    most = options.at_once + options.waiting + MORE_CONNECTIONS
    try:
        make_server(build_app(served, rules, patience), patience, most).run(sockets=[listener])
    finally:
        set_keep(AUTO_SECONDS)  # nobody serves from it any more
    return 0


COMMAND = Command(
    "serve",
    "Serve models over HTTP as OpenAI's API does: texts, conversations and pictures.",
    serve,
    (ServeOptions, Placing, Keeping, NetworkOptions, LicenseOptions, MessageOptions),
)
