"""The parameters in a graph of ComfyUI: those of the sampler that a saved picture comes from.

ComfyUI writes two: `prompt`, the nodes that ran with their inputs, and `workflow`, what its editor shows.
"""

from collections import deque
from collections.abc import Collection, Iterator

from genai_cli.types import JsonObject

POSITIVE = ("positive", "conditioning")
TEXT_NAMES = "text text_g t5xxl clip_l prompt string value"
VALUE_NAMES = "value int float number string text"  # under which a node for one value keeps it
TEXTS, VALUES = tuple(TEXT_NAMES.split()), tuple(VALUE_NAMES.split())
# What a sampler's inputs are called here.
FIELDS = {
    "steps": ("steps",),
    "seed": ("seed", "noise_seed"),
    "cfg": ("cfg",),
    "guidance": ("guidance",),
    "sampler": ("sampler_name",),
    "scheduler": ("scheduler",),
    "model": ("ckpt_name", "unet_name", "model_name"),
}
VAE, LAYER = ("vae_name",), ("stop_at_clip_layer",)
LORA, STRENGTH = ("lora_name", "lora"), ("strength_model", "strength")
MOST_LORAS = 50
SWITCHED_OFF = (2, 4)  # how the editor marks a node that does not run, or hands its inputs on
# The editor keeps the values of a node in the order of its form (- is not used here); only usual nodes are read.
NODES = """
KSampler seed - steps cfg sampler_name scheduler denoise
KSamplerAdvanced - noise_seed - steps cfg sampler_name scheduler
CLIPTextEncode text
EmptyLatentImage width height
EmptySD3LatentImage width height
CheckpointLoaderSimple ckpt_name
UNETLoader unet_name
FluxGuidance guidance
RandomNoise noise_seed
LoraLoader lora_name strength_model
LoraLoaderModelOnly lora_name strength_model
CLIPSetLastLayer stop_at_clip_layer
VAELoader vae_name
KSamplerSelect sampler_name
BasicScheduler scheduler steps
"""
FORMS = {kind: names for kind, *names in map(str.split, NODES.strip().splitlines())}


class Graph:
    """Nodes by their ids, each with its inputs; an input is a value, or a link: the id of a node and a number."""

    def __init__(self, nodes: JsonObject) -> None:
        self.inputs: dict[str, JsonObject] = {}
        self.kinds: dict[str, str] = {}
        for name, node in nodes.items():
            if isinstance(node, dict) and isinstance(node.get("inputs"), dict):
                self.inputs[str(name)], self.kinds[str(name)] = node["inputs"], str(node.get("class_type"))

    def follow(self, value: object) -> str | None:
        """The node that a link leads to, or None for a value."""
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int):
            return str(value[0]) if str(value[0]) in self.inputs else None
        return None

    def walk(self, *begin: str | None) -> Iterator[str]:
        """Nodes and all that they are made from, the nearest first."""
        queue = deque(node for node in begin if node is not None)
        seen = set(queue)
        while queue:
            node = queue.popleft()
            yield node
            for value in self.inputs[node].values():
                other = self.follow(value)
                if other is not None and other not in seen:
                    seen.add(other)
                    queue.append(other)

    def find(self, begin: str | None, names: Collection[str], *, words: bool = False) -> object:
        """The nearest value of one of those names, from a node on; None if there is none."""
        for node in self.walk(begin):
            for name in names:
                value = self.inputs[node].get(name)
                linked = self.follow(value)
                if linked is not None:
                    value = next(
                        (self.inputs[linked][key] for key in (name, *VALUES) if key in self.inputs[linked]), None
                    )
                if isinstance(value, str if words else str | int | float) and not isinstance(value, bool):
                    return value
        return None

    def find_link(self, begin: str, names: Collection[str]) -> str | None:
        """The node that the nearest link of one of those names leads to."""
        for node in self.walk(begin):
            for name in names:
                if (other := self.follow(self.inputs[node].get(name))) is not None:
                    return other
        return None

    def find_sampler(self) -> str | None:
        """The sampler that draws the whole picture; a later one only repaints (it has a lower `denoise`)."""
        outputs = [name for name, kind in self.kinds.items() if "save" in kind.lower() or "preview" in kind.lower()]
        samplers = [node for node in self.walk(*(outputs or self.inputs)) if self.is_sampler(node)]
        whole = (node for node in samplers if self.inputs[node].get("denoise") in (None, 1))
        return next(whole, samplers[0] if samplers else None)

    def is_sampler(self, node: str) -> bool:
        """Whether a node turns noise into a picture."""
        inputs = self.inputs[node]
        has_words = self.follow(inputs.get("positive")) is not None and "steps" in inputs
        return has_words or self.follow(inputs.get("guider")) is not None

    def list_loras(self, sampler: str) -> dict[str, float]:
        """The weights of the LoRAs that a sampler's model has, by the names of their files."""
        found: dict[str, float] = {}
        for node in self.walk(sampler):
            # Some nodes hold several, each with a switch.
            held = [self.inputs[node], *(value for value in self.inputs[node].values() if isinstance(value, dict))]
            for values in held if len(found) < MOST_LORAS else ():
                name = next((values[key] for key in LORA if isinstance(values.get(key), str)), None)
                weight = next((values[key] for key in STRENGTH if isinstance(values.get(key), int | float)), None)
                if name and weight and values.get("on", True):
                    found[str(name)] = float(weight)
        return found

    def find_vae(self) -> str | None:
        """The file of the VAE that decodes, where it is not the model's own."""
        for node, kind in self.kinds.items():
            if "vaedecode" in kind.lower():
                found = self.find(self.follow(self.inputs[node].get("vae")), VAE, words=True)
                return str(found) if found else None
        return None


def read_graph(nodes: JsonObject) -> JsonObject:
    """The parameters in `prompt`, under usual names; {} if no sampler is among the nodes."""
    graph = Graph(nodes)
    sampler = graph.find_sampler()
    if sampler is None:
        return {}
    found: JsonObject = {name: graph.find(sampler, names) for name, names in FIELDS.items()}
    positive = graph.find_link(sampler, POSITIVE)
    negative = graph.find_link(sampler, ("negative",))
    found["prompt"] = graph.find(positive, TEXTS, words=True)
    if negative is not None and graph.kinds[negative] != "ConditioningZeroOut":
        found["negative_prompt"] = graph.find(negative, TEXTS, words=True)
    canvas = graph.find_link(sampler, ("latent_image", "samples"))
    found["width"], found["height"] = (graph.find(canvas, (side,)) for side in ("width", "height"))
    found["vae"], found["loras"] = graph.find_vae(), graph.list_loras(sampler)
    layer = graph.find(sampler, LAYER)
    found["clip_skip"] = -layer if isinstance(layer, int) else None  # it counts from -1, the last one
    return {name: value for name, value in found.items() if value is not None}


def read_workflow(workflow: JsonObject) -> JsonObject:
    """The parameters in `workflow`, as far as its nodes are usual ones."""
    links = {link[0]: [str(link[1]), link[2]] for link in map(as_list, as_list(workflow.get("links"))) if is_link(link)}
    nodes: JsonObject = {}
    for node in as_list(workflow.get("nodes")):
        if not isinstance(node, dict):
            continue
        kind = str(node.get("type"))
        values = [] if node.get("mode") in SWITCHED_OFF else as_list(node.get("widgets_values"))
        inputs: JsonObject = dict(zip(FORMS.get(kind, ()), values, strict=False))
        for entry in as_list(node.get("inputs")):
            if isinstance(entry, dict) and isinstance(entry.get("link"), int) and entry["link"] in links:
                inputs[str(entry.get("name"))] = links[entry["link"]]
        nodes[str(node.get("id"))] = {"class_type": kind, "inputs": inputs}
    return read_graph(nodes)


def as_list(value: object) -> list[object]:
    """A list from a stranger's JSON; [] for anything else."""
    return value if isinstance(value, list) else []


def is_link(link: list[object]) -> bool:
    """Whether this is a link as the editor keeps it: its id, from where, out of which slot, and more."""
    return len(link) >= 3 and all(isinstance(part, int) for part in link[:3])
