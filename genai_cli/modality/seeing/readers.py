"""How models of several kinds take a picture and words in, and which of their parts writes the answer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from genai_cli.content.text import build_part
from genai_cli.errors import GenaiError, InputError, ModelError
from genai_cli.modality.decoding.chat import Content, Message, apply_template
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from PIL.Image import Image
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

ASKED = "Describe this picture in one or two sentences."
"""What a chat model is asked where the user asks nothing."""


class Reader(ABC):
    """A loaded model that looks at pictures: `model` generates, and its part `writer` takes the tokens."""

    classes: ClassVar[tuple[str, ...]] = ()
    """The classes of models that are read in this way."""
    captions: ClassVar[bool] = False
    """Whether it only says what a picture shows, and answers no question."""
    needs_question: ClassVar[bool] = False
    takes_several: ClassVar[bool] = False
    """Whether a question may be about several pictures."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"

    @abstractmethod
    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the model and what prepares its input. Raises ModelError where that needs another package."""

    @abstractmethod
    def prepare(self, questions: Sequence[str | None], pictures: "Sequence[Sequence[Image]]") -> JsonObject:
        """The model's input for several questions, each about one picture or more. Raises InputError."""

    @property
    def writer(self) -> "PreTrainedModel":
        """The part that takes the tokens."""
        return self.model

    @property
    def config(self) -> "PreTrainedConfig":
        """The configuration of what writes the text."""
        config: PreTrainedConfig = self.writer.config.get_text_config(decoder=True)
        return config

    def count_prompt(self, inputs: Mapping[str, object]) -> int:
        """How many tokens stand before the answer."""
        del inputs
        return 1  # the token that every answer begins with

    def list_ends(self) -> list[int]:
        """The tokens that end a text."""
        stated = self.writer.generation_config.eos_token_id
        end = stated if stated is not None else self.tokenizer.eos_token_id
        return list(end) if isinstance(end, list) else [] if end is None else [end]

    def list_hidden(self) -> set[int]:
        """Tokens that are not a part of a text, whether or not the tokenizer says so."""
        config = self.config
        found = (config.bos_token_id, config.pad_token_id, getattr(config, "decoder_start_token_id", None))
        return {token for token in found if isinstance(token, int)}


class Blip(Reader):
    """BLIP writes a caption. Its own `generate` calls that of its text decoder."""

    classes: ClassVar[tuple[str, ...]] = ("BlipForConditionalGeneration",)
    captions: ClassVar[bool] = True
    loaded_as: ClassVar[str] = "BlipForConditionalGeneration"

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_companion, load_model

        self.processor = load_processor(files)
        self.tokenizer = load_companion("AutoTokenizer", files)
        self.model = load_model(self.loaded_as, files, placement)

    @property
    def writer(self) -> "PreTrainedModel":
        decoder: PreTrainedModel = self.model.text_decoder
        return decoder

    def prepare(self, questions: Sequence[str | None], pictures: "Sequence[Sequence[Image]]") -> JsonObject:
        del questions  # it takes none
        images = [several[0] for several in pictures]
        return dict(self.processor.image_processor(images=images, return_tensors="pt"))

    def list_ends(self) -> list[int]:
        """BLIP ends a text with the token that separates."""
        return [int(self.model.config.text_config.sep_token_id)]


class BlipAnswers(Blip):
    """BLIP's model of questions answers in a few words."""

    classes: ClassVar[tuple[str, ...]] = ("BlipForQuestionAnswering",)
    captions: ClassVar[bool] = False
    needs_question: ClassVar[bool] = True
    loaded_as: ClassVar[str] = "BlipForQuestionAnswering"

    def prepare(self, questions: Sequence[str | None], pictures: "Sequence[Sequence[Image]]") -> JsonObject:
        limit = self.model.config.text_config.max_position_embeddings
        words = self.tokenizer([question or "" for question in questions], padding=True, return_tensors="pt")
        length = words["input_ids"].shape[-1]
        if length > limit:
            raise InputError(f"the question has {length} tokens, and the model reads {limit}", hint="shorten it")
        read = {name: words[name] for name in ("input_ids", "attention_mask")}
        return {**super().prepare(questions, pictures), **read}


class EncoderDecoder(Reader):
    """A vision transformer whose output a language model reads, such as ViT-GPT2. It has no processor of its own."""

    classes: ClassVar[tuple[str, ...]] = ("VisionEncoderDecoderModel",)
    captions: ClassVar[bool] = True

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_companion, load_model

        self.image_processor = load_companion("AutoImageProcessor", files)
        self.tokenizer = load_companion("AutoTokenizer", files)
        self.model = load_model("VisionEncoderDecoderModel", files, placement)

    def prepare(self, questions: Sequence[str | None], pictures: "Sequence[Sequence[Image]]") -> JsonObject:
        del questions  # it takes none
        images = [several[0] for several in pictures]
        return {"pixel_values": self.image_processor(images=images, return_tensors="pt")["pixel_values"]}

    @property
    def config(self) -> "PreTrainedConfig":
        config: PreTrainedConfig = self.model.config.decoder
        return config


class PicturePrompts:
    """Puts pictures and words together, by a model's processor and its chat template."""

    def __init__(self, files: "ModelFiles") -> None:
        """Load the processor. Raises ModelError where it needs another package or has no chat template."""
        self.name = files.reference.id
        self.processor = load_processor(files)
        self.tokenizer = self.processor.tokenizer
        if not self.processor.chat_template:
            self.processor.chat_template = self.tokenizer.chat_template
        if not self.processor.chat_template:
            raise ModelError(f"{self.name} has no chat template, so nothing says how it takes a picture and words")
        self.tokenizer.padding_side = "left"

    def prepare(self, conversations: Sequence[Sequence[Message]], pictures: "Sequence[Sequence[Image]]") -> JsonObject:
        """The model's input for conversations whose last message is about pictures. Raises InputError, RefusedError."""
        texts = [self.render(turns, len(several)) for turns, several in zip(conversations, pictures, strict=True)]
        begin = self.tokenizer.bos_token
        # A template writes its own special tokens, or leaves them to the tokenizer.
        adds = not (begin and texts[0].startswith(begin))
        images = [list(several) for several in pictures]
        try:
            inputs = self.processor(
                images=images, text=texts, padding=True, add_special_tokens=adds, return_tensors="pt"
            )
        except ValueError as error:
            what = "pictures" if len(images[0]) > 1 else "picture"
            raise InputError(f"{self.name} does not take the {what} and the question: {error}") from error
        return {name: value for name, value in inputs.items() if name != "mm_token_type_ids"}

    def render(self, turns: Sequence[Message], pictures: int) -> str:
        """The text that the model reads, with a place for each picture in the last message."""
        last = turns[-1]

        def place(message: Message) -> Content:
            words = [build_part(message["content"])]
            return [{"type": "image"}] * pictures + words if message is last else words

        return apply_template(self.processor, turns, place)


class ChatReader(Reader):
    """A vision-language model: a chat template puts pictures and words together."""

    takes_several: ClassVar[bool] = True

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_model

        self.prompts = PicturePrompts(files)
        self.tokenizer = self.prompts.tokenizer
        self.model = load_model("AutoModelForImageTextToText", files, placement)

    def prepare(self, questions: Sequence[str | None], pictures: "Sequence[Sequence[Image]]") -> JsonObject:
        turns: list[list[Message]] = [[{"role": "user", "content": question or ASKED}] for question in questions]
        return self.prompts.prepare(turns, pictures)

    def count_prompt(self, inputs: Mapping[str, object]) -> int:
        return int(inputs["input_ids"].shape[-1])  # type: ignore[attr-defined]


KINDS: tuple[type[Reader], ...] = (Blip, BlipAnswers, EncoderDecoder)


def find_reader(architecture: str) -> type[Reader]:
    """How a model of this class is read."""
    return next((kind for kind in KINDS if architecture in kind.classes), ChatReader)


def load_processor(files: "ModelFiles") -> "PreTrainedTokenizerBase":
    """The processor of a model. Raises ModelError, with the command that installs it, where it needs torchvision."""
    from genai_cli.device.loading import load_companion

    try:
        return load_companion("AutoProcessor", files)
    except GenaiError:
        raise
    except Exception as error:
        if "torchvision" not in str(error).lower():
            raise
        raise ModelError(
            f"{files.reference.id} prepares pictures with the package torchvision, which is not installed",
            hint="pip install torchvision, of the release that belongs to this torch; or take llava or blip",
        ) from error
