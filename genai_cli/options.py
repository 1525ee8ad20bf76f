"""Every option, declared once. Options that all commands share come in groups, which `takes` adds to a command."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from genai_cli import __version__

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def option(*names: str, help: str, env: str | list[str] | None = None, **more: Any) -> Any:
    """An option with its environment variable: GENAI_ and its first long name, unless `env` says otherwise."""
    long = next(name for name in names if name.startswith("--"))
    variable = "GENAI_" + long.split("/")[0].removeprefix("--").upper().replace("-", "_")
    return typer.Option(*names, envvar=env or variable, show_envvar=False, help=help, **more)


def model_option(task: str, default: str) -> Any:
    """`--model` of a task, whose own environment variable comes before the common one."""
    return option(
        "-m",
        "--model",
        env=[f"GENAI_{task.upper()}_MODEL", "GENAI_MODEL"],
        help=f"Alias, owner/name, owner/name@revision, or a folder; tiny is built in. [default: {default}]",
        show_default=False,
    )


def license_option() -> Any:
    """`--require-license`, of the commands that run or fetch a model."""
    return option("--require-license", metavar="NAMES", help="Refuse models under other licences: mit,apache-2.0")


def show_version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        typer.echo(f"genai {__version__}")
        raise typer.Exit()


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every command takes."""

    offline: Annotated[bool, option("--offline", help="Make no network request; use what is cached.")] = False
    json: Annotated[bool, option("--json", help="Write one JSON record a line to stdout.")] = False
    quiet: Annotated[bool, option("-q", "--quiet", help="Say nothing but errors on stderr.")] = False
    verbose: Annotated[bool, option("-v", "--verbose", help="Say what is chosen and why, and the time it took.")] = (
        False
    )
    debug: Annotated[bool, option("--debug", help="Show a traceback where something fails.")] = False
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and stop.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class JobOptions(CommonOptions):
    """What every command that runs models takes beside the options of its task."""

    output: Annotated[
        str | None,
        option(
            "-o",
            "--output",
            help="A folder (ends in /), a file, a template with {slug} {seed} {index} {key} {id}, or - for stdout.",
        ),
    ] = None
    num: Annotated[int, option("-n", "--num", help="How many results for each prompt.")] = 1
    seed: Annotated[
        int | None, option("--seed", help="Seed of the first result of a prompt; drawn and recorded if not given.")
    ] = None
    device: Annotated[str, option("--device", help="auto, cuda, cuda:N, mps or cpu.")] = "auto"
    dtype: Annotated[str, option("--dtype", help="auto, float32, float16 or bfloat16.")] = "auto"
    variant: Annotated[
        str, option("--variant", help="Weight files: auto (fp16 where complete), none (the plain ones), or a name.")
    ] = "auto"
    compile: Annotated[
        bool | None,
        option(
            "--compile/--no-compile",
            help="Compile the model of pictures and texts. [default: on cuda, where it pays]",
            show_default=False,
        ),
    ] = None
    metadata: Annotated[
        bool,
        option(
            "--metadata/--no-metadata", help="Put prompt and parameters into the file; the mark 'generated' always."
        ),
    ] = True
    c2pa_cert: Annotated[
        Path | None,
        option("--c2pa-cert", metavar="FILE", help="Sign files (C2PA) with this certificate chain, PEM."),
    ] = None
    c2pa_key: Annotated[
        Path | None, option("--c2pa-key", metavar="FILE", help="The private key of that certificate, PEM.")
    ] = None
    require_license: Annotated[str | None, license_option()] = None
    batch_size: Annotated[
        str, option("--batch-size", metavar="auto|N", help="At most so many items at once; changes no result.")
    ] = "auto"
    dry_run: Annotated[bool, option("--dry-run", help="Show what would be made; load nothing, write nothing.")] = False
    skip_bad: Annotated[bool, option("--skip-bad", help="Pass over rows that cannot be used, instead of stopping.")] = (
        False
    )
    limit: Annotated[int | None, option("--limit", min=0, help="Make at most so many items now.")] = None
    retry_failed: Annotated[bool, option("--retry-failed", help="Try items again that failed in an earlier run.")] = (
        False
    )
    shard: Annotated[
        str | None, option("--shard", metavar="I/N", help="Make part I of N only: the split is by key, for job arrays.")
    ] = None
    engine: Annotated[
        str, option("--engine", help="local (this process), or ray (several workers, here or on a cluster).")
    ] = "local"
    workers: Annotated[
        int | None,
        option(
            "--workers",
            min=1,
            help="Workers of --engine ray. [default: one for each GPU; without, one for every two CPUs]",
            show_default=False,
        ),
    ] = None
    ray_address: Annotated[
        str | None,
        option("--ray-address", metavar="HOST:PORT", help="A running Ray cluster, or auto. [default: one of its own]"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RunOptions(JobOptions):
    """What the four commands take beside their model and the options of their task."""

    prompts: Annotated[
        str | None, option("--prompts", help="Read prompts from a .txt (one a line), .jsonl or .csv file; - is stdin.")
    ] = None
    column: Annotated[
        str | None,
        option("--column", metavar="NAME", help="The table's column that holds the prompt; all others are kept."),
    ] = None


def takes(group: type[Any], name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of a group; it receives them as one `group` object under `name`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = [value for key, value in inspect.signature(command).parameters.items() if key != name]
        inherited = {part.name for base in group.__mro__[1:] if is_dataclass(base) for part in fields(base)}
        parts = sorted(fields(group), key=lambda part: part.name in inherited)  # the common ones last
        shared = [
            inspect.Parameter(part.name, inspect.Parameter.KEYWORD_ONLY, default=part.default, annotation=part.type)
            for part in parts
        ]

        @functools.wraps(command)
        def wrapper(**values: Any) -> Any:
            options = group(**{part.name: values.pop(part.name) for part in shared})
            return command(**values, **{name: options})

        parameters = [value.replace(kind=inspect.Parameter.KEYWORD_ONLY) for value in own] + shared
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {value.name: value.annotation for value in parameters}
        return wrapper

    return decorate


def prompt_argument(metavar: str, what: str) -> Any:
    """The prompts on the command line."""
    return typer.Argument(metavar=metavar, help=f"{what}; - reads them from stdin, one a line.", show_default=False)


Prompts = Annotated[list[str] | None, prompt_argument("PROMPT", "What to make")]
Texts = Annotated[list[str] | None, prompt_argument("TEXT", "What to classify")]

NegativePrompt = Annotated[str, option("--negative-prompt", help="What the picture should not show.")]
Steps = Annotated[int | None, option("--steps", help="Denoising steps. [default: the model's own]", show_default=False)]
Guidance = Annotated[
    float | None,
    option(
        "--guidance",
        "--cfg-scale",
        help="How strongly the prompt is followed. [default: the model's own]",
        show_default=False,
    ),
]
Width = Annotated[int | None, option("--width", help="Width in pixels. [default: the model's own]", show_default=False)]
Height = Annotated[
    int | None, option("--height", help="Height in pixels. [default: the model's own]", show_default=False)
]
Size = Annotated[str | None, option("--size", metavar="WxH", help="Width and height at once: 512x768.")]
Scheduler = Annotated[
    str | None,
    option(
        "--scheduler",
        "--sampler",
        help="pndm, ddim, euler, euler-a, heun, dpm++2m, dpm++2m-karras, dpm++sde, unipc, lcm. [default: its own]",
        show_default=False,
    ),
]
Fast = Annotated[
    bool, option("--fast", help="20 steps of dpm++2m-karras; --steps and --scheduler beside it change their part.")
]
Safety = Annotated[bool, option("--safety/--no-safety", help="Run the safety checker that the model ships with.")]

MaxNewTokens = Annotated[
    int | None,
    option(
        "--max-new-tokens",
        "--max-tokens",
        help="Tokens to make at most. [default: 256, or what the context leaves]",
        show_default=False,
    ),
]
Temperature = Annotated[
    float | None,
    option(
        "--temperature", help="Randomness; 0 takes the likeliest always. [default: the model's own]", show_default=False
    ),
]
TopP = Annotated[
    float | None,
    option("--top-p", help="Draw from the likeliest tokens of this probability together.", show_default=False),
]
TopK = Annotated[
    int | None, option("--top-k", help="Draw from this many likeliest tokens; 0 from all.", show_default=False)
]
RepetitionPenalty = Annotated[
    float | None, option("--repetition-penalty", help="Above 1 makes repeating less likely.", show_default=False)
]
Stop = Annotated[list[str] | None, option("--stop", help="End before this text; may be given several times.")]
System = Annotated[str | None, option("--system", help="The system message of a chat model.")]
Chat = Annotated[
    bool | None,
    option("--chat/--no-chat", help="Use the model's chat template. [default: where it has one]", show_default=False),
]
Echo = Annotated[bool, option("--echo/--no-echo", help="Show the prompt before what a base model adds.")]

Quantize = Annotated[
    str | None, option("--quantize", help="int8 or int4: linear weights in 8 or 4 bits; less memory, other results.")
]

Top = Annotated[int, option("--top", help="How many labels to show, best first; 0 for all.")]

Duration = Annotated[
    float | None,
    option(
        "--duration", help="Seconds of sound. [default: 8, or the model's limit if that is less]", show_default=False
    ),
]
