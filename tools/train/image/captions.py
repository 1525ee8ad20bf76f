"""What a person might type for a scene: free word order, varied wording, and defaults left out.

What a caption leaves out has one meaning: large, in the centre, on white (on black for a white object).
"""

import numpy as np

from tools.train.image.scenes import COLUMN, Item, Scene, default_background

NOUNS = {
    "circle": ("circle", "circle", "disc"),
    "square": ("square", "square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "diamond": ("diamond", "diamond", "rhombus"),
    "cross": ("cross", "cross", "plus sign"),
    "ring": ("ring", "ring", "hoop"),
}
PLURALS = {"box": "boxes", "cross": "crosses", "rhombus": "rhombuses"}
COLOUR_WORDS = {"purple": ("purple", "purple", "violet")}
SIZE_WORDS = {"small": ("small", "small", "little", "tiny"), "large": ("large", "large", "big", "huge")}
PLACE_PHRASES = {
    "centre": ("in the centre", "in the center", "in the middle", "at the center"),
    "left": ("on the left", "on the left side", "at the left", "to the left", "at the left edge"),
    "right": ("on the right", "on the right side", "at the right", "to the right", "at the right edge"),
    "top": ("at the top", "on top", "in the upper part", "near the top", "at the top edge"),
    "bottom": ("at the bottom", "on the bottom", "in the lower part", "near the bottom", "at the bottom edge"),
}
PLACE_KEYWORDS = {"centre": ("centre", "center", "middle"), "top": ("top", "upper"), "bottom": ("bottom", "lower")}
BACKGROUND_PHRASES = (
    "on a {} background", "on a {} background", "against a {} background", "on {}", "over a {} backdrop",
    "with a {} background", "in front of a {} background", "on {} ground",
)  # fmt: skip
PREFIXES = (
    "a photo of", "a picture of", "an image of", "a drawing of", "please draw", "draw", "an icon of", "show me",
    "an illustration of", "i want", "paint", "a simple drawing of", "give me", "make",
)  # fmt: skip
SUFFIXES = (" please", ", flat design", ", digital art", ", simple", ", high quality", ", clean edges", ", 4k", "!")
FOREIGN_NOUNS = (
    "astronaut", "horse", "cat", "dog", "house", "tree", "car", "robot", "flower", "mountain", "bird", "person",
    "ship", "castle", "dragon", "landscape", "city", "face", "thing", "shape",
)  # fmt: skip
FOREIGN_PHRASES = (
    "an astronaut riding a horse", "a photo of a cat", "a castle by the sea", "a portrait of a woman", "sunset",
    "a dog playing in the park", "mountains and a lake", "an old man with a hat", "a city at night", "hello",
    "a bowl of fruit", "a robot reading a book", "something beautiful", "a dragon over a village",
)  # fmt: skip
EMPTY_SHARE = 0.12
FOREIGN_SHARE = 0.05


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeio" else "a ") + phrase


def _colour(rng: np.random.Generator, colour: str) -> str:
    return _pick(rng, COLOUR_WORDS.get(colour, (colour,)))


def _says_size(rng: np.random.Generator, scene: Scene) -> bool:
    return scene.size == "small" or rng.random() < 0.7


def _object_phrase(rng: np.random.Generator, scene: Scene, noun: str) -> str:
    """One or two like objects: "a large red circle", "two green hearts"."""
    size = _pick(rng, SIZE_WORDS[scene.size]) if _says_size(rng, scene) else ""
    colour = _colour(rng, scene.items[0].colour)
    if scene.is_like_pair:
        words = [_pick(rng, ("two", "two", "a pair of", "2")), size, colour, PLURALS.get(noun, noun + "s")]
        return " ".join(word for word in words if word)
    phrase = " ".join(word for word in (size, colour, noun) if word)
    style = rng.random()
    if style < 0.70:
        return _article(phrase)
    if style < 0.80:
        return "the " + phrase
    if style < 0.90:
        return phrase
    return f"{_article(' '.join([size, noun]).strip())} in {colour}"


def _place_phrase(rng: np.random.Generator, scene: Scene) -> str:
    if len(scene.items) == 2:
        return "side by side" if rng.random() < 0.25 else ""
    if scene.place == "centre" and rng.random() < 0.5:
        return ""
    return _pick(rng, PLACE_PHRASES[scene.place])


def _background_colour(rng: np.random.Generator, scene: Scene) -> str:
    """The background's colour, or nothing if the caption may leave it to the default."""
    if scene.background == default_background(scene.items[0].colour) and rng.random() < 0.35:
        return ""
    return _colour(rng, scene.background)


def _background_phrase(rng: np.random.Generator, colour: str) -> str:
    phrase = _pick(rng, BACKGROUND_PHRASES).format(colour) if colour else ""
    return phrase.replace(" a orange", " an orange")


def _sentence(rng: np.random.Generator, subject: str, place: str, background: str) -> str:
    """The three parts in one of several orders. Place and background may be empty."""
    around = _background_phrase(rng, background)
    bare = f"{background} background" if background else ""
    orders = (
        ((subject, place, around), " "),
        ((subject, around, place), " "),
        ((subject, place, around), ", "),
        ((bare, f"{subject} {place}".strip()), ", "),
        ((around, f"{subject} {place}".strip()), ", "),
        ((place, subject, around), " "),
        ((f"{subject} {place}".strip(), bare), ", "),
    )
    parts, separator = orders[rng.choice(len(orders), p=(0.30, 0.14, 0.12, 0.14, 0.10, 0.08, 0.12))]
    return separator.join(part for part in parts if part)


def _keywords(rng: np.random.Generator, scene: Scene) -> str:
    """Attributes as a shuffled list: "left, red star, small, blue background"."""
    item = scene.items[0]
    words = [f"{_colour(rng, item.colour)} {_pick(rng, NOUNS[item.shape])}", f"{scene.background} background"]
    if scene.place != "centre" or rng.random() < 0.5:
        words.append(_pick(rng, PLACE_KEYWORDS.get(scene.place, (scene.place,))))
    if _says_size(rng, scene):
        words.append(_pick(rng, SIZE_WORDS[scene.size]))
    rng.shuffle(words)
    return (", " if rng.random() < 0.6 else " ").join(words)


def _different_pair(rng: np.random.Generator, scene: Scene) -> str:
    """Two different objects and their relative position, described from either end."""

    def phrase(item: Item) -> str:
        return _article(f"{_colour(rng, item.colour)} {_pick(rng, NOUNS[item.shape])}")

    first, second = (phrase(item) for item in scene.items)
    if scene.place == COLUMN:
        forward, backward = ("above", "over", "on top of"), ("below", "under", "beneath")
    else:
        forward = ("to the left of", "left of", "next to", "beside", "and", "and")
        backward = ("to the right of", "right of")
    if rng.random() < 0.6:
        subject = f"{first} {_pick(rng, forward)} {second}"
    else:
        subject = f"{second} {_pick(rng, backward)} {first}"
    return _sentence(rng, subject, "", _background_colour(rng, scene))


def write_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption that describes the scene. It may leave out defaults."""
    if len(scene.items) == 2 and not scene.is_like_pair:
        text = _different_pair(rng, scene)
    elif len(scene.items) == 1 and rng.random() < 0.1:
        text = _keywords(rng, scene)
    else:
        subject = _object_phrase(rng, scene, _pick(rng, NOUNS[scene.items[0].shape]))
        text = _sentence(rng, subject, _place_phrase(rng, scene), _background_colour(rng, scene))
    if rng.random() < 0.12:
        text = f"{_pick(rng, PREFIXES)} {text}"
    if rng.random() < 0.06:
        text += _pick(rng, SUFFIXES)
    return text


def write_training_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption for training. Some are empty (for guidance), and some name things that the model cannot draw."""
    kind = rng.random()
    if kind < EMPTY_SHARE:
        return ""
    if kind > 1 - FOREIGN_SHARE and len(scene.items) == 1:
        noun = _pick(rng, FOREIGN_NOUNS)
        if rng.random() < 0.3:
            return _pick(rng, FOREIGN_PHRASES)
        subject = _object_phrase(rng, scene, noun)
        return _sentence(rng, subject, _place_phrase(rng, scene), _background_colour(rng, scene))
    return write_caption(scene, rng)
