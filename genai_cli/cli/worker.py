"""genai worker: what keeps models loaded between commands, starting it with models, and ending it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.cli.command import Command, Given, Item, build_group
from genai_cli.cli.models import open_console
from genai_cli.cli.options import LicenseOptions, MessageOptions, NetworkOptions, read_access
from genai_cli.device.spec import Placing
from genai_cli.errors import DeviceError, InputError
from genai_cli.harmless import one_line
from genai_cli.request.option import MODEL, Option
from genai_cli.sizes import show_bytes
from genai_cli.work.engines.keeping import AUTO_SECONDS, Keeping
from genai_cli.work.engines.link import can_work

if TYPE_CHECKING:
    from typer.core import TyperGroup

    from genai_cli.request.request import ModelNeeds
    from genai_cli.work.engines.link import Link, Status

SUMMARY = "The process that keeps models loaded between commands."
MENU = (
    Item("status", "genai_cli.cli.worker:STATUS", "Show the models that are loaded, the memory, and the times."),
    Item("start", "genai_cli.cli.worker:START", "Start it, and load models before they are asked for."),
    Item("stop", "genai_cli.cli.worker:STOP", "End it; what is being made is made first."),
)


def build_menu() -> "TyperGroup":
    """The group of commands, as Typer runs it."""
    return build_group(SUMMARY, MENU)


def find_workers() -> "Iterator[Link]":
    """A connection to each worker of this user. Raises DeviceError where their folder cannot be used."""
    from genai_cli.work.engines.link import Hello, LinkError, connect, list_addresses

    try:
        addresses = list_addresses() if can_work() else []
    except LinkError as error:
        raise DeviceError(f"no worker can be used: {error}") from None
    for address in addresses:
        try:
            with connect(address, seconds=10) as link:
                link.send(Hello(""))
                link.receive()
                yield link
        except LinkError:  # its process is gone
            continue


def read_status() -> "list[Status]":
    """What the workers of this user hold."""
    from genai_cli.work.engines.link import AskStatus, Status

    found = []
    for link in find_workers():
        link.send(AskStatus())
        if isinstance(status := link.receive(), Status):
            found.append(status)
    return found


def show_status(given: Given) -> int:
    """Print what each worker holds."""
    console, options = open_console(given)
    statuses = read_status()
    for status in statuses:
        if options.json:
            console.line(json.dumps(asdict(status), ensure_ascii=False))
        else:
            for line in describe(status):
                console.line(line)
    if not statuses:
        console.tell("no worker is running; --keep 10m with a command starts one")
    return 0


def describe(status: "Status") -> Iterator[str]:
    """A worker in words."""
    memory = show_bytes(status.memory)
    ends = show_time(status.ends)
    yield f"worker {status.process}: genai {status.version}, {memory}, since {show_time(status.started)}, until {ends}"
    for model in status.models:
        used = "in use" if model.in_use else f"last used {show_time(model.last_used)}"
        yield "  " + one_line(f"{model.model} ({model.task}), {model.device}, {model.dtype}, {used}")


def show_time(seconds: float) -> str:
    """A time of the day here."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%H:%M:%S}"


def stop(given: Given) -> int:
    """End the workers of this user."""
    from genai_cli.work.engines.link import AskStop, LinkError

    console, _ = open_console(given)
    count = 0
    for link in find_workers():
        link.send(AskStop())
        with suppress(LinkError):
            link.receive()  # it answers when it listens no more
        count += 1
    console.tell(f"{count} worker{'s' * (count != 1)} ended" if count else "no worker is running")
    return 0


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Which models are loaded, and what for."""

    heading: ClassVar[str] = MODEL

    model: Annotated[
        tuple[str, ...],
        Option("-m", "--model", help="A model to load: a short name, owner/name, or a folder; several by -m each."),
    ] = ()
    task: Annotated[
        str | None,
        Option("--task", help="The task of models that have no short name.", default="the only one"),
    ] = None


def start(given: Given) -> int:
    """Start the worker, load models, and print what it holds. Raises GenaiError."""
    from genai_cli.work.assignment import Assignment
    from genai_cli.work.engines.worker import WorkerEngine
    from genai_cli.work.runner import look_up_one, make_spec

    console, _ = open_console(given)
    access, keep = read_access(given), given.read(Keeping).choose_seconds(AUTO_SECONDS)
    if not keep or not can_work():
        raise InputError("a worker that keeps nothing cannot be started", hint="--keep 10m")
    with closing(console), WorkerEngine(keep, console.emit) as worker:
        chosen = given.read(StartOptions)
        for needs in list_needs(chosen.model, chosen.task):
            references = look_up_one(needs, access, console.emit)
            worker.load(Assignment(make_spec(needs, references, given.read(Placing)), access))
        worker.reach()
    return show_status(given)


def list_needs(names: Sequence[str], task: str | None) -> "Iterator[ModelNeeds]":
    """What a plain request to each model needs, for each of its tasks. Raises InputError where none can be told."""
    from genai_cli.hub.address import refuse_address
    from genai_cli.hub.reference import BUILT_IN
    from genai_cli.modality.registry import find_modality, load_catalog

    catalog = load_catalog()
    for name in names:
        refuse_address(name)
        known = catalog.find_known(name)
        tasks = [task] if task else [known[0].task] if known else catalog.built_in_tasks() if name == BUILT_IN else []
        if not tasks:
            raise InputError(f"which task is {name} for?", hint="--task says it, such as --task text")
        for each in tasks:
            yield find_modality(each).request.plan(name)


def make(name: str, run: Callable[[Given], int], *classes: type) -> Command:
    """One of the commands."""
    summary = next(item.summary for item in MENU if item.name == name)
    return Command(name, summary, run, (*classes, MessageOptions), takes_settings=False)


STATUS = make("status", show_status)
START = make("start", start, StartOptions, Keeping, Placing, NetworkOptions, LicenseOptions)
STOP = make("stop", stop)
COMMANDS = (STATUS, START, STOP)
