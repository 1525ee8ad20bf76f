"""The options that commands share, in classes: each class is read whole and passed on whole."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.cli.console import Console
from genai_cli.cli.screen.previewing import PreviewOptions
from genai_cli.cli.screen.viewer import ViewOptions
from genai_cli.cli.servers import ServerOptions
from genai_cli.cli.sheets import SheetOptions
from genai_cli.device.spec import Placing
from genai_cli.request.option import BATCHES, MESSAGES, MODEL, OUTPUT, Option
from genai_cli.work.engines.engine import Engine
from genai_cli.work.engines.keeping import Keeping

if TYPE_CHECKING:
    from genai_cli.cli.command import Given
    from genai_cli.hub.access import Access


@dataclass(frozen=True, kw_only=True)
class MessageOptions:
    """What a command says, and how; every command takes these."""

    heading: ClassVar[str] = MESSAGES

    json: Annotated[bool, Option("--json", help="Write one JSON record a line to stdout.")] = False
    quiet: Annotated[bool, Option("-q", "--quiet", help="Say nothing but errors on stderr.")] = False
    verbose: Annotated[bool, Option("-v", "--verbose", help="Say what is chosen and why, and the time it took.")] = (
        False
    )
    debug: Annotated[bool, Option("--debug", help="Show a traceback where something fails.")] = False

    def open_console(self, items: int = 1) -> Console:
        """What shows messages, and the results of so many items."""
        return Console(quiet=self.quiet, verbose=self.verbose, debug=self.debug, items=items)


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Whether the network may be used; every command takes it."""

    heading: ClassVar[str] = MODEL

    offline: Annotated[bool, Option("--offline", help="Make no network request; use what is cached.")] = False


@dataclass(frozen=True, kw_only=True)
class LicenseOptions:
    """What commands take that run or fetch a model."""

    heading: ClassVar[str] = MODEL

    require_license: Annotated[
        str | None,
        Option("--require-license", metavar="NAMES", help="Refuse models under other licences: mit,apache-2.0"),
    ] = None


def read_access(given: "Given") -> "Access":
    """Whether the network may be used, and under which licences. Raises InputError."""
    from genai_cli.hub.access import Access
    from genai_cli.hub.license import parse_licenses

    return Access(given.read(NetworkOptions).offline, parse_licenses(given.read(LicenseOptions).require_license))


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where results go, how many there are, and what their files hold."""

    heading: ClassVar[str] = OUTPUT

    output: Annotated[
        str | None,
        Option(
            "-o",
            "--output",
            help="A folder (ends in /), a file, a template with {slug} {seed} {index} {key} {id}, or - for stdout.",
        ),
    ] = None
    null: Annotated[
        bool, Option("-0", "--null", help="End each result on stdout with NUL instead of a newline: for xargs -0.")
    ] = False
    num: Annotated[int, Option("-n", "--num", help="How many results for each prompt.", low=1, needs="draws")] = 1
    metadata: Annotated[
        bool,
        Option(
            "--metadata/--no-metadata", help="Put prompt and parameters into the file; the mark 'generated' always."
        ),
    ] = True
    c2pa_cert: Annotated[
        Path | None,
        Option(
            "--c2pa-cert", metavar="FILE", help="Sign files (C2PA) with this certificate chain, PEM.", needs="signable"
        ),
    ] = None
    c2pa_key: Annotated[
        Path | None,
        Option("--c2pa-key", metavar="FILE", help="The private key of that certificate, PEM.", needs="signable"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How many items are taken up, and which."""

    heading: ClassVar[str] = BATCHES

    batch_size: Annotated[
        str, Option("--batch-size", metavar="auto|N", help="At most so many items at once; changes no result.")
    ] = "auto"
    dry_run: Annotated[bool, Option("--dry-run", help="Show what would be made; load nothing, write nothing.")] = False
    skip_bad: Annotated[bool, Option("--skip-bad", help="Skip rows that cannot be used, instead of stopping.")] = False
    limit: Annotated[int | None, Option("--limit", help="Make at most so many items now.", low=0)] = None
    retry_failed: Annotated[bool, Option("--retry-failed", help="Try items again that failed in an earlier run.")] = (
        False
    )
    pack: Annotated[
        bool,
        Option("--pack", help="Keep texts and labels in the folder's manifest, without a file each.", needs="packable"),
    ] = False
    shard: Annotated[
        str | None, Option("--shard", metavar="I/N", help="Make part I of N only: the split is by key, for job arrays.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class InsteadOptions:
    """What the arguments are, where a task takes a picture in place of a text."""

    pictures: Annotated[bool, Option("--picture", help="The arguments are pictures, not texts: --picture *.jpg")] = (
        False
    )


@dataclass(frozen=True, kw_only=True)
class PromptOptions:
    """Where prompts come from, beside the command line."""

    heading: ClassVar[str] = BATCHES

    prompts: Annotated[
        str | None,
        Option("--prompts", help="Read prompts from a .txt (one a line), .jsonl, .csv or .tsv file; - is stdin."),
    ] = None
    chapters: Annotated[
        bool,
        Option(
            "--chapters",
            help="The file is a book, plain text or Markdown: one result for each chapter, named by its title.",
            needs="takes_chapters",
        ),
    ] = False
    column: Annotated[
        str | None,
        Option("--column", metavar="NAME", help="The table's column that holds the prompt; all others are kept."),
    ] = None
    template: Annotated[
        str | None,
        Option("--template", metavar="TEXT", help='Make prompts from the columns of a table: "a {colour} {shape}".'),
    ] = None


@dataclass(frozen=True, kw_only=True)
class VaryOptions:
    """How one prompt becomes several."""

    heading: ClassVar[str] = BATCHES

    vary: Annotated[
        tuple[str, ...],
        Option(
            "--vary",
            metavar="NAME=VALUES",
            help="All combinations of values of options: --vary steps=10,20 --vary seed=1..4; also model.",
        ),
    ] = ()
    expand: Annotated[
        bool, Option("--expand", help='Make all of the alternatives in a prompt: "a {red|green} {circle|star}".')
    ] = False


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How files of prompts and jobs are read."""

    heading: ClassVar[str] = BATCHES

    delimiter: Annotated[
        str | None,
        Option(
            "--delimiter",
            metavar="CHAR",
            help="What is between a table's cells: a character, or tab.",
            default="what the header tells of , ; and tab",
        ),
    ] = None
    encoding: Annotated[
        str | None,
        Option(
            "--encoding",
            metavar="NAME",
            help="The encoding of the prompts: cp1252, gb18030, shift_jis, ...",
            default="UTF-8, or UTF-16 by its byte order mark",
        ),
    ] = None


RUN_OPTIONS = (
    OutputOptions,
    ViewOptions,
    SheetOptions,
    PreviewOptions,
    NetworkOptions,
    LicenseOptions,
    ServerOptions,
    Placing,
    Keeping,
    BatchOptions,
    Engine,
    MessageOptions,
)
"""The classes of options of every command that runs models."""
