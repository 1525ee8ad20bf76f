"""Pictures of anyone's are decoded here and nowhere else: bounded before that, upright, and as plain RGB."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO

from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Detail, Emit, Notice, ignore
from genai_cli.request.input import Input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

MAX_PIXELS = 170_000_000  # of a picture that is read: a gigabyte while it is turned into RGB; Pillow stops soon after
MAX_BYTES = 500_000_000
READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF")
READ_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif", ".heic", ".heif")
HEIC = "image/heic"
HEIC_LIBRARIES = ("pi_heif", "pillow_heif")  # either; the first only decodes
MOST_PROFILE = 1_000_000  # bytes; those of cameras and screens have a few thousand
ORIENTATION = 0x0112  # EXIF 2.32, section 4.6.4
QUARTER_TURNS = (5, 6, 7, 8)  # orientations in which width and height change places
STILL_FORMATS = ("MPO", "TIFF")  # whose further pictures are previews, depth maps or pages, not an animation


@contextmanager
def open_picture(source: Input, emit: Emit) -> Iterator["Image"]:
    """The first picture of a file, decoded and upright, in whatever mode it is stored. Raises InputError."""
    from PIL import ImageOps

    with open_header(source) as image:
        with explain(source):
            frames = int(getattr(image, "n_frames", 1))
            if frames > 1:
                what = "pictures" if image.format in STILL_FORMATS else "frames"
                emit(Notice(f"{source.name} has {frames} {what}; the first is taken"))
            image.load()
            upright = ImageOps.exif_transpose(image)
        yield upright


def measure_picture(source: Input) -> tuple[int, int]:
    """Width and height of a picture as it stands upright, from its header alone. Raises InputError."""
    with open_header(source) as image, explain(source):
        orientation = 0
        if image.format != "TIFF":  # Pillow states its size as it stands upright
            orientation = image.getexif().get(ORIENTATION, 0)
        width, height = image.size
        return (height, width) if orientation in QUARTER_TURNS else (width, height)


@contextmanager
def open_header(source: Input) -> Iterator["Image"]:
    """A picture whose header was read, and whose size is within bounds. Raises InputError."""
    if source.size > MAX_BYTES:
        raise InputError(f"{source.name} cannot be read: it is over {MAX_BYTES // 10**6} MB")
    formats: tuple[str, ...] = READ_FORMATS
    if source.media_type == HEIC:
        register_heic(source.name)
        formats = ("HEIF",)
    with source.open() as stream:
        image = read_header(source, stream, formats)
        with image:
            pixels = image.width * image.height
            if pixels < 1:
                raise InputError(f"{source.name} cannot be read: it has no pixels")
            if pixels > MAX_PIXELS:
                what = f"{image.width}x{image.height} pixels"
                raise InputError(f"{source.name} cannot be read: {what} are over {MAX_PIXELS // 10**6} million")
            yield image


def read_header(source: Input, stream: BinaryIO, formats: tuple[str, ...]) -> "Image":
    """What Pillow finds at the beginning of a file. Raises InputError."""
    from PIL import Image, UnidentifiedImageError

    with explain(source):
        try:
            return Image.open(stream, formats=formats)
        except UnidentifiedImageError:
            what = "it is damaged" if source.media_type.startswith("image/") else "not a picture of a known type"
            raise InputError(f"{source.name} cannot be read: {what}") from None


@contextmanager
def explain(source: Input) -> Iterator[None]:
    """Raise InputError for whatever a reader raises: Pillow's share no class, and damaged files meet any of them.

    Its warnings are not shown: they are of sizes, which are bounded here, or of damage that the pixels survived.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except GenaiError:
        raise
    except MemoryError:
        raise InputError(f"{source.name} cannot be read: it needs more memory than there is") from None
    except Exception as error:
        words = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(f"{source.name} cannot be read: {words}") from None


def register_heic(name: str) -> None:
    """Let Pillow read HEIC, where a library for it is there. Raises InputError."""
    module = next((name for name in HEIC_LIBRARIES if find_spec(name) is not None), None)
    if module is None:
        raise InputError(f"{name} is a HEIC picture", hint="pip install 'genai-cli[heic]' reads it; or save it as JPEG")
    from importlib import import_module

    import_module(module).register_heif_opener()


def find_profile(image: "Image") -> bytes | None:
    """The ICC profile of a picture's RGB (ICC.1:2022, section 7.2), where that is not sRGB."""
    profile: object = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or len(profile) > MOST_PROFILE or profile[16:20] != b"RGB ":
        return None
    if image.mode not in ("RGB", "RGBA", "P"):
        return None
    import io

    from PIL import ImageCms

    try:
        words = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except Exception:  # a profile that nothing can read says nothing of the colours
        return None
    return None if "srgb" in words.lower() else profile


def to_rgb(image: "Image", name: str, emit: Emit) -> "Image":
    """Any picture in 8 bits of red, green and blue, on white where it is transparent; what was done is a detail.

    Raises InputError for colours that cannot be converted.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    on_white = " on white" if image.has_transparency_data else ""
    emit(Detail(f"{name} is {image.mode} and is read as RGB{on_white}"))
    if image.mode.startswith("I") or image.mode == "F":
        return to_grey(image).convert("RGB")
    try:
        if not on_white:
            return image.convert("RGB")
        from PIL import Image

        layered = image.convert("RGBA")
        opaque = Image.new("RGBA", layered.size, "white")
        opaque.alpha_composite(layered)
        return opaque.convert("RGB")
    except ValueError as error:
        raise InputError(f"{name} cannot be read: {error}") from None


def to_grey(image: "Image") -> "Image":
    """A picture of 16 bits, of whole numbers or of floats in 8 bits of grey."""
    import numpy
    from PIL import Image

    values = numpy.asarray(image if image.mode == "F" else image.convert("I"))
    if image.mode == "F":
        values = numpy.nan_to_num(values, nan=0, posinf=255, neginf=0)
        scaled = values * 255 if 0 < values.max() <= 1 else values  # two habits: 0 to 1, and 0 to 255
        return Image.fromarray(scaled.clip(0, 255).round().astype("uint8"))
    return Image.fromarray((values.clip(0, 65535) // 256).astype("uint8"))


def read_mask(source: Input, emit: Emit) -> "NDArray[np.uint8]":
    """How much a mask's pixels are to change, of shape (height, width): white 255, black and transparent 0.

    Raises InputError.
    """
    import numpy
    from PIL import Image

    with open_picture(source, emit) as image:
        if image.has_transparency_data:
            layered = image.convert("RGBA")
            ground = Image.new("RGBA", layered.size, "black")
            ground.alpha_composite(layered)
            return numpy.asarray(ground.convert("L"))
        wide = image.mode.startswith("I") or image.mode == "F"
        return numpy.asarray(to_grey(image) if wide else image.convert("L"))


def read_transparency(source: Input, emit: Emit) -> "tuple[NDArray[np.uint8], NDArray[np.uint8]]":
    """A picture's RGB, of shape (height, width, 3), and how transparent it is, of shape (height, width).

    The colours are those under the transparent parts. Raises InputError where nothing of it can be transparent.
    """
    import numpy

    with open_picture(source, emit) as image:
        if not image.has_transparency_data:
            raise InputError(f"{source.name} has no transparent parts", hint="--mask FILE names a mask of its own")
        layered = numpy.asarray(image.convert("RGBA"))
        return layered[..., :3], 255 - layered[..., 3]


def whiten_transparency(source: Input) -> Input:
    """A mask that is white where a picture is transparent. Raises InputError."""
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(read_transparency(source, ignore)[1]).save(stream, "PNG")
    return Input.hold(stream.getvalue(), source.name)
