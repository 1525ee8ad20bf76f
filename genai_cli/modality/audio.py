"""Sound from text with any text-to-audio model that transformers' pipeline knows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from genai_cli.errors import GenaiError, InputError, ResultError
from genai_cli.events import Emit, Progress
from genai_cli.modality.request import QuantizableRequest, read_optional_json
from genai_cli.modality.sampling import FiniteRows, OwnChance, sampling_processors
from genai_cli.modality.seeding import seeded
from genai_cli.model.device import Placement
from genai_cli.model.hub import ModelFiles
from genai_cli.model.loading import load_companion, load_model

DEFAULT_DURATION = 8.0  # seconds
DEFAULT_TOP_K = 50  # what transformers takes where a checkpoint states none
FULL_SCALE = 32767 / 32768  # the largest 16-bit sample


@dataclass(frozen=True, kw_only=True)
class AudioRequest(QuantizableRequest):
    """One sound. `duration` is in seconds."""

    task: ClassVar[str] = "audio"
    default_model: ClassVar[str] = "musicgen"
    suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".ogg", ".mp3")

    duration: float | None = None
    guidance_scale: float | None = None
    temperature: float | None = None
    top_k: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("duration", low=0, above=True)
        self.check_range("guidance_scale", low=1, high=100)
        self.check_range("temperature", low=0, high=100)
        self.check_range("top_k", low=0)

    def batch_key(self) -> tuple[object, ...]:
        return (self.duration, self.guidance_scale, self.temperature, self.top_k)

    def check_files(self, folder: Path) -> None:
        """Raise InputError for a duration that the model was not made for."""
        clock = read_clock(folder)
        if self.duration is None:
            return
        if clock is None:
            raise InputError(f"{self.model} sets the length of its sound from the text", hint="leave --duration out")
        if self.duration > clock.limit:
            raise InputError(
                f"--duration {self.duration:g} is too long: {self.model} was made for at most {clock.limit:g} seconds"
            )
        if self.duration * clock.frame_rate < 1:
            raise InputError(
                f"--duration {self.duration:g} is shorter than one frame of {1 / clock.frame_rate:g} seconds"
            )


@dataclass(frozen=True)
class FrameClock:
    """How a model counts time: frames a second, codebooks (a frame apart each), and the longest sound in seconds."""

    frame_rate: float
    codebooks: int
    limit: float

    def tokens(self, duration: float) -> int:
        """New tokens to generate for a duration; the delay pattern takes one more for each codebook but the first.

        Source: MusicGen, https://arxiv.org/abs/2306.05284, section 2.2.
        """
        return round(duration * self.frame_rate) + self.codebooks - 1


@dataclass(frozen=True)
class AudioResult:
    """Sound as float samples of shape (samples, channels) within full scale, with every option that shaped it."""

    samples: Any
    sampling_rate: int
    parameters: dict[str, Any]


@dataclass(frozen=True)
class LoadedAudio:
    """The library's text-to-audio pipeline, and the model's clock (None where the text sets the length)."""

    pipeline: Any
    clock: FrameClock | None


def read_clock(folder: Path) -> FrameClock | None:
    """The clock of a model that makes a fixed number of frames (the MusicGen family), from its configuration."""
    config = read_optional_json(folder / "config.json")
    codec, decoder = config.get("audio_encoder") or {}, config.get("decoder") or {}
    if not (codec.get("sampling_rate") and codec.get("upsampling_ratios") and decoder.get("num_codebooks")):
        return None
    samples_a_frame = 1
    for ratio in codec["upsampling_ratios"]:
        samples_a_frame *= int(ratio)
    frame_rate = codec["sampling_rate"] / samples_a_frame
    longest = (
        read_optional_json(folder / "generation_config.json").get("max_length") or decoder.get("max_length") or 1500
    )
    channels = int(decoder.get("audio_channels") or 1)
    return FrameClock(frame_rate, int(decoder["num_codebooks"]) // channels, int(longest) / frame_rate)


def load(files: ModelFiles, placement: Placement) -> LoadedAudio:
    """Load the model with its tokenizer or processor."""
    from transformers import TextToAudioPipeline

    model = load_model(files.architecture, files, placement)
    # Bark's processor is made of the tokenizer's files alone; the others state themselves.
    states_processor = any((files.folder / f"{name}_config.json").is_file() for name in ("processor", "preprocessor"))
    needs_processor = states_processor or files.architecture == "BarkModel"
    processor = load_companion("AutoProcessor", files) if needs_processor else None
    tokenizer = load_companion("AutoTokenizer", files)
    if placement.device == "cpu" and hasattr(model, "audio_encoder"):
        model.audio_encoder.decode = OneByOne(model.audio_encoder.decode)
    pipeline = TextToAudioPipeline(model=model, tokenizer=tokenizer, processor=processor, device=placement.device)
    return LoadedAudio(pipeline, read_clock(files.folder))


class OneByOne:
    """A codec's decode that takes one sound after the other.

    On a processor many at once are no faster, and every sample would differ in its last digits from the sound alone.
    """

    def __init__(self, decode: Any) -> None:
        self.decode = decode

    def __call__(self, audio_codes: Any, audio_scales: Sequence[Any], **options: Any) -> Any:
        """The codec's output for codes of shape (frames, sounds, codebooks, length)."""
        import torch

        parts = [
            self.decode(audio_codes[:, place : place + 1], audio_scales=[scale], **options)
            for place, scale in enumerate(audio_scales)
        ]
        return type(parts[0])(audio_values=torch.cat([part.audio_values for part in parts]))


def generate(loaded: LoadedAudio, requests: Sequence[AudioRequest], emit: Emit) -> list[AudioResult | GenaiError]:
    """Make a sound for each request. Seeds must be set, and the requests share their `batch_key`."""
    if loaded.clock is None:
        return [generate_alone(loaded, request) for request in requests]
    return generate_together(loaded, loaded.clock, [with_defaults(loaded, request) for request in requests], emit)


def generate_alone(loaded: LoadedAudio, request: AudioRequest) -> AudioResult:
    """Make one sound with a model that draws from the global generator where it likes."""
    used = with_defaults(loaded, request)
    options: dict[str, Any] = {}
    if loaded.pipeline.model.can_generate():
        options["do_sample"] = bool(used.temperature)
        if used.temperature:
            options["temperature"] = used.temperature
        if used.top_k is not None:
            options["top_k"] = used.top_k
    with seeded(request.seed):
        output = loaded.pipeline(request.prompt, **({"generate_kwargs": options} if options else {}))
    return AudioResult(within_full_scale(output["audio"]), int(output["sampling_rate"]), used.parameters())


def generate_together(
    loaded: LoadedAudio, clock: FrameClock, used: Sequence[AudioRequest], emit: Emit
) -> list[AudioResult | GenaiError]:
    """Make the sounds of a group with a model of the MusicGen family, whose codebooks are rows beside each other."""
    import torch

    model, shared = loaded.pipeline.model, used[0]
    rows_of_item = int(model.config.get_text_config(decoder=True).num_codebooks)
    finite = FiniteRows()
    processors = BehindGuidance([finite])
    if shared.temperature:
        processors += sampling_processors(shared.temperature, shared.top_k, None)
        processors.append_behind(OwnChance([request.seed or 0 for request in used], model.device, rows_of_item))
    inputs = loaded.pipeline.preprocess([request.prompt for request in used], padding=True).to(model.device)
    steps = clock.tokens(shared.duration or DEFAULT_DURATION)
    with torch.inference_mode():
        sounds = model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=steps,
            guidance_scale=shared.guidance_scale,
            logits_processor=processors,
            streamer=TokenCounter(steps, emit),
        )
    broken = finite.broken.reshape(len(used), rows_of_item).any(dim=1).tolist()
    return [
        ResultError("the model's probabilities are not finite (NaN)", hint="try --dtype float32")
        if is_broken
        else AudioResult(
            within_full_scale(sound.float().cpu().numpy()), int(loaded.pipeline.sampling_rate), request.parameters()
        )
        for request, sound, is_broken in zip(used, sounds, broken, strict=True)
    ]


class BehindGuidance(list[Any]):
    """Logits processors that stay behind the guidance, which the library appends to the list that it is given."""

    def append(self, processor: Any) -> None:
        """Put the library's processor first: it makes one row of two, and the others need one."""
        self.insert(0, processor)

    def append_behind(self, processor: Any) -> None:
        """Put a processor last."""
        self.insert(len(self), processor)


def with_defaults(loaded: LoadedAudio, request: AudioRequest) -> AudioRequest:
    """The request with the model's own defaults filled in. Raises InputError for options that the model has not."""
    model = loaded.pipeline.model
    if not model.can_generate():
        refused = [name for name in ("guidance_scale", "temperature", "top_k") if getattr(request, name) is not None]
        if refused:
            raise InputError(f"{type(model).__name__} takes no {' and no '.join(refused)}")
        return request
    stated = model.generation_config
    filled: dict[str, Any] = {
        "temperature": getattr(stated, "temperature", None) or 1.0,
        "top_k": getattr(stated, "top_k", None),
    }
    if loaded.clock is not None:
        filled["top_k"] = DEFAULT_TOP_K if filled["top_k"] is None else filled["top_k"]
        filled["duration"] = min(DEFAULT_DURATION, loaded.clock.limit)
        filled["guidance_scale"] = getattr(stated, "guidance_scale", None) or 3.0
    elif request.guidance_scale is not None:
        raise InputError(f"{type(model).__name__} takes no guidance_scale")
    return replace(request, **{name: value for name, value in filled.items() if getattr(request, name) is None})


class TokenCounter:
    """A streamer for transformers' generate that emits the progress by token."""

    def __init__(self, total: int, emit: Emit) -> None:
        self.total = total
        self.emit = emit
        self.made = -1  # the first call brings the prompt

    def put(self, value: Any) -> None:
        """Count one step; `value` holds its tokens."""
        del value
        self.made += 1
        if self.made > 0:
            self.emit(Progress("audio", min(self.made, self.total), self.total))

    def end(self) -> None:
        """The last step was taken, perhaps before the total."""
        self.emit(Progress("audio", self.total, self.total))


def within_full_scale(audio: Any) -> Any:
    """Samples as float of shape (samples, channels), turned down only where their peak is past full scale."""
    import numpy

    samples = numpy.atleast_2d(numpy.asarray(audio, dtype=numpy.float32)).T
    peak = float(numpy.abs(samples).max(initial=0.0))
    return samples * (FULL_SCALE / peak) if peak > FULL_SCALE else samples
