"""genai chat: a conversation in the terminal, with a model that stays loaded."""

import importlib.util
import json
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from genai_cli.atomic import make_process_tag, replace_file
from genai_cli.cli.command import Command, Given
from genai_cli.cli.console import Console
from genai_cli.cli.options import LicenseOptions, MessageOptions, NetworkOptions, read_access
from genai_cli.cli.servers import ServerOptions
from genai_cli.device.spec import Placing
from genai_cli.errors import GenaiError, InputError, OutputError, list_near
from genai_cli.events import Event, Notice, TextPiece
from genai_cli.hub.access import Access
from genai_cli.hub.address import is_address, parse_address
from genai_cli.hub.reference import BUILT_IN
from genai_cli.modality.registry import check_compiler_tasks, list_modalities
from genai_cli.request.openai_rows import read_message
from genai_cli.request.option import OWN, Option
from genai_cli.request.request import MAX_SEED, Request
from genai_cli.request.sampling import MaxNewTokens, Temperature, TopK, TopP
from genai_cli.types import JsonObject
from genai_cli.work.assignment import Assignment
from genai_cli.work.engines.engine import Engine
from genai_cli.work.engines.keeping import AUTO_SECONDS, Keeping
from genai_cli.work.engines.link import can_work
from genai_cli.work.engines.opening import Produce, open_engines
from genai_cli.work.engines.server_key import ServerKey
from genai_cli.work.job import Order, expand
from genai_cli.work.outcome import Failure
from genai_cli.work.runner import look_up_one, make_spec

DEFAULT_MODEL = "qwen2.5-0.5b"
HELP = {
    "/new": "begin again, with the same system message",
    "/system TEXT": "set the system message; without a text it goes",
    "/model NAME": "go on with another model; http://HOST:PORT/v1#NAME is a server's",
    "/save FILE": "write the conversation as JSON; --from FILE goes on with it",
    "/help": "these lines; a text that begins with a slash takes two",
    "/exit": "end; so does Ctrl-D. Ctrl-C stops an answer",
}


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """The model, how it answers, and what was said before."""

    heading: ClassVar[str] = OWN

    model: Annotated[
        str,
        Option(
            "-m",
            "--model",
            help="A model with a chat template: a short name, owner/name, a folder, or http://HOST:PORT/v1#NAME.",
        ),
    ] = DEFAULT_MODEL
    system: Annotated[str | None, Option("--system", help="The system message.")] = None
    conversation: Annotated[
        Path | None, Option("--from", metavar="FILE", help="Go on with a conversation that /save wrote.")
    ] = None
    max_new_tokens: MaxNewTokens = None
    temperature: Temperature = None
    top_p: TopP = None
    top_k: TopK = None
    seed: Annotated[
        int | None, Option("--seed", help="Seed of each answer; drawn if not given.", low=0, high=MAX_SEED)
    ] = None

    def settings(self) -> dict[str, object]:
        """What of a request the options set."""
        names = ("max_new_tokens", "temperature", "top_p", "top_k", "seed")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass
class Conversation:
    """What was said, with whom, and how answers are made."""

    model: str
    system: str | None
    settings: dict[str, object]
    access: Access
    placing: Placing
    console: Console
    keep: float
    """For how many seconds a worker keeps the models of this machine; 0: there is no worker."""
    key_file: Path | None
    opened: ExitStack
    """What ends with the conversation."""
    engines: dict[bool, Produce] = field(default_factory=dict)
    """What makes the answers of servers' models, and of this machine's, each from when it is first needed."""
    key: ServerKey | None = None
    turns: list[dict[str, str]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    """The answer that is being made."""

    def ask(self, text: str) -> None:
        """Show the answer to a text, and keep both; of an answer that is stopped, what was shown. Raises GenaiError."""
        self.pieces.clear()
        try:
            self.make_answer(self.build_request(text))
        except KeyboardInterrupt:
            self.console.result("")
            self.console.emit(Notice("stopped"))
            if not self.pieces:
                return
        except GenaiError:
            if self.pieces:
                self.console.result("")  # the error begins a line of its own
            raise
        answer = "".join(self.pieces)
        self.turns += [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]

    def build_request(self, text: str) -> Request:
        """The request for the next answer."""
        fields: JsonObject = {**self.settings, "model": self.model, "system": self.system, "chat": True}
        return find_request()(**fields, messages=tuple(self.turns), prompt=text)  # type: ignore[call-arg]

    def make_answer(self, request: Request) -> None:
        """Make and show it. Raises GenaiError."""
        produce = self.find_engine(request.model)
        needs = request.needs()
        references = look_up_one(needs, self.access, self.console.emit, self.key)
        (job,) = expand([Order(request)], references, secrets.randbits(32))
        assignment = Assignment(make_spec(needs, references, self.placing), self.access)
        for outcome in produce(assignment, [job]):
            if isinstance(outcome, Failure):
                raise outcome.error
        self.console.result("")

    def find_engine(self, model: str) -> Produce:
        """What makes the answers of a model. Raises InputError for an address that is none, or a key that is none.

        The key goes to the first server that the conversation names, and to no other.
        """
        is_remote = is_address(model)
        if is_remote and self.key is None:
            self.key = ServerKey.read(self.key_file, str(parse_address(model).server))
        if is_remote not in self.engines:
            engine = open_engines(Engine(), [model], self.key, self.keep, self.hear)
            self.engines[is_remote] = self.opened.enter_context(engine)
        return self.engines[is_remote]

    def hear(self, event: Event) -> None:
        """Show what the model says, and keep its text."""
        if isinstance(event, TextPiece):
            self.pieces.append(event.text)
        self.console.emit(event)

    def list_messages(self) -> list[dict[str, str]]:
        """The whole conversation, as rows and OpenAI's API have it."""
        return [*([{"role": "system", "content": self.system}] if self.system else []), *self.turns]


def find_request() -> type[Request]:
    """The request of the task that holds conversations."""
    return next(modality.request for modality in list_modalities() if modality.converses)


def chat(given: Given) -> int:
    """Talk until there is no more to say, and return the exit code: that of the last failure where nobody looks on."""
    options, messages = given.read(ChatOptions), given.read(MessageOptions)
    if options.model == BUILT_IN:
        hint = f"-m {DEFAULT_MODEL} is a small one that has"
        raise InputError(f"{BUILT_IN} has no chat template, so it holds no conversation", hint=hint)
    console = messages.open_console()
    console.streams_text = True
    access, placing = read_access(given), given.read(Placing)
    if "compiler" in given.named:
        check_compiler_tasks(placing.compiler, {find_request().task})
    seconds = given.read(Keeping).choose_seconds(AUTO_SECONDS) if can_work() else 0
    key_file = given.read(ServerOptions).api_key_file
    with ExitStack() as opened:
        talk = Conversation(
            options.model,
            options.system,
            options.settings(),
            access,
            placing,
            console,
            keep=seconds,
            key_file=key_file,
            opened=opened,
        )
        if options.conversation is not None:
            read_conversation(options.conversation, talk)
        opened.callback(console.close)
        talk.find_engine(talk.model)  # a worker starts while the user types
        return run_turns(talk, sys.stdin.isatty())


def run_turns(talk: Conversation, on_terminal: bool) -> int:
    """Each line in turn; one that fails costs itself alone."""
    if on_terminal:
        talk.console.tell(f"{talk.model}; /help shows the commands, Ctrl-D ends")
    code = 0
    for line in read_terminal() if on_terminal else map(str.strip, sys.stdin):
        try:
            if line.startswith("/") and not line.startswith("//"):
                if not obey(line, talk):
                    break
            elif line:
                talk.ask(line.removeprefix("/"))
        except GenaiError as error:
            talk.console.fail(error)
            code = error.exit_code
    return 0 if on_terminal else code


def read_terminal() -> Iterator[str]:
    """The lines that a user types, with editing and the lines of earlier conversations."""
    prompt = make_prompt()
    while True:
        try:
            yield prompt().strip()
        except KeyboardInterrupt:
            continue  # clears the line, as in a shell
        except EOFError:
            return


def make_prompt() -> Callable[[], str]:
    """What asks for a line: prompt_toolkit where it is installed, otherwise Python itself."""
    if importlib.util.find_spec("prompt_toolkit") is None:
        return lambda: input("> ")
    from platformdirs import user_state_path
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    folder = user_state_path("genai")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    session: PromptSession[str] = PromptSession(history=FileHistory(str(folder / "chat-history")))
    return lambda: session.prompt("> ")


def obey(line: str, talk: Conversation) -> bool:
    """Do what a command says; False ends the conversation. Raises GenaiError."""
    word, _, rest = line.partition(" ")
    rest = rest.strip()
    if word in ("/exit", "/quit"):
        return False
    if word == "/new":
        talk.turns.clear()
        talk.console.tell("a new conversation")
    elif word == "/system":
        talk.system = rest or None
        talk.console.tell("the system message is set" if rest else "there is no system message")
    elif word == "/model" and rest:
        if is_address(rest):
            parse_address(rest)
        talk.model = rest
        talk.console.tell(f"the next answer is {rest}'s")
    elif word == "/save" and rest:
        save(Path(rest).expanduser(), talk.list_messages())
        talk.console.tell(f"written to {rest}")
    elif word == "/help":
        for name, words in HELP.items():
            talk.console.tell(f"{name:<14}{words}")
    else:
        known = [name.partition(" ")[0] for name in HELP]
        if word in known:
            raise InputError(f"{word} needs a name", hint="/help shows the commands")
        near = list_near(word, known)
        raise InputError(f"there is no {word}", hint=near[0] if near else "/help shows the commands")
    return True


def save(path: Path, messages: list[dict[str, str]]) -> None:
    """Write a conversation in one atomic step. Raises OutputError."""
    data = (json.dumps(messages, ensure_ascii=False, indent=1) + "\n").encode(errors="replace")
    try:
        replace_file(path, data, make_process_tag())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}", hint="/save names another file") from error


def read_conversation(path: Path, talk: Conversation) -> None:
    """Take up a conversation; a system message of its own gives way to the option's. Raises InputError."""
    try:
        messages = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as a conversation: {error}") from None
    if not isinstance(messages, list):
        raise InputError(f"{path} is not a list of messages", hint="/save writes one")
    for message in map(read_message, messages):
        if message["role"] == "system":
            talk.system = talk.system or message["content"]
        else:
            talk.turns.append(message)


COMMAND = Command(
    "chat",
    "Talk with a model: it answers as it goes, and stays loaded. Lines from a pipe are turns, too.",
    chat,
    (ChatOptions, Placing, ServerOptions, Keeping, NetworkOptions, LicenseOptions, MessageOptions),
)
