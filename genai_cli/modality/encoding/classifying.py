"""What classifiers of transformers say: of texts by their own labels or by anyone's, and of pictures."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_cli.errors import ModelError
from genai_cli.events import Emit
from genai_cli.modality.decoding.batch_invariance import make_batch_invariant
from genai_cli.modality.encoding.inference import Pairs, find_entailment
from genai_cli.modality.encoding.towers import read_pictures
from genai_cli.modality.encoding.windows import find_window, restore_attention
from genai_cli.request.input import Input

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

OVERLAP = 0.25  # of a window, shared with the next
WINDOWS_AT_ONCE = 64
NO_TOKEN = -1


@dataclass(frozen=True)
class Scored:
    """A score for each label in the model's order, or the values of a regression, averaged over so many windows."""

    names: Sequence[str | None]
    values: list[float]
    windows: int = 1
    is_regression: bool = False


class TextClassifier:
    """A sequence classifier, its tokenizer, and its window in tokens (special ones included)."""

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the classifier and its tokenizer. Raises ModelError where the tokenizer cannot cut windows."""
        from genai_cli.device.loading import load_companion, load_model

        self.tokenizer = load_companion("AutoTokenizer", files)
        self.model = load_model("AutoModelForSequenceClassification", files, placement)
        if placement.device == "cpu":
            make_batch_invariant(self.model)
        if not self.tokenizer.is_fast:
            raise ModelError(f"{files.reference.id} has no tokenizer that can cut a text into windows (tokenizer.json)")
        self.window = find_window(self.model, self.tokenizer)
        self.inputs = list(inspect.signature(self.model.forward).parameters)
        read_last_token(self.model.config.get_text_config())

    def score(self, texts: Sequence[str]) -> list[Scored]:
        """Scores by the model's own labels; a long text is read in overlapping windows, whose scores are averaged."""
        encoded = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=self.window,
            stride=int((self.window - self.tokenizer.num_special_tokens_to_add()) * OVERLAP),
            return_overflowing_tokens=True,
        )
        owners = encoded.pop("overflow_to_sample_mapping")
        windows: list[list[Tensor]] = [[] for _ in texts]
        config = self.model.config
        for owner, logits in zip(owners, self.run(encoded), strict=True):
            windows[owner].append(compute_scores(logits, config))
        is_values = is_regression(config)
        names = name_values(config) if is_values else name_labels(config)
        averages = [(sum(scores) / len(scores)).tolist() for scores in windows]
        return [
            Scored(names, average, len(scores), is_values) for average, scores in zip(averages, windows, strict=True)
        ]

    def weigh(self, texts: Sequence[str], labels: Sequence[str], hypothesis: str, *, multi_label: bool) -> list[Scored]:
        """Scores by labels of anyone's: whether each text entails each label put into the hypothesis.

        They are shares among the labels, or with `multi_label` a probability of each on its own.
        """
        import torch

        entails, contradicts = find_entailment(self.model.config)
        pairs = Pairs(self.tokenizer, [hypothesis.replace("{}", label) for label in labels], self.window)
        encoded, owners = pairs.encode(texts)
        logits = self.run(encoded)
        found: list[list[Tensor]] = [[] for _ in texts]
        for window, owner in enumerate(owners):
            of_window = torch.stack(logits[window * len(labels) : (window + 1) * len(labels)])
            if multi_label or len(labels) == 1:
                found[owner].append(of_window[:, [contradicts, entails]].softmax(dim=-1)[:, 1])
            else:
                found[owner].append(of_window[:, entails].softmax(dim=0))
        return [Scored(labels, (sum(scores) / len(scores)).tolist(), len(scores)) for scores in found]

    def run(self, encoded: Mapping[str, Sequence[Sequence[int]]]) -> "list[Tensor]":
        """Logits of shape (outputs,) for each window, in the order of the windows.

        Windows of one length go through the model together: without padding, no score depends on what is beside it.
        """
        import torch

        found: dict[int, Tensor] = {}
        for alike in group_windows(encoded["input_ids"], self.model.config):
            for first in range(0, len(alike), WINDOWS_AT_ONCE):
                positions = alike[first : first + WINDOWS_AT_ONCE]
                inputs = {
                    name: torch.tensor([values[position] for position in positions], device=self.model.device)
                    for name, values in encoded.items()
                    if name in self.inputs
                }
                restore_attention(self.model)
                with torch.inference_mode():
                    logits = self.model(**inputs).logits
                found.update(zip(positions, logits.float().cpu(), strict=True))
        return [found[position] for position in range(len(found))]


class PictureClassifier:
    """A classifier of pictures, and what turns a picture into its input."""

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load them."""
        from genai_cli.device.loading import load_image_processor, load_model

        self.processor = load_image_processor(files)
        self.model = load_model("AutoModelForImageClassification", files, placement)
        if placement.device == "cpu":
            make_batch_invariant(self.model)

    def score(self, picture: Input, emit: Emit) -> Scored:
        """Scores by the model's own labels. Raises InputError for what is not a picture."""
        import torch

        (inputs,) = read_pictures(self.processor, self.model, [picture], emit)
        with torch.inference_mode():
            logits = self.model(**inputs).logits[0].float().cpu()
        config = self.model.config
        is_values = is_regression(config)
        names = name_values(config) if is_values else name_labels(config)
        return Scored(names, compute_scores(logits, config).tolist(), 1, is_values)


def name_labels(config: "PretrainedConfig") -> list[str]:
    """The names of a classifier's labels, in the order of its outputs."""
    return [str(config.id2label[index]) for index in range(config.num_labels)]


def read_last_token(config: "PretrainedConfig") -> None:
    """Have a decoder's classifier without a padding token read each window's last token, as it does for one alone.

    It looks for the last token that is not padding, and takes no group where none is stated. -1 is not a token.
    """
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = NO_TOKEN


def group_windows(windows: Sequence[Sequence[int]], config: "PretrainedConfig") -> list[list[int]]:
    """The positions of the windows that the model takes together: those of one length.

    BART's kin read the last end token and refuse a group in which a text holds more of them than another.
    """
    end = config.eos_token_id if config.is_encoder_decoder else None
    alike: dict[tuple[int, int], list[int]] = {}
    for position, tokens in enumerate(windows):
        alike.setdefault((len(tokens), tokens.count(end) if isinstance(end, int) else 0), []).append(position)
    return list(alike.values())


def is_regression(config: "PretrainedConfig") -> bool:
    """Whether the outputs are values, and not the scores of labels.

    A head of one output that states no problem and no name of its label is trained as a regression by transformers.
    """
    if config.problem_type is not None:
        return bool(config.problem_type == "regression")
    return config.num_labels == 1 and name_values(config) == [None]


def name_values(config: "PretrainedConfig") -> list[str | None]:
    """The names that a checkpoint gives its outputs; None for one that only has transformers' LABEL_0."""
    names = [str(config.id2label[index]) for index in range(config.num_labels)]
    return [None if name == f"LABEL_{index}" else name for index, name in enumerate(names)]


def compute_scores(logits: "Tensor", config: "PretrainedConfig") -> "Tensor":
    """Scores from logits of shape (windows, outputs): a regression's values, or probabilities of labels.

    Those are independent for a multi-label model and for a single label, else a softmax.
    """
    if is_regression(config):
        return logits
    independent = config.problem_type == "multi_label_classification" or logits.shape[-1] == 1
    return logits.sigmoid() if independent else logits.softmax(dim=-1)
