"""What a task's arguments and standard input mean together: prompts, words of one prompt, and what is piped in."""

import os
import select
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genai_cli.errors import InputError
from genai_cli.events import Detail, Event, Notice
from genai_cli.request.input import STDIN
from genai_cli.request.rows import read_text

PATIENCE = 3.0  # seconds for the first byte of a pipe that a program holds open, and may never write to
PROCESSES = Path("/proc")
# Programs that only start another one, and leave standard input to it.
WRAPPERS = ("timeout", "sudo", "doas", "time", "uv", "nice", "ionice", "setsid", "stdbuf")


@dataclass(frozen=True)
class Taken:
    """The prompts of a command, and what a user should know of them."""

    arguments: list[str]
    notices: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Split:
    """The files of a command and its prompt, where it has one, and what a user should know of them."""

    files: list[str]
    prompt: str | None = None
    notices: tuple[Event, ...] = ()


def take_arguments(arguments: Sequence[str], has_file: bool, joins_words: bool, encoding: str | None) -> Taken:
    """The prompts that the arguments mean, with what is piped in. Raises InputError.

    Standard input is read in place of arguments, and after a prompt where the task `joins_words`.
    """
    if has_file or STDIN in arguments:
        return Taken(list(arguments))
    if not arguments:
        return Taken([STDIN] if is_piped(has_prompt=False) else [])
    if not joins_words:
        return Taken(list(arguments))
    prompts, notices = join_words(arguments)
    is_given = is_piped(has_prompt=True)
    piped = read_text(sys.stdin.buffer, encoding).strip("\r\n") if is_given else ""
    if piped.strip():
        prompts = [f"{prompt}\n\n{piped}" for prompt in prompts]
    if is_given is None:
        notices += (Detail(f"nothing came from standard input in {PATIENCE:.0f} s, so the prompt stands alone"),)
    return Taken(prompts, notices)


def split_last(arguments: Sequence[str], *, has_rows: bool) -> Split:
    """The files and the prompt that arguments mean where the prompt comes last. Raises InputError.

    With rows of their own, either may be left out. A file that is piped in is taken where none is named.
    """
    if has_rows and all(argument == STDIN or is_file(argument) for argument in arguments):
        return Split(list(arguments))
    if arguments and is_file(arguments[-1]):
        what = f"{arguments[-1]!r} is a file, and the last argument says what is to become of the files before it"
        raise InputError(what, hint=f'{arguments[-1]} "what to make of it"')
    files, words = list(arguments[:-1]), list(arguments[-1:])
    while len(files) > 1 and is_word(words[-1]) and is_word(files[-1]):
        words.insert(0, files.pop())
    if not files and words and not has_rows and is_piped(has_prompt=False):
        files = [STDIN]
    if len(words) < 2:
        return Split(files, words[0] if words else None)
    prompt = " ".join(words)
    return Split(files, prompt, (Notice(f"{prompt!r} is taken as the prompt; quote it to be sure"),))


def is_word(argument: str) -> bool:
    """Whether an argument is one word of a prompt, and no file or the name of one."""
    return len(argument.split()) == 1 and not is_file(argument) and not Path(argument).suffix


def is_file(argument: str) -> bool:
    """Whether an argument is the path of a file; a whole prompt may be too long for one."""
    return os.path.isfile(Path(argument).expanduser())  # noqa: PTH113 (False for a name that no file can have)


def join_words(arguments: Sequence[str]) -> tuple[list[str], tuple[Event, ...]]:
    """Several arguments without a space as one prompt, which one notice tells; others are a prompt each."""
    if len(arguments) < 2 or any(len(argument.split()) != 1 or argument != argument.strip() for argument in arguments):
        return list(arguments), ()
    prompt = " ".join(arguments)
    words = f"{prompt!r} is taken as one prompt; quote each prompt, or use --prompts FILE, to make several"
    return [prompt], (Notice(words),)


def is_piped(*, has_prompt: bool) -> bool | None:
    """Whether standard input was directed to this command; None where nothing came in the time that is waited.

    It is a file, a pipe or a socket, never a terminal. One that the calling program has as its own standard input is
    left alone: the rows of a `while read` loop and the lines of a script are there. Where the caller holds the other
    end, or cannot be looked at, the first byte has to come soon.
    """
    try:
        own = os.fstat(sys.stdin.fileno())
    except (OSError, ValueError):  # no stream of the system
        return False
    is_stream = stat.S_ISFIFO(own.st_mode) or stat.S_ISSOCK(own.st_mode)
    if not is_stream and not stat.S_ISREG(own.st_mode):
        return False
    if not PROCESSES.is_dir():  # no way to look at the caller
        return not has_prompt and (not is_stream or is_ready())
    try:
        caller = find_caller()
        held = dict(list_held(caller, own))
    except OSError:  # another user's
        return is_stream and is_ready()
    if 0 in held:
        return False
    comes_surely = not is_stream or (stat.S_ISFIFO(own.st_mode) and not any(held.values()))
    return comes_surely or is_ready()


def find_caller() -> int:
    """The process that ran this command, behind programs that only start another. Raises OSError."""
    process = os.getppid()
    for _ in WRAPPERS:
        if (PROCESSES / str(process) / "comm").read_text().strip() not in WRAPPERS:
            break
        # pid (name) state parent ...: a name may hold brackets itself.
        process = int((PROCESSES / str(process) / "stat").read_text().rpartition(")")[2].split()[1])
    return process


def list_held(process: int, wanted: os.stat_result) -> Iterator[tuple[int, bool]]:
    """The descriptors of a process that are a certain file or pipe, and whether it may write there. Raises OSError."""
    for entry in (PROCESSES / str(process) / "fd").iterdir():
        try:
            held, is_writable = entry.stat(), bool(entry.lstat().st_mode & stat.S_IWUSR)
        except OSError:  # closed meanwhile
            continue
        if (held.st_dev, held.st_ino) == (wanted.st_dev, wanted.st_ino):
            yield int(entry.name), is_writable


def is_ready() -> bool | None:
    """Whether standard input holds something, or has ended; None where it does not in the time that is waited."""
    ready, _, _ = select.select([sys.stdin.fileno()], [], [], PATIENCE)
    return True if ready else None
