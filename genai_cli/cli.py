"""The commands. `main` is the only place where an error becomes a message and an exit code."""

import errno
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from genai_cli import options as opt
from genai_cli.console import print_error, print_traceback
from genai_cli.errors import GenaiError, InputError, Terminated
from genai_cli.models import app as models_app

app = typer.Typer(
    name="genai",
    help="Pictures, text, labels and sound from open models, on your own machine.",
    epilog="Try it without any download: genai image 'a large red circle on a blue background' -m tiny",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings=opt.CONTEXT,
)
app.add_typer(models_app, name="models")


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=opt.show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Pictures, text, labels and sound from open models, on your own machine."""


@app.command()
@opt.takes(opt.RunOptions, "run")
def image(
    run: opt.RunOptions,
    prompts_given: opt.Prompts = None,
    model: Annotated[str, opt.model_option("image", "sd15")] = "sd15",
    negative_prompt: opt.NegativePrompt = "",
    num_inference_steps: opt.Steps = None,
    guidance_scale: opt.Guidance = None,
    width: opt.Width = None,
    height: opt.Height = None,
    size: opt.Size = None,
    scheduler: opt.Scheduler = None,
    fast: opt.Fast = False,
    safety: opt.Safety = True,
) -> int:
    """Make pictures: PNG, or JPEG and WebP by the name given.

    genai image "an astronaut riding a horse" -n 4 -o pictures/
    """
    from genai_cli.modality.image import ImageRequest
    from genai_cli.modality.request import parse_size
    from genai_cli.run_command import run_command

    if size is not None:
        if width is not None or height is not None:
            raise InputError("--size sets width and height: leave --width and --height out")
        width, height = parse_size(size)
    fields = {
        "model": model,
        "negative_prompt": negative_prompt,
        "num_inference_steps": num_inference_steps,
        "guidance_scale": guidance_scale,
        "width": width,
        "height": height,
        "scheduler": scheduler,
        "fast": fast,
        "safety": safety,
    }
    return run_command(ImageRequest, prompts_given, fields, run)


@app.command()
@opt.takes(opt.RunOptions, "run")
def text(
    run: opt.RunOptions,
    prompts_given: opt.Prompts = None,
    model: Annotated[str, opt.model_option("text", "gpt2")] = "gpt2",
    max_new_tokens: opt.MaxNewTokens = None,
    temperature: opt.Temperature = None,
    top_p: opt.TopP = None,
    top_k: opt.TopK = None,
    repetition_penalty: opt.RepetitionPenalty = None,
    stop: opt.Stop = None,
    system: opt.System = None,
    chat: opt.Chat = None,
    echo: opt.Echo = True,
    quantize: opt.Quantize = None,
) -> int:
    """Go on from a prompt, or answer it: streamed to stdout, and TXT with -o.

    genai text "It was a dark and stormy"
    """
    from genai_cli.modality.text import TextRequest
    from genai_cli.run_command import run_command

    fields = {
        "model": model,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "repetition_penalty": repetition_penalty,
        "stop": tuple(stop or ()),
        "system": system,
        "chat": chat,
        "echo": echo,
        "quantize": quantize,
    }
    return run_command(TextRequest, prompts_given, fields, run)


@app.command()
@opt.takes(opt.RunOptions, "run")
def classify(
    run: opt.RunOptions,
    texts_given: opt.Texts = None,
    model: Annotated[str, opt.model_option("classify", "sst2")] = "sst2",
    top: opt.Top = 1,
    quantize: opt.Quantize = None,
) -> int:
    """Label texts: LABEL and SCORE, a line each, and TXT with -o.

    genai classify "This movie is disgustingly good !"
    """
    from genai_cli.modality.classify import ClassifyRequest
    from genai_cli.run_command import run_command

    return run_command(ClassifyRequest, texts_given, {"model": model, "top": top, "quantize": quantize}, run)


@app.command()
@opt.takes(opt.RunOptions, "run")
def audio(
    run: opt.RunOptions,
    prompts_given: opt.Prompts = None,
    model: Annotated[str, opt.model_option("audio", "musicgen")] = "musicgen",
    duration: opt.Duration = None,
    guidance_scale: opt.Guidance = None,
    temperature: opt.Temperature = None,
    top_k: opt.TopK = None,
    quantize: opt.Quantize = None,
) -> int:
    """Make sound: WAV, or FLAC, Ogg and MP3 by the name given.

    genai audio "electric rock solo" --duration 5 -o solo.wav
    """
    from genai_cli.modality.audio import AudioRequest
    from genai_cli.run_command import run_command

    fields = {
        "model": model,
        "duration": duration,
        "guidance_scale": guidance_scale,
        "temperature": temperature,
        "top_k": top_k,
        "quantize": quantize,
    }
    return run_command(AudioRequest, prompts_given, fields, run)


@app.command()
@opt.takes(opt.JobOptions, "run")
def batch(
    run: opt.JobOptions,
    jobs: Annotated[
        str, typer.Argument(metavar="JOBS", help="A .jsonl or .csv file of jobs; - is stdin.", show_default=False)
    ],
    model: Annotated[
        str | None,
        opt.option(
            "-m", "--model", help="The model of rows that name none. [default: the task's own]", show_default=False
        ),
    ] = None,
    format: Annotated[
        str, opt.option("--format", help="Of -o FILE.jsonl: genai (records), or openai (a line for each request).")
    ] = "genai",
) -> int:
    """Make all that a file asks for, of any kinds, into a folder; killed and run again, it does what is missing.

    A row: {"task": "image", "prompt": "a red circle", "seed": 1, "id": "circle"}
    """
    from genai_cli.run_command import run_batch

    return run_batch(jobs, model, format, run)


Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Files that genai wrote.", show_default=False)]


@app.command()
@opt.takes(opt.CommonOptions, "common")
def show(common: opt.CommonOptions, files: Files) -> int:
    """Show the record inside generated files (and the parameters in pictures that other tools wrote)."""
    from genai_cli.records import show_files

    return show_files(files, common)


@app.command()
@opt.takes(opt.JobOptions, "run")
def rerun(
    run: opt.JobOptions,
    files: Files,
    verify: Annotated[bool, opt.option("--verify", help="Compare with the file; keep nothing.")] = False,
    model: Annotated[str | None, opt.option("-m", "--model", help="Another model.", show_default=False)] = None,
    num_inference_steps: opt.Steps = None,
    guidance_scale: opt.Guidance = None,
    width: opt.Width = None,
    height: opt.Height = None,
    scheduler: opt.Scheduler = None,
    max_new_tokens: opt.MaxNewTokens = None,
    temperature: opt.Temperature = None,
    top_p: opt.TopP = None,
    top_k: opt.TopK = None,
    duration: opt.Duration = None,
    quantize: opt.Quantize = None,
) -> int:
    """Make files again from the records inside them; options given here override theirs.

    genai rerun cat-7.png --steps 50
    """
    from genai_cli.records import rerun_files

    changes = {
        "model": model,
        "seed": run.seed,
        "num_inference_steps": num_inference_steps,
        "guidance_scale": guidance_scale,
        "width": width,
        "height": height,
        "scheduler": scheduler,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "duration": duration,
        "quantize": quantize,
    }
    return rerun_files(files, {name: value for name, value in changes.items() if value is not None}, verify, run)


@app.command()
@opt.takes(opt.CommonOptions, "common")
def doctor(
    common: opt.CommonOptions,
    repair: Annotated[bool, opt.option("--repair", help="Remove broken and unfinished files from the cache.")] = False,
) -> int:
    """Show device, dtype, versions, cache and hub, and what is wrong with a remedy."""
    from genai_cli.doctor import run_doctor

    return run_doctor(common, repair)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or os.environ.get("GENAI_DEBUG", "") not in ("", "0")
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
    from typer.main import get_command

    command: Any = get_command(app)
    runs = arguments and not {"-h", "--help", "--version"} & set(arguments)
    defaults = settings_of(command) if runs else None
    return int(command.main(args=arguments, prog_name="genai", standalone_mode=False, default_map=defaults) or 0)


def settings_of(command: Any) -> dict[str, Any]:
    """The settings file's defaults for the commands that run a model."""
    from genai_cli.settings import load_settings

    runners = {name: sub for name, sub in command.commands.items() if not hasattr(sub, "commands")}
    return load_settings({name: [str(option.name) for option in sub.params] for name, sub in runners.items()})


def explain(error: BaseException) -> int:
    """Say in one line what went wrong, and return the contract's exit code for it."""
    if isinstance(error, GenaiError):
        print_error(error.message, error.hint)
        return error.exit_code
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        print_error(error.format_message(), f"{context.command_path} --help" if context else None)
        return InputError.exit_code
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return 128 + signal.SIGTERM
    # Typer turns a closed pipe into SystemExit before it gets here.
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        silence_stdout()
        return 128 + signal.SIGPIPE
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG):
        silence_stdout()
        print_error(f"cannot write: {error.strerror}", "free some space, or name another place with -o")
        return 6
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    print_error(f"a bug in genai: {type(error).__name__}: {error}", "--debug shows where; please report it")
    return 1


def silence_stdout() -> None:
    """Nobody reads stdout any more: what is left in its buffer must not raise again when Python exits."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())


def on_terminate(_signal: int, _frame: object) -> NoReturn:
    """SIGTERM ends the run in order: temporary files go, the exit code says why."""
    raise Terminated
