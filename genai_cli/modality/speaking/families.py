"""The families of models that speak, by the names of their classes."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from genai_cli.errors import InputError
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.speaking.codec import OWN_FILE
from genai_cli.modality.speaking.csm import Csm
from genai_cli.modality.speaking.dia import Dia
from genai_cli.modality.speaking.pocket import Pocket
from genai_cli.modality.speaking.speaker import Manner, Speaker, choose_number, read_rate, to_samples
from genai_cli.modality.speaking.voices import read_vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import FastSpeech2ConformerWithHifiGan, PreTrainedTokenizerBase, SpeechT5ForTextToSpeech
    from transformers import VitsModel as LoadedVits

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

FASTSPEECH_RATE = 22050  # where a checkpoint states none: its configuration has no field for it
SPEECHT5_VOCODER = "microsoft/speecht5_hifigan"
VOCODER = "vocoder"  # a folder beside SpeechT5's own files
COMPANION_FILES = ("config.json", f"{VOCODER}/config.json", OWN_FILE, "processor_config.json")
"""The files that tell which other repositories a model needs."""


def load_tokenizer(files: "ModelFiles") -> "PreTrainedTokenizerBase":
    """The tokenizer. Raises InputError for one that needs a phonemizer, which is under the GPL."""
    from genai_cli.device.loading import load_companion

    return cast("PreTrainedTokenizerBase", load_companion("AutoTokenizer", files))


class Vits(Speaker):
    """VITS, and MMS with its thousand languages: letters to sound at once."""

    sets_speed: ClassVar[bool] = True

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_model

        self.tokenizer = load_tokenizer(files)
        self.model = cast("LoadedVits", load_model(files.architecture, files, placement))
        self.folder, self.device = files.folder, placement.device
        self.rate = int(self.model.config.sampling_rate)

    @classmethod
    def check(cls, folder: Path, manner: Manner) -> None:
        """As all do; and the text has to be letters, not sounds."""
        super().check(folder, manner)
        settings = read_optional_json(folder / "tokenizer_config.json")
        if settings.get("phonemize", settings.get("tokenizer_class") == "VitsTokenizer"):
            raise InputError(
                f"{cls.name(folder)} reads phonemes, which a phonemizer under the GPL makes",
                hint="choose a model that reads letters, such as mms-tts",
            )

    @classmethod
    def check_voice(cls, folder: Path, manner: Manner) -> None:
        choose_number(folder, manner, int(read_optional_json(folder / "config.json").get("num_speakers") or 1))

    def say(self, text: str, manner: Manner) -> "NDArray[np.float32]":
        import torch

        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        voice = choose_number(self.folder, manner, int(self.model.config.num_speakers))
        with torch.inference_mode():
            output = self.model(
                **inputs, speaker_id=voice, speaking_rate=self.model.config.speaking_rate * manner.speed
            )
        return to_samples(output.waveform)


class FastSpeech(Speaker):
    """FastSpeech2Conformer with its HiFi-GAN: no chance takes part."""

    sets_speed: ClassVar[bool] = True

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_model

        self.tokenizer = load_tokenizer(files)
        self.model = cast("FastSpeech2ConformerWithHifiGan", load_model(files.architecture, files, placement))
        self.folder, self.device = files.folder, placement.device
        self.rate = read_rate(read_optional_json(files.folder / "config.json"), files.folder, FASTSPEECH_RATE)
        self.length = float(self.model.config.model_config.speaking_speed)  # a factor of the length, by its use

    @classmethod
    def check_voice(cls, folder: Path, manner: Manner) -> None:
        config = read_optional_json(folder / "config.json").get("model_config") or {}
        dimensions = config.get("speaker_embed_dim")
        if dimensions and manner.voice_file is not None:
            check_dimensions(manner, int(dimensions))
        else:
            choose_number(folder, manner, int(config.get("num_speakers") or 1))

    def say(self, text: str, manner: Manner) -> "NDArray[np.float32]":
        import torch

        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        config = self.model.config.model_config
        options: dict[str, Tensor] = {}
        if config.speaker_embed_dim and manner.voice_file is not None:
            options["speaker_embedding"] = to_row(manner, self.model.dtype, self.device)
        else:
            number = choose_number(self.folder, manner, int(config.num_speakers or 1))
            if number is not None:
                options["speaker_ids"] = torch.tensor([[number]], device=self.device)
        config.speaking_speed = self.length / manner.speed
        with torch.inference_mode():
            output = self.model(inputs["input_ids"], inputs["attention_mask"], return_dict=True, **options)
        return to_samples(output.waveform)


class SpeechT5(Speaker):
    """SpeechT5, which takes its voice from a vector and its sound from a vocoder of another repository."""

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_model, load_part

        self.tokenizer = load_tokenizer(files)
        self.model = cast("SpeechT5ForTextToSpeech", load_model(files.architecture, files, placement))
        if self.find_companions(files.folder):
            self.vocoder = load_part("SpeechT5HifiGan", files.companions[SPEECHT5_VOCODER], placement)
        else:
            self.vocoder = load_part("SpeechT5HifiGan", files, placement, VOCODER)
        self.folder, self.device = files.folder, placement.device
        self.rate = int(self.vocoder.config.sampling_rate)

    @classmethod
    def find_companions(cls, folder: Path) -> tuple[str, ...]:
        return () if (folder / VOCODER / "config.json").is_file() else (SPEECHT5_VOCODER,)

    @classmethod
    def check_voice(cls, folder: Path, manner: Manner) -> None:
        if manner.voice_file is None:
            named = f"has no voice called {manner.voice!r}" if manner.voice else "has no voice of its own"
            what = "--voice FILE gives it one: a speaker vector in .npy or .safetensors"
            raise InputError(f"{cls.name(folder)} {named}", hint=what)
        check_dimensions(manner, int(read_optional_json(folder / "config.json").get("speaker_embedding_dim") or 512))

    def say(self, text: str, manner: Manner) -> "NDArray[np.float32]":
        import torch

        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        longest = int(self.model.config.max_text_positions)
        if inputs["input_ids"].shape[1] > longest:
            raise InputError(f"a sentence of {len(text)} characters is too long: the model reads {longest} tokens")
        with torch.inference_mode():
            sound = self.model.generate_speech(
                inputs["input_ids"], to_row(manner, self.model.dtype, self.device), vocoder=self.vocoder
            )
        return to_samples(cast("Tensor", sound))


class Bark(Speaker):
    """Bark: it acts rather than reads, says laughs in brackets, and takes many seconds for a sentence on a CPU."""

    reads_letters: ClassVar[bool] = False
    probes: ClassVar[bool] = False

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_companion, load_model

        self.model = load_model(files.architecture, files, placement)
        self.processor = load_companion("AutoProcessor", files)
        self.tokenizer = self.processor.tokenizer
        self.device = placement.device
        self.rate = int(self.model.generation_config.sample_rate)

    @classmethod
    def check_voice(cls, folder: Path, manner: Manner) -> None:
        if manner.voice_file is not None:
            raise InputError(f"{cls.name(folder)} takes no file as a voice", hint="leave --voice out")
        if manner.voice is not None:
            known = read_optional_json(folder / "speaker_embeddings_path.json")
            parts = known.get(manner.voice)
            if not isinstance(parts, dict) or not all((folder / str(part)).is_file() for part in parts.values()):
                here = [name for name, part in known.items() if isinstance(part, dict)][:5]
                hint = f"some of them: {', '.join(here)}; their files are fetched with the whole repository"
                raise InputError(f"the voice {manner.voice!r} is not with the model's files", hint=hint)

    def say(self, text: str, manner: Manner) -> "NDArray[np.float32]":
        import torch

        inputs = self.processor(text, voice_preset=manner.voice).to(self.device)
        with torch.inference_mode():
            return to_samples(self.model.generate(**inputs))


def check_dimensions(manner: Manner, wanted: int) -> None:
    """Raise InputError for a vector that is not as long as the model's."""
    if manner.voice_file is None:
        return
    values = read_vector(manner.voice_file).values
    if values.shape != (wanted,):
        shape = "x".join(map(str, values.shape))
        raise InputError(f"{manner.voice_file.name} holds {shape} numbers, and the model takes a vector of {wanted}")


def to_row(manner: Manner, dtype: "object", device: str) -> "Tensor":
    """A voice's vector as a tensor of shape (1, dimensions)."""
    import torch

    if manner.voice_file is None:
        raise InputError("the model needs a voice", hint="--voice FILE")
    values = torch.from_numpy(read_vector(manner.voice_file).values)
    return values[None].to(device=device, dtype=cast("torch.dtype", dtype))


# Models that transformers has for speech and genai does not run, so that an error names them.
REFUSED = (
    "HiggsAudioV2ForConditionalGeneration",
    "VibeVoiceForConditionalGeneration",
    "FastSpeech2ConformerModel",
)
FAMILIES: dict[str, type[Speaker]] = {
    "VitsModel": Vits,
    "FastSpeech2ConformerWithHifiGan": FastSpeech,
    "SpeechT5ForTextToSpeech": SpeechT5,
    "BarkModel": Bark,
    "CsmForConditionalGeneration": Csm,
    "DiaForConditionalGeneration": Dia,
    "PocketTTSForConditionalGeneration": Pocket,
    "GradiumPhononTTSForConditionalGeneration": Pocket,
}
