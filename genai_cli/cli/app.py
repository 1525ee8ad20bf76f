"""The menu of commands: a line each, and the tasks of the registry before them."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from genai_cli.cli.command import CONTEXT, Command, Item, Menu, show_version
from genai_cli.collector import collector_off
from genai_cli.modality.registry import find_entry, list_entries, list_requests

if TYPE_CHECKING:
    from typer._click import Context

COMMANDS = (
    Item(
        "batch",
        "genai_cli.cli.batch:COMMAND",
        "Make all that a file asks for, of any kinds, into a folder; killed and run again, it does what is missing.",
    ),
    Item("show", "genai_cli.cli.show:COMMAND", "Show the record inside generated files."),
    Item("rerun", "genai_cli.cli.rerun:make_command", "Make files again from the records inside them."),
    Item("gallery", "genai_cli.cli.gallery:COMMAND", "Show the results of a folder as one HTML page."),
    Item("doctor", "genai_cli.cli.doctor:COMMAND", "Show what this machine has, what is wrong, and what mends it."),
    Item("chat", "genai_cli.cli.chat:COMMAND", "Talk with a model: it answers as it goes, and stays loaded."),
    Item("serve", "genai_cli.cli.serve:COMMAND", "Serve models over HTTP as OpenAI's API does."),
    Item("worker", "genai_cli.cli.worker:build_menu", "The process that keeps models loaded: status, start, stop."),
    Item("models", "genai_cli.cli.models:build_menu", "List, show, fetch and remove models."),
)


class MainMenu(Menu):
    """All commands: the tasks, then those of every task."""

    def list_items(self) -> Sequence[Item]:
        return [*(Item(entry.task, "", entry.summary) for entry in list_entries().values()), *COMMANDS]

    def get_command(self, ctx: "Context", cmd_name: str) -> TyperCommand | TyperGroup | None:
        del ctx
        item = next((item for item in COMMANDS if item.name == cmd_name), None)
        with collector_off():
            if item is not None:
                return self.load(item)
            return load_task(cmd_name).build() if find_entry(cmd_name) else None


def load_task(task: str) -> Command:
    """The command of a task."""
    from genai_cli.cli.task import make_command

    entry = find_entry(task)
    if entry is None:
        raise KeyError(task)
    return make_command(entry)


def list_all_commands() -> list[Command]:
    """The commands, those of menus included."""
    from genai_cli.cli import batch, chat, doctor, gallery, models, models_list, models_show, rerun, serve, show, worker

    tasks = [load_task(task) for task in list_requests()]
    own = [batch.COMMAND, show.COMMAND, rerun.make_command(), doctor.COMMAND, serve.COMMAND, chat.COMMAND]
    own.append(gallery.COMMAND)
    menus = [models_list.COMMAND, models_show.COMMAND, models.PULL, models.REMOVE, *worker.COMMANDS]
    return [*tasks, *own, *menus]


def list_words() -> dict[str, dict[str, str]]:
    """The words that a settings file may use for the options of each command."""
    return {command.name: command.words() for command in list_all_commands() if command.takes_settings}


def install_for_shell(context: typer.Context, parameter: typer.CallbackParam, asked: bool) -> None:
    """Install the completion of the shell."""
    if asked:
        from typer.completion import get_completion_inspect_parameters, install_callback

        get_completion_inspect_parameters()  # makes the shells known
        install_callback(context, parameter, asked)


def show_for_shell(context: typer.Context, parameter: typer.CallbackParam, asked: bool) -> None:
    """Print the completion of the shell."""
    if asked:
        from typer.completion import get_completion_inspect_parameters, show_callback

        get_completion_inspect_parameters()
        show_callback(context, parameter, asked)


def build_app() -> TyperGroup:
    """The whole command line; no command is built before it is asked for."""
    app = typer.Typer(
        name="genai",
        cls=MainMenu,
        help="Pictures, text, labels and sound from open models, on your own machine.",
        epilog="Try it without any download: genai image 'a large red circle on a blue background' -m tiny",
        rich_markup_mode=None,
        add_completion=False,  # with options of its own below, which cost no start 60 ms
        context_settings=CONTEXT,
    )
    flag = partial(typer.Option, is_eager=True, show_default=False)

    @app.callback()
    def root(
        version: Annotated[bool, flag("--version", callback=show_version, help="Show the version and stop.")] = False,
        install_completion: Annotated[
            bool,
            flag("--install-completion", callback=install_for_shell, help="Install completion for the current shell."),
        ] = False,
        show_completion: Annotated[
            bool,
            flag(
                "--show-completion",
                callback=show_for_shell,
                help="Show completion for the current shell, to copy it or customize the installation.",
            ),
        ] = False,
    ) -> None:
        """Pictures, text, labels and sound from open models, on your own machine."""
        del version, install_completion, show_completion

    group: TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]
    return group
