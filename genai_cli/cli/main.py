"""The command line's edge: the only place where an error becomes a message and an exit code."""

import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from genai_cli.cli.app import build_app, list_all_commands, list_words
from genai_cli.cli.console import print_error, print_traceback
from genai_cli.cli.redirect import find_hint, redirect
from genai_cli.cli.settings import load_settings
from genai_cli.device.environment import prepare_environment
from genai_cli.errors import GenaiError, InputError, OutputError, Terminated
from genai_cli.request.option import FLAGS
from genai_cli.types import JsonObject

COMPLETION_VARIABLE = "_GENAI_COMPLETE"
DOCTOR = "doctor"
STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}  # in the order of their descriptors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    open_closed_streams()
    arguments = redirect(list(sys.argv[1:] if arguments is None else arguments))
    debug = "--debug" in arguments or FLAGS.get(os.environ.get("GENAI_DEBUG", "").strip().lower(), False)
    previous = signal.signal(signal.SIGTERM, on_terminate)
    try:
        code = dispatch(arguments)
        sys.stdout.flush()
        return code
    except BaseException as error:
        if debug and not isinstance(error, BrokenPipeError | SystemExit):
            print_traceback(error)
        return explain(error)
    finally:
        signal.signal(signal.SIGTERM, previous)


def dispatch(arguments: list[str]) -> int:
    """Let Typer find and run the command, with the defaults of the settings file."""
    if COMPLETION_VARIABLE in os.environ:
        from typer.completion import get_completion_inspect_parameters

        get_completion_inspect_parameters()  # makes the shells known
    runs = arguments and not {"-h", "--help", "--version"} & set(arguments)
    if runs:
        prepare_environment()
    defaults = read_settings(arguments) if runs else None
    # Each command finds the list of all of them in its context.
    code = build_app().main(
        args=arguments, prog_name="genai", standalone_mode=False, default_map=defaults, obj=list_all_commands
    )
    return int(code or 0)


def read_settings(arguments: Sequence[str]) -> dict[str, JsonObject]:
    """The settings file's defaults. The doctor works without them, and says itself what is wrong. Raises InputError."""
    try:
        return load_settings(list_words)
    except InputError:
        if arguments[0] == DOCTOR:
            return {}
        raise


def explain(error: BaseException) -> int:
    """Say in one line what went wrong, and return the contract's exit code for it."""
    if isinstance(error, GenaiError):
        print_error(error.message, error.hint)
        return error.exit_code
    if isinstance(error, typer.TyperException):
        print_error(error.format_message(), find_hint(error))
        return InputError.exit_code
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return 128 + signal.SIGTERM
    # Typer turns a closed pipe into SystemExit before it gets here.
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        silence_stdout()
        return 128 + signal.SIGPIPE
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EBADF):
        silence_stdout()
        print_error(f"cannot write: {error.strerror}", "free some space, or name another place with -o")
        return OutputError.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    print_error(f"a bug in genai: {type(error).__name__}: {error}", "--debug shows where; please report it")
    return 1


def open_closed_streams() -> None:
    """Give the standard streams that the caller closed (`<&-`, `>&-`) an end: nothing is read there, nothing is kept.

    Otherwise the first files that are opened take their places, and what is written to stdout goes into them.
    """
    for number, (name, mode) in enumerate(STREAMS.items()):
        if getattr(sys, name) is not None:
            continue
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor != number:
            try:
                os.fstat(number)  # something else has the place already
            except OSError:
                os.dup2(descriptor, number)
                os.close(descriptor)
                descriptor = number
        os.set_inheritable(descriptor, True)  # as a standard stream is
        setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def silence_stdout() -> None:
    """Nobody reads stdout any more: what is left in its buffer must not raise again when Python exits."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())


def on_terminate(_signal: int, _frame: object) -> NoReturn:
    """SIGTERM ends the run in order: temporary files go, the exit code says why."""
    raise Terminated
