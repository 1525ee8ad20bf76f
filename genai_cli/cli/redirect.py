"""What people type from habit, led to where it is here: `genai help`, `genai list`, `-v` before the command."""

import typer

from genai_cli.modality.registry import find_entry

# What other tools of the kind call what genai does.
COMMANDS = {
    "version": ["--version"],
    "-V": ["--version"],
    "list": ["models", "list"],
    "ls": ["models", "list"],
    "pull": ["models", "pull"],
}
HELP = "help"
# Options without a value that every command takes, also if they stand before it.
FLAGS = {"-v", "--verbose", "-q", "--quiet", "--debug", "--json", "--offline"}
GROUPS = {"models", "worker"}


def redirect(arguments: list[str]) -> list[str]:
    """The arguments as genai's own commands read them; what is a command or an option here already stays."""
    first = next((place for place, argument in enumerate(arguments) if argument not in FLAGS), len(arguments))
    flags, words = arguments[:first], arguments[first:]
    if not words:
        return ["--version"] if flags == ["-v"] else arguments
    if words[0] == HELP:
        return [*words[1:], "--help"]
    if words[0] in COMMANDS and find_entry(words[0]) is None:
        words = [*COMMANDS[words[0]], *words[1:]]
    if words[0].startswith("-"):
        return words if words[0] == "--version" else [*flags, *words]
    length = 2 if words[0] in GROUPS else 1
    return [*words[:length], *flags, *words[length:]]


def find_hint(error: typer.TyperException) -> str | None:
    """What to do about wrong usage."""
    context = getattr(error, "ctx", None)
    if context is None:
        return None
    path = context.command_path
    option = getattr(error, "option_name", None)
    if option is None or getattr(error, "possibilities", None):
        return f"{path} --help"
    if context.parent is None:
        return f"an option comes after the command: {path} COMMAND {option}; {path} --help lists the commands"
    return f"{path} --help lists them; a text that begins with a dash comes after --: {path} -- '-5 degrees'"
