"""What other tools leave in their pictures, told in one form: prompt, negative prompt, steps, sampler, seed, size.

Each tool writes its own names, as JSON, as lines, or as options of a command. All become one mapping, from which
`tell` takes what genai has a field for. Where the texts stand is up to `reading`.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from genai_cli.content.comfy import read_graph, read_workflow
from genai_cli.content.embedded import MAX_STATED
from genai_cli.content.samplers import find_scheduler
from genai_cli.content.stated_settings import Settings, read_clip_skip, read_invoke_settings, read_settings
from genai_cli.types import JsonObject

MFLUX = "{http://ns.mflux.ai/1.0/}"
USER_COMMENT = "{http://ns.adobe.com/exif/1.0/}UserComment"
DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
PROPERTIES = frozenset({USER_COMMENT, DESCRIPTION, *(f"{MFLUX}{name}" for name in ("seed", "steps"))})
PROPERTIES |= {f"{MFLUX}guidance", f"{MFLUX}model"}
A1111 = "A1111 form"  # of AUTOMATIC1111's web UI, which many tools write
FOOOCUS = "Fooocus"
NEGATIVE = "Negative prompt:"
PROMPT = "prompt"
# The names that tools give a field of a request, in lower case with `_`; the first that is there holds.
WORDS = {
    PROMPT: ("positive_prompt", "prompt", "c", "full_prompt"),
    "negative_prompt": ("negative_prompt", "negativeprompt", "uc", "full_negative_prompt"),
    "num_inference_steps": ("steps", "num_inference_steps"),
    "guidance_scale": (
        "distilled_cfg_scale",
        "fluxguidancescale",
        "guidance",
        "cfg_scale",
        "cfgscale",
        "guidance_scale",
        "scale",
        "cfg",
    ),
    "width": ("width",),
    "height": ("height",),
    "seed": ("seed",),
}
SIZES, SAMPLERS, SCHEDULES = ("size", "resolution"), ("sampler", "sampler_name"), ("schedule_type", "noise_schedule")
MODELS = ("model", "base_model", "model_weights", "use_stable_diffusion_model")
# The names under which a tool's JSON is known, and the tool.
MARKS = {
    "sui_image_params": "SwarmUI",
    "mflux_version": "mflux",
    "base_model": FOOOCUS,
    "use_stable_diffusion_model": "Easy Diffusion",
    "c": "Draw Things",
    "uc": "NovelAI",
    "positive_prompt": "InvokeAI",
}
DREAM = {"-s": "steps", "-S": "seed", "-W": "width", "-H": "height", "-C": "cfg_scale", "-A": "sampler"}


@dataclass(frozen=True)
class Foreign:
    """What another tool left: its text as it stands, and what of it genai has fields for."""

    text: str
    tool: str | None = None
    request: JsonObject = field(default_factory=dict)
    """Fields of a request for a picture. A value that cannot be one is left out."""
    model: str | None = None
    sampler: str | None = None
    """The sampler as the tool names it."""
    exact: bool = True
    """Whether the scheduler in `request` is just that sampler."""
    schedule: str | None = None
    """The spacing of its noise as the tool names it."""
    settings: Settings = field(default_factory=Settings)
    """What the web UI's form states beside, which genai has no field for, or asks the user for."""
    is_weighted: bool = False
    """Whether the tool reads weights in prompts."""

    def summary(self) -> JsonObject:
        """What is told, for a person: in the form of a record."""
        prompts = {name: value for name, value in self.request.items() if name == PROMPT}
        parameters = {name: value for name, value in self.request.items() if name != PROMPT}
        named = {"model": self.model, "sampler": self.sampler, "parameters": parameters}
        return {"tool": self.tool, **prompts, **{name: value for name, value in named.items() if value}}

    def fields(self) -> JsonObject:
        """All of it as JSON."""
        named = {"tool": self.tool, "model": self.model, "sampler": self.sampler, "request": self.request}
        return {"parameters": self.text, **{name: value for name, value in named.items() if value}}


def find_foreign(texts: Mapping[str, str], exif: Mapping[str, str], properties: Mapping[str, str]) -> Foreign | None:
    """What another tool says in the texts of a picture, its EXIF and its XMP; None if none of them does."""
    for reader in (read_invoke, read_novel, read_easy):
        if found := reader(texts):
            return found
    if "parameters" in texts:
        found = read_parameters(texts["parameters"]) or Foreign(texts["parameters"])
        return replace(found, tool=FOOOCUS) if "fooocus_scheme" in texts else found
    for candidate in list_candidates(texts, exif, properties):
        if found := read_parameters(candidate):
            return found
    return read_comfy(texts, exif) or read_mflux(properties)


def list_candidates(texts: Mapping[str, str], exif: Mapping[str, str], xmp: Mapping[str, str]) -> Iterator[str]:
    """Texts that may hold parameters and may hold anything else."""
    for source, names in (
        (exif, ("usercomment", "imagedescription", "xpcomment")),
        (xmp, (USER_COMMENT, DESCRIPTION)),
        (texts, ("comment", "description", "usercomment")),
    ):
        yield from (source[name] for name in names if name in source)


def read_parameters(text: str) -> Foreign | None:
    """The JSON of a known tool, or the lines of the web UI; None for a text that is neither."""
    if text.lstrip().startswith("{"):
        values = parse_object(text)
        tool = next((name for mark, name in MARKS.items() if mark in values), None)
        if "sui_image_params" in values:
            values = as_object(values["sui_image_params"])
        found = tell(text, tool, values)
        is_told = "prompt" in found.request or tool is not None
        return found if is_told and len(found.request) > 2 else None
    values = parse_lines(text) if len(text) <= MAX_STATED else {}
    if not values:
        return None
    found = add_layer(tell(text, A1111, values), read_clip_skip(values))
    return replace(found, settings=read_settings(values), is_weighted=True)


def add_layer(found: Foreign, layer: int | None) -> Foreign:
    """What a tool says, with the layer of the text encoder that counts; None for the model's own."""
    return replace(found, request={**found.request, "clip_skip": layer}) if layer else found


def parse_lines(text: str) -> JsonObject:
    """The web UI's form: prompt, negative prompt, `Steps: 20, Sampler: Euler, ...`; {} without such a last line."""
    lines = text.strip().split("\n")
    begin = next((number for number in reversed(range(len(lines))) if lines[number].startswith("Steps: ")), None)
    settings = parse_settings("\n".join(lines[begin:])) if begin is not None else parse_settings(lines[-1])
    if begin is None and not ({"seed", "sampler", "cfg_scale", "size"} & set(settings) and len(settings) > 2):
        return {}
    words = lines[: begin if begin is not None else -1]
    split = next((number for number, line in enumerate(words) if line.strip().startswith(NEGATIVE)), len(words))
    prompt = "\n".join(line.strip() for line in words[:split])
    negative = "\n".join(line.strip() for line in words[split:]).removeprefix(NEGATIVE).strip()
    return {**settings, "prompt": prompt, "negative_prompt": negative}


def parse_settings(line: str) -> JsonObject:
    """`Name: value, Name: "value"`: names in lower case with `_`; a value in quotes is JSON."""
    found: JsonObject = {}
    decoder, at = json.JSONDecoder(), 0
    while (colon := line.find(":", at)) >= 0 and len(found) < 200:
        name = line[at:colon].rpartition(",")[2]
        at = colon + 1 + (line[colon + 1 : colon + 2] == " ")
        value: object
        try:
            value, at = decoder.raw_decode(line, at) if line[at : at + 1] == '"' else (None, at)
        except ValueError:
            value = None
        comma = line.find(",", at)
        end = len(line) if comma < 0 else comma
        found.setdefault(normal(name), line[at:end].strip() if value is None else value)
        at = end + 1
    return found


def read_invoke(texts: Mapping[str, str]) -> Foreign | None:
    """InvokeAI: `invokeai_metadata`, before that `sd-metadata`, before that `dream`, the command that was typed."""
    if text := texts.get("invokeai_metadata"):
        values = parse_object(text)
        skipped = values.get("clip_skip")
        # It counts the layers that are left out.
        layer = read_clip_skip({"clip_skip": skipped + 1}) if isinstance(skipped, int) else None
        return replace(add_layer(tell(text, "InvokeAI", values), layer), settings=read_invoke_settings(values))
    if text := texts.get("sd-metadata"):
        stated = parse_object(text)
        inner = next((value for value in stated.values() if isinstance(value, dict) and PROMPT in value), {})
        prompts = inner.get(PROMPT)
        if isinstance(prompts, list):
            inner = {**inner, PROMPT: as_object(prompts[0]).get(PROMPT) if prompts else None}
        return tell(text, "InvokeAI", split_brackets({**stated, **inner}))
    if text := texts.get("dream"):
        return tell(text, "InvokeAI", split_brackets(parse_dream(text)))
    return None


def parse_dream(text: str) -> JsonObject:
    """`"a cat [fog]" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms`: the prompt in its quotes, then options."""
    prompt, _, rest = text.strip().removeprefix('"').rpartition('"')
    words = rest.split()
    given = {DREAM[word]: value for word, value in pairwise(words) if word in DREAM}
    glued = {DREAM[word[:2]]: word[2:] for word in words if word[:2] in DREAM and len(word) > 2}  # -s50
    return {"prompt": prompt, **glued, **given}


def split_brackets(values: JsonObject) -> JsonObject:
    """The prompt without its parts in brackets, which are the negative prompt of old versions of InvokeAI."""
    prompt = values.get("prompt")
    if not isinstance(prompt, str) or "negative_prompt" in values:
        return values
    parts = re.findall(r"\[([^\[\]]*)\]", prompt)
    positive = re.sub(r"\[[^\[\]]*\]", "", prompt).strip()
    return {**values, "prompt": positive, "negative_prompt": " ".join(parts)}


def read_novel(texts: Mapping[str, str]) -> Foreign | None:
    """NovelAI: the prompt in `Description`, all else as JSON in `Comment`."""
    values = parse_object(texts.get("comment", ""))
    if not (texts.get("software") == "NovelAI" or ("uc" in values and "steps" in values)):
        return None
    stated = {"prompt": texts.get("description"), "model": texts.get("source")}
    said = {name: value for name, value in stated.items() if value}
    text = "\n".join(filter(None, (texts.get("description"), texts.get("comment"))))
    return tell(text, "NovelAI", {**said, **values}) if text else None


def read_easy(texts: Mapping[str, str]) -> Foreign | None:
    """Easy Diffusion: a text for each parameter."""
    values: JsonObject = {normal(name): text for name, text in texts.items()}
    if "num_inference_steps" not in values and not ("steps" in values and "guidance_scale" in values):
        return None
    return tell("\n".join(f"{name}: {text}" for name, text in texts.items()), "Easy Diffusion", values)


def read_comfy(texts: Mapping[str, str], exif: Mapping[str, str]) -> Foreign | None:
    """ComfyUI: texts of PNG; in EXIF under the names of a camera's maker and model, after `prompt:` or `workflow:`."""
    graphs: dict[str, str] = {}
    for name in ("prompt", "workflow"):
        held = (text.partition(":") for text in exif.values() if text.lower().startswith(f"{name}:"))
        text = texts.get(name) or next((rest for _, _, rest in held), "")
        if text.lstrip().startswith("{"):
            graphs[name] = text
    nodes, workflow = (parse_object(graphs.get(name, "")) for name in ("prompt", "workflow"))
    if not (any(isinstance(node, dict) and "class_type" in node for node in nodes.values()) or "nodes" in workflow):
        return None
    values = read_graph(nodes) or read_workflow(workflow)
    found = tell("\n".join(f"{name}: {text}" for name, text in graphs.items()), "ComfyUI", values)
    settings = Settings(vae=as_text(values.get("vae")), beside=values.get("loras", {}))
    return replace(add_layer(found, read_clip_skip(values)), settings=settings)


def read_mflux(properties: Mapping[str, str]) -> Foreign | None:
    """mflux, where nothing but its XMP is left."""
    values: JsonObject = {
        name.removeprefix(MFLUX): value for name, value in properties.items() if name.startswith(MFLUX)
    }
    if not values:
        return None
    values["prompt"] = properties.get(DESCRIPTION)
    return tell("\n".join(f"{name}: {value}" for name, value in values.items() if value), "mflux", values)


def tell(text: str, tool: str | None, stated: JsonObject) -> Foreign:
    """What genai has fields for, of what a tool states under names of its own."""
    values = {normal(name): value for name, value in stated.items()}
    size = re.search(r"(\d+)\D+(\d+)", str(first(values, SIZES) or "")[:50])
    if size:
        values = {"width": size[1], "height": size[2], **values}
    request = {name: read_value(name, first(values, words)) for name, words in WORDS.items()}
    sampler, schedule = first(values, SAMPLERS), first(values, SCHEDULES) or values.get("scheduler")
    if sampler is None:
        sampler, schedule = values.get("scheduler"), None
    exact = True
    if isinstance(sampler, str):
        request["scheduler"], exact = find_scheduler(sampler, as_text(schedule))
    model = first(values, MODELS)
    if isinstance(model, dict):
        model = first(model, ("name", "model_name", "key"))
    told: JsonObject = {name: value for name, value in request.items() if value is not None}
    return Foreign(text, tool, told, as_text(model), as_text(sampler), exact, as_text(schedule))


def read_value(name: str, value: object) -> str | int | float | None:
    """A stated value as one that the field takes; None if it is none, or nothing."""
    if name in ("prompt", "negative_prompt"):
        value = ", ".join(map(str, value)) if isinstance(value, list) else value
        return value.strip() or None if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        if name == "guidance_scale":
            number = float(value)
            return number if math.isfinite(number) else None
        whole = int(value) if isinstance(value, int | str) else int(value) if value == int(value) else -1
    except (ValueError, OverflowError):
        return None
    return whole if whole >= 0 else None  # -1 stands for a drawn seed


def first(values: Mapping[str, object], names: tuple[str, ...]) -> object:
    """The value of the first name that has one."""
    return next((values[name] for name in names if values.get(name) not in (None, "")), None)


def normal(name: str) -> str:
    """A name in lower case with `_`."""
    return str(name)[:100].strip().lower().replace(" ", "_").replace("-", "_")


def as_text(value: object) -> str | None:
    """A text from a stranger's JSON; None for anything else, and for an empty one."""
    return value if isinstance(value, str) and value else None


def as_object(value: object) -> JsonObject:
    """An object from a stranger's JSON; {} for anything else."""
    return value if isinstance(value, dict) else {}


def parse_object(text: str) -> JsonObject:
    """An object from JSON; {} for anything else. NaN, which ComfyUI writes, is None."""
    if len(text) > MAX_STATED or not text.lstrip().startswith("{"):
        return {}
    try:
        return as_object(json.loads(text, parse_constant=lambda _: None))
    except (ValueError, RecursionError):
        return {}
