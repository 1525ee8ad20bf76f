"""Sound from text with any text-to-audio model that transformers' pipeline knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.content import Content
from genai_cli.content.sound import Sound
from genai_cli.device.workload import Work
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Emit, Progress, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.decoding.reading import report_cut, report_unread
from genai_cli.modality.decoding.sampling import FiniteScores, GuidedProcessor, OwnChance, build_sampling_processors
from genai_cli.modality.decoding.seeding import seed_generators
from genai_cli.modality.decoding.settings import (
    DRAWING,
    OTHER_WAYS,
    RANGES,
    SHAPING,
    ProcessorProbe,
    StatedSettings,
    build_shaping,
    drop_unsupported,
    is_idle,
    list_stated,
    resolve_sampling,
    take_settings,
)
from genai_cli.modality.known_models import SOUNDS
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.request.option import Option
from genai_cli.request.request import PromptRequest, QuantizableRequest, Request
from genai_cli.request.sampling import Temperature, TopK
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel
    from transformers.utils import ModelOutput

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles
    from genai_cli.modality.decoding.sampling import Processor

DEFAULT_DURATION = 8.0  # seconds
BARK_READS = 256  # tokens, where a checkpoint states no number
BARK_STAGES = {"semantic": "semantic_config", "coarse": "coarse_acoustics_config", "fine": "fine_acoustics_config"}
APPLIED_BY_LIBRARY = ("top_p", "repetition_penalty", *DRAWING, *SHAPING)
FULL_SCALE = 32767 / 32768  # the largest 16-bit sample


@dataclass(frozen=True, kw_only=True)
class AudioRequest(PromptRequest, QuantizableRequest):
    """One sound. `duration` is in seconds."""

    task: ClassVar[str] = "audio"
    default_model: ClassVar[str] = "musicgen"

    duration: Annotated[
        float | None,
        Option(
            "--duration",
            help="Seconds of sound.",
            default=f"{DEFAULT_DURATION:g}, or the model's limit if that is less",
            low=0,
            above=True,
        ),
    ] = None
    guidance_scale: Annotated[
        float | None,
        Option(
            "--guidance",
            "--cfg-scale",
            help="How strongly the prompt is followed.",
            default="the model's own",
            low=1,
            high=100,
        ),
    ] = None
    temperature: Temperature = None
    top_k: TopK = None

    def batch_key(self) -> tuple[object, ...]:
        return (self.duration, self.guidance_scale, self.temperature, self.top_k)


@dataclass(frozen=True)
class FrameClock:
    """How a model counts time: frames a second, codebooks (a frame apart each), and the longest sound in seconds."""

    frame_rate: float
    codebooks: int
    limit: float

    def count_frames(self, duration: float) -> int:
        """The frames of a duration."""
        return max(1, round(duration * self.frame_rate))

    def state_duration(self, duration: float) -> float:
        """The duration of whole frames; as it was asked for, if it is one."""
        made = self.count_frames(duration) / self.frame_rate
        return duration if abs(made - duration) < 1e-6 else made

    def count_tokens(self, duration: float) -> int:
        """New tokens to generate for a duration; the delay pattern takes one more for each codebook but the first.

        Source: MusicGen, https://arxiv.org/abs/2306.05284, section 2.2. The library leaves the pattern out where there
        are fewer frames than that, and gives frames that no codebook but the first was meant for.
        """
        return max(self.count_frames(duration), self.codebooks - 1) + self.codebooks - 1


class Audio(Modality[AudioRequest]):
    """The library's text-to-audio pipeline, and the model's clock (None where the text sets the length)."""

    request: ClassVar[type[Request]] = AudioRequest
    content: ClassVar[type[Content]] = Sound
    models: ClassVar[ModelKind] = ModelKind(
        task="audio",
        words="a text-to-audio model",
        library="transformers",
        # No ending tells these; named here, they need no answer from transformers, whose import takes seconds.
        class_suffixes=("MusicgenForConditionalGeneration", "BarkModel", "VitsModel"),
        mapping="TEXT_TO_WAVEFORM",
        known=SOUNDS,
        built_in=TINY / "audio",
    )
    work: ClassVar[Work | None] = Work.TOKENS
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    example: ClassVar[str] = 'genai audio "electric rock solo" --duration 5 -o solo.wav'
    # Measured on a 2-core AVX-512 machine; on a GPU a starting point, which is halved where it does not fit.
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 4, "cuda": 8, "mps": 4}

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the model with its tokenizer or processor."""
        from transformers import TextToAudioPipeline

        from genai_cli.device.loading import load_companion, load_model

        model = load_model(files.architecture, files, placement)
        # Bark's processor is made of the tokenizer's files alone; the others state themselves.
        states_processor = any(
            (files.folder / f"{name}_config.json").is_file() for name in ("processor", "preprocessor")
        )
        # The pipeline does without MusicGen's.
        needs_processor = (states_processor and model.config.model_type != "musicgen") or (
            files.architecture == "BarkModel"
        )
        processor = load_companion("AutoProcessor", files) if needs_processor else None
        tokenizer = getattr(processor, "tokenizer", None) or load_companion("AutoTokenizer", files)
        if placement.device == "cpu" and hasattr(model, "audio_encoder"):
            model.audio_encoder.decode = OneByOne(model.audio_encoder.decode)
        self.clock = read_clock(files.folder)
        self.stated = take_audio_settings(model, self.clock is not None)
        self.stages = find_stages(self.stated.values)
        self.pipeline = TextToAudioPipeline(
            model=model, tokenizer=tokenizer, processor=processor, device=placement.device
        )

    @classmethod
    def check(cls, folder: Path, request: AudioRequest) -> None:
        """Raise InputError for a duration that the model was not made for."""
        if request.duration is None:
            return
        clock = read_clock(folder)
        model, duration = request.model, f"--duration {request.duration:g}"
        if clock is None:
            raise InputError(f"{model} sets the length of its sound from the text", hint="leave --duration out")
        if request.duration > clock.limit:
            raise InputError(f"{duration} is too long: {model} was made for at most {clock.limit:g} seconds")
        if request.duration * clock.frame_rate < 1:
            raise InputError(f"{duration} is shorter than one frame of {1 / clock.frame_rate:g} seconds")

    def generate(self, requests: Sequence[AudioRequest], emit: Emit) -> list[Result | GenaiError]:
        """Make a sound for each request."""
        used = [self.fill_defaults(request) for request in requests]
        self.stated.report(emit)
        unread = [self.read_prompt(request, tag_item(emit, place)) for place, request in enumerate(used)]
        if self.clock is None:
            return [error or self.generate_alone(request) for request, error in zip(used, unread, strict=True)]
        read = [request for request, error in zip(used, unread, strict=True) if error is None]
        made = iter(self.generate_together(self.clock, read, emit) if read else [])
        return [error or next(made) for error in unread]

    def read_prompt(self, request: AudioRequest, emit: Emit) -> GenaiError | None:
        """Say what of the prompt the model does not read. Returns an error where that is all of it."""
        try:
            report_unread(self.pipeline.tokenizer, request.prompt, request.model, emit)
        except InputError as error:
            return error
        if self.pipeline.model.config.model_type == "bark":
            stated = self.stated.values.get("semantic_config") or {}
            limit = stated.get("max_input_semantic_length") or BARK_READS
            report_cut(self.pipeline.tokenizer, request.prompt, int(limit), emit)
        return None

    def generate_alone(self, used: AudioRequest) -> Result:
        """Make one sound with a model that draws from the global generator where it likes."""
        options: JsonObject = {}
        if self.pipeline.model.can_generate():
            if used.temperature is None:
                options |= self.stages
            options["do_sample"] = used.temperature is None or used.temperature > 0
            if options["do_sample"]:
                options["temperature"] = used.temperature or 1.0
            if used.top_k is not None:
                options["top_k"] = used.top_k
        with seed_generators(used.seed):
            output = self.pipeline(used.prompt, **({"generate_kwargs": options} if options else {}))
        sound = Sound(fit_full_scale(output["audio"]), int(output["sampling_rate"]))
        return Result(sound, self.list_parameters(used))

    def list_parameters(self, used: AudioRequest) -> JsonObject:
        """What shaped a sound: the options, and what else the checkpoint states."""
        applied = self.stated.applied | (self.stages if used.temperature is None else {})
        return used.parameters() | ({"generation_config": applied} if applied else {})

    def generate_together(
        self, clock: FrameClock, used: Sequence[AudioRequest], emit: Emit
    ) -> list[Result | GenaiError]:
        """Make several sounds with a model of the MusicGen family, whose codebooks are rows beside each other."""
        import torch

        model, shared = self.pipeline.model, used[0]
        codebooks = int(model.config.get_text_config(decoder=True).num_codebooks)
        finite = FiniteScores()
        processors: list[Processor] = [finite]
        applied = self.stated.applied
        if "suppress_tokens" in applied:
            processors.append(build_shaping("suppress_tokens", applied["suppress_tokens"], [], 1, model.device))
        if shared.temperature:
            top_p = applied.get("top_p")
            processors += build_sampling_processors(shared.temperature, shared.top_k, top_p, applied)
            processors.append(OwnChance([request.seed or 0 for request in used], model.device, codebooks))
        inputs = self.pipeline.preprocess([request.prompt for request in used], padding=True).to(model.device)
        duration = shared.duration or DEFAULT_DURATION
        steps, frames = clock.count_tokens(duration), clock.count_frames(duration)
        counter = StepCounter(steps, len(used), emit)
        with torch.inference_mode():
            sounds = model.generate(
                **inputs,
                do_sample=False,
                max_new_tokens=steps,
                guidance_scale=shared.guidance_scale,
                logits_processor=[
                    counter,
                    GuidedProcessor(shared.guidance_scale, len(used) * codebooks, processors),
                ],
            )
        counter.count(steps)
        rate = int(self.pipeline.sampling_rate)
        sounds = sounds[..., : round(frames * rate / clock.frame_rate)]
        # Frames are whole: what was made is recorded.
        used = [replace(request, duration=clock.state_duration(duration)) for request in used]
        return [
            finite.describe()
            if broken
            else Result(Sound(fit_full_scale(sound.float().cpu().numpy()), rate), self.list_parameters(request))
            for request, sound, broken in zip(used, sounds, finite.find_broken_items(len(used)), strict=True)
        ]

    def fill_defaults(self, request: AudioRequest) -> AudioRequest:
        """The request with the model's own defaults. Raises InputError for options that the model does not have."""
        model = self.pipeline.model
        if not model.can_generate():
            options = ("guidance_scale", "temperature", "top_k")
            refused = [name for name in options if getattr(request, name) is not None]
            if refused:
                raise InputError(f"{type(model).__name__} takes no {' and no '.join(refused)}")
            return request
        stated, known = self.stated, self.stated.values
        top_k = int(stated.choose("top_k", -1, 0, 2**31))
        filled: JsonObject = {
            "temperature": stated.choose("temperature", 1.0, *RANGES["temperature"]) or 1.0,
            "top_k": None if top_k < 0 else top_k,
        }
        if known.get("do_sample") is False and request.top_k is None:
            filled["temperature"] = 0.0
        elif self.stages:
            filled["temperature"] = None  # each stage has its own
        if self.clock is not None:
            filled["top_k"] = resolve_sampling(stated, 1.0, draws=False)["top_k"]
            filled["duration"] = min(DEFAULT_DURATION, self.clock.limit)
            filled["guidance_scale"] = stated.choose("guidance_scale", 3.0, 1, 100)
        elif request.guidance_scale is not None:
            raise InputError(f"{type(model).__name__} takes no guidance_scale")
        return replace(request, **{name: value for name, value in filled.items() if getattr(request, name) is None})


def take_audio_settings(model: "PreTrainedModel", together: bool) -> StatedSettings:
    """What the checkpoint states, as far as it is done; the rest is taken out of the model.

    MusicGen's tokens are chosen by genai's own processors. In other models the library chooses them, in stages perhaps,
    and applies what they state itself.
    """
    if not model.can_generate():
        return StatedSettings({})
    if together:
        vocabulary = int(model.config.get_text_config(decoder=True).vocab_size)
        others = [name for name in (*OTHER_WAYS, "repetition_penalty", "stop_strings") if name != "guidance_scale"]
        stated = take_settings(model, (*DRAWING, "suppress_tokens"), ProcessorProbe(vocabulary, []), others)
        top_p = stated.choose("top_p", 1.0, *RANGES["top_p"])
        return replace(stated, applied=stated.applied | ({"top_p": top_p} if top_p < 1 else {}))
    known = list_stated(model.generation_config)
    parts = [stage for name in BARK_STAGES.values() if (stage := getattr(model.generation_config, name, None))]
    ignored = [words for part in (model.generation_config, *parts) for words in drop_unsupported(part)]
    applied = {name: known[name] for name in APPLIED_BY_LIBRARY if name in known and not is_idle(name, known[name])}
    return StatedSettings(known, applied, tuple(ignored))


def find_stages(stated: JsonObject) -> JsonObject:
    """How Bark's stages draw, as options of its generate, where a checkpoint gives one of them a way of its own."""
    options: JsonObject = {}
    for prefix, name in BARK_STAGES.items():
        values: JsonObject = stated.get(name) or {}
        temperature, samples = values.get("temperature") or 1.0, values.get("do_sample")
        options |= {f"{prefix}_temperature": temperature} if temperature != 1 else {}
        options |= {f"{prefix}_do_sample": False} if samples is False else {}
    return options


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


class OneByOne:
    """A codec's decode that takes one sound after the other.

    On a processor many at once are no faster, and every sample would differ in its last digits from the sound alone.
    """

    def __init__(self, decode: "Callable[..., ModelOutput]") -> None:
        self.decode = decode

    def __call__(
        self, audio_codes: "Tensor", audio_scales: "Sequence[Tensor | None]", **options: object
    ) -> "ModelOutput":
        """The codec's output for codes of shape (frames, sounds, codebooks, length)."""
        import torch

        parts = [
            self.decode(audio_codes[:, place : place + 1], audio_scales=[scale], **options)
            for place, scale in enumerate(audio_scales)
        ]
        return type(parts[0])(audio_values=torch.cat([part.audio_values for part in parts]))


class StepCounter:
    """A logits processor that changes nothing and emits the progress by step, for so many sounds at once.

    A streamer would do, but MusicGen's generate hands it the prompt alone.
    """

    def __init__(self, total: int, items: int, emit: Emit) -> None:
        self.total = total
        self.items = items
        self.emit = emit
        self.made = 0

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        """Count the step; the scores stay as they are."""
        del input_ids
        self.count(self.made)
        self.made += 1
        return scores

    def count(self, made: int) -> None:
        """Emit that so many steps are made."""
        self.emit(Progress("sound", min(made, self.total), self.total, self.items))


def fit_full_scale(audio: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Samples as float of shape (samples, channels), turned down only where their peak is past full scale."""
    import numpy

    samples = numpy.atleast_2d(numpy.asarray(audio, dtype=numpy.float32)).T
    peak = float(numpy.abs(samples).max(initial=0.0))
    return samples * (FULL_SCALE / peak) if peak > FULL_SCALE else samples
