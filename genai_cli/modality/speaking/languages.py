"""What is known of languages: how their numbers are written, and what abbreviations and signs are read as."""

from collections.abc import Mapping
from dataclasses import dataclass, field

EMPTY: Mapping[str, str] = {}


@dataclass(frozen=True)
class Language:
    """How a language is written. Without a language's own entry numbers alone are read out."""

    code: str
    point: str = "."
    """What is before the decimals of a number."""
    group: str = ","
    """What is between its thousands."""
    minus: str = "minus"
    ordinal_point: bool = False
    """Whether `3.` is an ordinal."""
    ordinals: str = ""
    """The endings of ordinals in digits, as a pattern."""
    ordinal_rules: str = ""
    """Which of CLDR's rules of ordinals a date takes; none: the first."""
    months: tuple[str, ...] = ()
    day_of_month: str = "{} {}"
    """The day and the month, in words."""
    abbreviations: Mapping[str, str] = field(default_factory=dict)
    signs: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """A unit after a number: of one, of several."""
    currencies: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """A currency's sign: its name for one, for several, and its hundredths."""
    numbered: tuple[str, ...] = ()
    """Words before a Roman number."""
    to: str = ""
    """What is between the ends of a range."""
    o_clock: str = ""
    """A full hour, of `{}`."""
    past: str = "{} {}"
    """Hour and minutes."""


ENGLISH = Language(
    "en",
    ordinals="st|nd|rd|th",
    day_of_month="the {} of {}",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    abbreviations={
        "Mr.": "Mister",
        "Mrs.": "Missis",
        "Ms.": "Miz",
        "Dr.": "Doctor",
        "Prof.": "Professor",
        "St.": "Saint",
        "Jr.": "Junior",
        "Sr.": "Senior",
        "Capt.": "Captain",
        "Col.": "Colonel",
        "Gen.": "General",
        "Lt.": "Lieutenant",
        "Rev.": "Reverend",
        "vs.": "versus",
        "etc.": "et cetera",
        "e.g.": "for example",
        "i.e.": "that is",
        "approx.": "approximately",
        "No.": "number",
        "Vol.": "volume",
        "Fig.": "figure",
    },
    signs={"&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "°": "degrees", "#": "number"},
    units={
        "km": ("kilometer", "kilometers"),
        "cm": ("centimeter", "centimeters"),
        "mm": ("millimeter", "millimeters"),
        "m": ("meter", "meters"),
        "kg": ("kilogram", "kilograms"),
        "g": ("gram", "grams"),
        "km/h": ("kilometer an hour", "kilometers an hour"),
        "mph": ("mile an hour", "miles an hour"),
        "lb": ("pound", "pounds"),
        "ft": ("foot", "feet"),
        "°C": ("degree Celsius", "degrees Celsius"),
        "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
        "GB": ("gigabyte", "gigabytes"),
        "MB": ("megabyte", "megabytes"),
    },
    currencies={
        "$": ("dollar", "dollars", "cents"),
        "€": ("euro", "euros", "cents"),
        "£": ("pound", "pounds", "pence"),
        "¥": ("yen", "yen", ""),
    },
    numbered=("Chapter", "Part", "Book", "Volume", "Act", "Scene", "Section", "CHAPTER", "PART", "BOOK", "ACT"),
    to="to",
    o_clock="{} o'clock",
)
GERMAN = Language(
    "de",
    point=",",
    group=".",
    ordinal_point=True,
    ordinal_rules="spellout-ordinal-n",  # am dritten Mai
    months=(
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ),
    abbreviations={
        "z.B.": "zum Beispiel",
        "d.h.": "das heißt",
        "u.a.": "unter anderem",
        "usw.": "und so weiter",
        "bzw.": "beziehungsweise",
        "ca.": "circa",
        "Dr.": "Doktor",
        "Prof.": "Professor",
        "Nr.": "Nummer",
        "St.": "Sankt",
        "Hr.": "Herr",
        "Fr.": "Frau",
        "Str.": "Straße",
        "vgl.": "vergleiche",
    },
    signs={"&": "und", "%": "Prozent", "+": "plus", "=": "gleich", "@": "at", "°": "Grad"},
    units={
        "km": ("Kilometer", "Kilometer"),
        "cm": ("Zentimeter", "Zentimeter"),
        "m": ("Meter", "Meter"),
        "kg": ("Kilogramm", "Kilogramm"),
        "g": ("Gramm", "Gramm"),
        "km/h": ("Kilometer pro Stunde", "Kilometer pro Stunde"),
        "°C": ("Grad Celsius", "Grad Celsius"),
    },
    currencies={"€": ("Euro", "Euro", ""), "$": ("Dollar", "Dollar", "")},
    numbered=("Kapitel", "Teil", "Band", "Akt"),
    to="bis",
    o_clock="{} Uhr",
    past="{} Uhr {}",
)
FRENCH = Language(
    "fr",
    point=",",
    group=" ",
    minus="moins",
    abbreviations={
        "M.": "Monsieur",
        "Mme": "Madame",
        "Mlle": "Mademoiselle",
        "Dr": "Docteur",
        "etc.": "et cetera",
        "p.ex.": "par exemple",
    },
    signs={"&": "et", "%": "pour cent", "+": "plus", "=": "égale", "°": "degrés"},
    currencies={"€": ("euro", "euros", ""), "$": ("dollar", "dollars", "")},
    numbered=("Chapitre", "Partie", "Livre", "Tome", "Acte"),
    to="à",
    o_clock="{} heures",
    past="{} heures {}",
)
SPANISH = Language(
    "es",
    point=",",
    group=".",
    minus="menos",
    abbreviations={
        "Sr.": "Señor",
        "Sra.": "Señora",
        "Dr.": "Doctor",
        "Dra.": "Doctora",
        "etc.": "etcétera",
        "p.ej.": "por ejemplo",
    },
    signs={"&": "y", "%": "por ciento", "+": "más", "=": "igual a", "°": "grados"},
    currencies={"€": ("euro", "euros", ""), "$": ("dólar", "dólares", "")},
    numbered=("Capítulo", "Parte", "Libro", "Acto"),
    to="a",
)
KNOWN = {language.code: language for language in (ENGLISH, GERMAN, FRENCH, SPANISH)}
# ISO 639-3, as MMS names its languages, and 639-1.
# fmt: off
SHORT = {
    "eng": "en", "deu": "de", "fra": "fr", "spa": "es", "por": "pt", "ita": "it", "nld": "nl", "rus": "ru", "pol": "pl",
    "ces": "cs", "swe": "sv", "nor": "nb", "nob": "nb", "dan": "da", "fin": "fi", "tur": "tr", "ara": "ar", "hin": "hi",
    "zho": "zh", "cmn": "zh", "jpn": "ja", "kor": "ko", "ukr": "uk", "ron": "ro", "hun": "hu", "ell": "el", "heb": "he",
    "fas": "fa", "ind": "id", "vie": "vi", "tha": "th", "cat": "ca", "bul": "bg", "hrv": "hr", "slk": "sk", "slv": "sl",
    "lit": "lt", "lav": "lv", "est": "et", "isl": "is", "gle": "ga", "cym": "cy", "eus": "eu", "glg": "gl", "swh": "sw",
}
# fmt: on


def shorten_code(language: str | None) -> str | None:
    """The code of a language in two letters: of `eng`, `en-US` and `en` it is `en`. None stays None."""
    if not language:
        return None
    first = language.strip().lower().replace("_", "-").partition("-")[0]
    return SHORT.get(first, first)


def find_language(language: str | None) -> Language:
    """What is known of a language; of another one its code alone, and without a language English."""
    code = shorten_code(language) or ENGLISH.code
    return KNOWN.get(code, Language(code))
