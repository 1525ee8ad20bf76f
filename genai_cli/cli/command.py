"""Commands made from classes of options, and menus that import a command when it is asked for.

Typer reads a signature; here it is built from the fields of dataclasses. What a value must be is checked by the
options themselves, which spares each start the import of Typer's own validators (60 ms).
"""

import importlib
import inspect
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from genai_cli import __version__
from genai_cli.cli.completion import make_completion
from genai_cli.cli.console import tell
from genai_cli.cli.settings import find_settings_file
from genai_cli.cli.variables import find_unknown_variables
from genai_cli.errors import InputError
from genai_cli.request.adapter import Adapter
from genai_cli.request.option import HEADINGS, MESSAGES, Declared, Option, accepted_types, convert, declared_options

if TYPE_CHECKING:
    from typer._click import Context, Parameter
    from typer._click.formatting import HelpFormatter

    from genai_cli.modality.modality import Modality
    from genai_cli.request.request import Request

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
ARGUMENT = "argument"
VERSION = "version"
Options = TypeVar("Options")


class Given:
    """What a user gave to a command: its arguments, and the values of its options by their fields."""

    def __init__(
        self,
        arguments: Sequence[str],
        values: Mapping[str, object],
        named: Iterable[str],
        list_commands: "Callable[[], Sequence[Command]]" = list,
    ) -> None:
        self.arguments = list(arguments)
        self.values = values
        self.named = set(named)
        """The fields that were set on the command line itself, not in the environment or the settings."""
        self.list_commands = list_commands
        """All commands, for what concerns their options together."""

    def read(self, owner: type[Options]) -> Options:
        """A class of options with its values."""
        declared = declared_options(owner)
        # Typer has no empty list: what may be given several times and was not is None.
        several = {name for name, option in declared.items() if isinstance(option.default, tuple)}
        return owner(**{name: self.values[name] or () if name in several else self.values[name] for name in declared})


@dataclass(frozen=True)
class Command:
    """A command: what it is called and does, which options it takes, and what runs."""

    name: str
    help: str
    run: Callable[[Given], int]
    classes: tuple[type, ...]
    """The classes whose fields declare its options."""
    argument: str | None = None
    """The metavar of its arguments; None where it takes none."""
    argument_help: str = ""
    single: bool = False
    """Whether it takes exactly one argument."""
    required: bool = False
    """Whether it needs at least one argument."""
    modality: "type[Modality[Request]] | None" = None
    """Whose task it is; options that mean nothing for it are accepted and not shown."""
    takes_settings: bool = True
    """Whether a settings file may have a table of its name."""
    plain: frozenset[type] = frozenset()
    """Classes whose options are set on the command line alone, and have no defaults."""

    def declared(self) -> dict[str, tuple[Declared, type]]:
        """Its options by their fields, each with its class; the first class that declares a field has it."""
        found: dict[str, tuple[Declared, type]] = {}
        for owner in self.classes:
            for name, option in declared_options(owner).items():
                found.setdefault(name, (option, owner))
        return found

    def words(self) -> dict[str, str]:
        """The fields that a settings file may set, by all their names."""
        declared = {name: option for name, (option, owner) in self.declared().items() if owner not in self.plain}
        words = {word: name for name, option in declared.items() for word in option.option.words}
        return words | {name: name for name in declared}

    def build(self) -> TyperCommand:
        """The command as Typer runs it."""
        declared = self.declared()
        parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        if self.argument is not None:
            annotation = str if self.single else list[str]
            information = typer.Argument(metavar=self.argument, help=self.argument_help, show_default=False)
            default = inspect.Parameter.empty if self.single or self.required else None
            parameters.append(make_parameter(ARGUMENT, Annotated[annotation, information], default))
        parameters += [self.make_option(option, owner) for option, owner in declared.values()]
        version = typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and stop.")
        parameters.append(make_parameter(VERSION, Annotated[bool, version], False))

        def function(context: typer.Context, **values: object) -> int:
            sources = {name: str(context.get_parameter_source(name)) for name in declared}
            named = [name for name, source in sources.items() if source.endswith("COMMANDLINE")]
            given = values.pop(ARGUMENT, None)
            arguments = [given] if isinstance(given, str) else given or []
            if not values.get("quiet"):
                for words in find_unknown_variables(context.obj or list, [self]):
                    tell(words)
            return self.run(Given(arguments, values, named, context.obj or list))  # type: ignore[arg-type]

        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(self.name, cls=HeadedCommand, help=self.help, context_settings=CONTEXT)(function)
        command = typer.main.get_command(app)
        if not isinstance(command, HeadedCommand):
            raise TypeError("a single command was expected")
        unchecked = {name for name, (_, owner) in declared.items() if owner in self.plain}
        command.take_options({name: option for name, (option, _) in declared.items()}, unchecked)
        return command

    def make_option(self, declared: Declared, owner: type) -> inspect.Parameter:
        """An option as a parameter that Typer understands."""
        option, name = declared.option, declared.name
        is_plain = owner in self.plain
        wanted, _, _ = accepted_types(declared.hint)
        default = None if is_plain else declared.default
        # A row's model is chosen where the row is read: other options may ask for one of another kind.
        shown = getattr(owner, "default_model", None) if name == "model" and not is_plain else default
        information = typer.Option(
            *option.names,
            help=describe(option, shown),
            metavar=option.metavar,
            show_default=False,
            show_envvar=False,
            envvar=[] if is_plain else self.list_variables(option),
            hidden=self.modality is not None and not is_offered(option, self.modality),
            autocompletion=make_completion(declared),
        )
        is_file = isinstance(wanted, type) and issubclass(wanted, Adapter)  # which the option reads itself
        annotation = list[str] if wanted is tuple else str if is_file else wanted
        default = None if wanted is tuple else default
        return make_parameter(name, Annotated[annotation | None, information], default)

    def list_variables(self, option: Option) -> list[str]:
        """The environment variables of an option, the one of the task first."""
        if not option.per_task or self.modality is None:
            return [option.variable]
        task = self.modality.request.task.upper().replace("-", "_")
        return [option.variable.replace("GENAI_", f"GENAI_{task}_", 1), option.variable]


def make_parameter(name: str, annotation: object, default: object) -> inspect.Parameter:
    """A parameter of a command's signature."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def is_offered(option: Option, modality: "type[Modality[Request]]") -> bool:
    """Whether an option means something for a task."""
    return option.needs is None or bool(getattr(modality, option.needs))


def describe(option: Option, default: object) -> str:
    """The help of an option, with its range and its default."""
    notes = []
    if option.low is not None and option.high < 2**63:
        notes.append(option.range_words())
    if option.default is not None:
        notes.append(f"default: {option.default}")
    elif isinstance(default, bool):
        sides = [name.lstrip("-") for name in option.names[0].split("/")]
        if len(sides) == 2:
            notes.append(f"default: {sides[not default]}")
    elif default not in (None, "", ()):
        notes.append(f"default: {default}")
    return f"{option.help} [{'; '.join(notes)}]" if notes else option.help


def show_version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        typer.echo(f"genai {__version__}")
        raise typer.Exit()


class ValueReader:
    """Reads the value of an option, in place of Typer's validators."""

    def __init__(self, declared: Declared, variables: Sequence[str], *, checks: bool) -> None:
        self.declared = declared
        self.variables = variables
        self.checks = checks
        """Whether the range is checked here; of a field that several tasks have, each has its own."""

    def __call__(self, context: "Context", value: object) -> object:
        """The value of the option's type. Raises InputError, which names the variable or the file that states it."""
        option, hint = self.declared.option, self.declared.hint
        wanted, _, _ = accepted_types(hint)
        if wanted is tuple:
            value = tuple(value) if isinstance(value, list | tuple) else () if value is None else value
        elif value is None or (value == "" and wanted is str) or (option.instead and value == option.instead[0]):
            return value
        try:
            read = convert(value, hint, option.long)
            if self.checks:
                option.check(read)
        except InputError as error:
            source = name_source(context, self.declared.name, self.variables)
            raise InputError(f"{error.message}{source}", error.hint) from None
        return read


def name_source(context: "Context", field: str, variables: Sequence[str]) -> str:
    """Where a value comes from that was not given on the command line, in brackets."""
    source = str(context.get_parameter_source(field))
    if source.endswith("ENVIRONMENT"):
        return f" ({next((name for name in variables if os.environ.get(name)), 'environment')})"
    return f" ({find_settings_file()})" if source.endswith("DEFAULT_MAP") else ""


class ArgumentReader:
    """Reads the arguments of a command, in place of Typer's validators."""

    def __init__(self, parameter: "Parameter") -> None:
        self.parameter = parameter

    def __call__(self, context: "Context", value: object) -> object:
        """The argument, or a list of them. Raises InputError where one is needed."""
        del context
        if self.parameter.required and value in (None, (), []):
            raise InputError(f"missing argument {self.parameter.metavar}", hint="--help shows the usage")
        return list(value) if isinstance(value, list | tuple) else value


class FlagReader:
    """Reads a flag that was not given, which Typer would import its validators for."""

    def __init__(self, parameter: "Parameter") -> None:
        self.parameter = parameter

    def __call__(self, context: "Context", value: object) -> object:
        """Whether the flag was given, after what it calls."""
        callback = self.parameter.callback
        return callback(context, self.parameter, bool(value)) if callback else bool(value)


class LightHelp:
    """A command whose help option costs nothing where it is not given."""

    def get_help_option(self, ctx: "Context") -> "Parameter | None":
        """The help option."""
        option: Parameter | None = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.process_value = FlagReader(option)  # type: ignore[method-assign, assignment]
        return option


class HeadedCommand(LightHelp, TyperCommand):  # type: ignore[misc]
    """A command whose help shows its options under headings."""

    def take_options(self, declared: Mapping[str, Declared], unchecked: Collection[str]) -> None:
        """Let the options themselves read their values, and check them where one class alone declares the field."""
        self.headings = {name: option.heading for name, option in declared.items()}
        for parameter in self.params:
            if parameter.name in declared:
                variables = parameter.envvar or []
                variables = [variables] if isinstance(variables, str) else list(variables)
                checks = parameter.name not in unchecked
                reader = ValueReader(declared[parameter.name], variables, checks=checks)
                parameter.process_value = reader  # type: ignore[method-assign, assignment]
            elif parameter.name == ARGUMENT:
                parameter.process_value = ArgumentReader(parameter)  # type: ignore[method-assign, assignment]

    def format_options(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Arguments, then the options by their headings."""
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{heading: [] for heading in HEADINGS}}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                is_argument = parameter.param_type_name == "argument"
                heading = "Arguments" if is_argument else self.headings.get(str(parameter.name), MESSAGES)
                rows[heading].append(row)
        for heading, listed in rows.items():
            if listed:
                with formatter.section(heading):
                    formatter.write_dl(listed)


@dataclass(frozen=True)
class Item:
    """A line of a menu: a command's name, where it is (`module:attribute`), and what it does."""

    name: str
    place: str
    summary: str


class Menu(LightHelp, TyperGroup):  # type: ignore[misc]
    """A group of commands, each imported when it is asked for."""

    def list_items(self) -> Sequence[Item]:
        """The lines of the menu."""
        return ()

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """The arguments; none at all asks for the help."""
        return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["--help"])

    def load(self, item: Item) -> TyperCommand | TyperGroup:
        """The command of a line, built."""
        module, _, name = item.place.partition(":")
        found = getattr(importlib.import_module(module), name)
        made = found() if callable(found) else found
        built: TyperCommand | TyperGroup = made.build() if isinstance(made, Command) else made
        return built

    def list_commands(self, ctx: "Context") -> list[str]:
        """The names of the commands, in the order of the menu."""
        del ctx
        return [item.name for item in self.list_items()]

    def get_command(self, ctx: "Context", cmd_name: str) -> TyperCommand | TyperGroup | None:
        """The command of that name, or None."""
        del ctx
        item = next((item for item in self.list_items() if item.name == cmd_name), None)
        return self.load(item) if item else None

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """The names with what each does; no command is imported for it."""
        del ctx
        items = self.list_items()
        limit = formatter.width - 6 - max(len(item.name) for item in items)
        with formatter.section("Commands"):
            formatter.write_dl([(item.name, shorten(item.summary, limit)) for item in items])


def build_group(summary: str, items: Sequence[Item]) -> TyperGroup:
    """A menu below the main one, as Typer runs it: `genai models`."""

    class Group(Menu):
        def list_items(self) -> Sequence[Item]:
            return items

    app = typer.Typer(cls=Group, help=summary, rich_markup_mode=None, context_settings=CONTEXT, add_completion=False)
    app.callback()(lambda: None)
    group: TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]
    return group


def shorten(text: str, limit: int) -> str:
    """The words of a text that fit into a line, and three dots where some do not."""
    if len(text) <= limit:
        return text
    return text[: limit - 3].rpartition(" ")[0].rstrip(",;:") + "..."
