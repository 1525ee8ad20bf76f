"""The environment variables that set options, and those that look like one and set nothing."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from genai_cli.errors import list_near
from genai_cli.request.option import PREFIX

if TYPE_CHECKING:
    from genai_cli.cli.command import Command

# Those of no option: where the settings are, tracebacks, who gets the token (hub/environment.py), a server's key.
OTHERS = {"GENAI_CONFIG", "GENAI_DEBUG", "GENAI_TRUST_ENDPOINT", "GENAI_API_KEY"}


def list_set_variables() -> list[str]:
    """The variables of genai's that are set."""
    return sorted(name for name in os.environ if name.startswith(PREFIX))


def list_known_variables(commands: "Sequence[Command]") -> set[str]:
    """The variables of all options of the commands."""
    pairs = [(command, pair) for command in commands for pair in command.declared().values()]
    options = ((command, declared.option) for command, (declared, owner) in pairs if owner not in command.plain)
    return OTHERS | {name for command, option in options for name in command.list_variables(option)}


def find_unknown_variables(
    list_commands: "Callable[[], Sequence[Command]]", running: "Sequence[Command]" = ()
) -> Iterator[str]:
    """What is wrong with each variable that no option has, in words.

    `list_commands` imports all commands, so it is asked only about variables that the `running` ones do not have.
    """
    own = list_known_variables(running)
    stated = [name for name in list_set_variables() if name not in own]
    if not stated:
        return
    known = list_known_variables(list_commands())
    for name in stated:
        if name not in known:
            hint = find_near(name, known)
            yield f"{name} sets nothing: genai has no such variable" + (f"; {hint}" if hint else "")


def find_near(name: str, known: set[str]) -> str | None:
    """The variables that may be meant: without the task, or with a letter more or less."""
    from genai_cli.modality.registry import list_entries

    for task in list_entries():
        plain = name.replace(f"{PREFIX}{task.upper().replace('-', '_')}_", PREFIX, 1)
        if plain != name and plain in known:
            return f"did you mean {plain}? It holds for every task"
    close = list_near(name.removeprefix(PREFIX), [word.removeprefix(PREFIX).lower() for word in sorted(known)])
    return f"did you mean {' or '.join(PREFIX + word.upper() for word in close)}?" if close else None
