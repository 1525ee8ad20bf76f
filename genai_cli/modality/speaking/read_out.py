"""Numbers, dates, signs and abbreviations as the words that a reader says, for models that read letters alone.

The words of numbers are those of Unicode's CLDR, https://cldr.unicode.org, by unicode-rbnf.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_cli.modality.speaking.languages import Language, find_language, shorten_code
from genai_cli.request.numerals import read_roman

if TYPE_CHECKING:
    from unicode_rbnf import FormatPurpose, RbnfEngine

YEARS = range(1100, 2100)  # a number of four digits among these is read as a year
MOST_DIGITS = 15  # of a number that is read as one
CENTS = 2  # digits


@dataclass(frozen=True)
class ReadOut:
    """A text as it is spoken, and what was changed: pairs of what was written and what is said."""

    text: str
    changes: tuple[tuple[str, str], ...] = ()


def read_out(text: str, language: str | None) -> ReadOut:
    """The text with all that is not a word written as words. What the language has no words for stays as it is."""
    changes: list[tuple[str, str]] = []
    for pattern, say in list_rules(shorten_code(language)):

        def replace(match: re.Match[str], say: Callable[[re.Match[str]], str | None] = say) -> str:
            said = say(match)
            if said is None:
                return match[0]
            changes.append((match[0].strip(), said.strip()))
            return said

        text = pattern.sub(replace, text)
    return ReadOut(" ".join(text.split()), tuple(changes))


Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], "str | None"]]


@functools.cache
def list_rules(code: str | None) -> list[Rule]:
    """The patterns of a language in the order in which they are looked for, each with how it is said."""
    language = find_language(code)
    words = Words(language)
    number = words.number
    rules: list[Rule] = []

    def add(pattern: str, say: Callable[[re.Match[str]], str | None]) -> None:
        rules.append((re.compile(pattern), say))

    if language.abbreviations:
        known = sorted(map(re.escape, language.abbreviations), key=len, reverse=True)
        add(rf"(?<!\w)(?:{'|'.join(known)})(?!\w)", lambda match: language.abbreviations[match[0]])
    if language.numbered:
        add(rf"\b(?:{'|'.join(language.numbered)}) ([IVXLC]+)\b(?!')", words.say_numbered)
    if language.months:
        months = "|".join(language.months)
        add(r"\b(\d{4})-(\d\d)-(\d\d)\b", words.say_iso_date)
        add(rf"(?:\bthe )?\b(\d{{1,2}})\.?(?: of)? ({months})(?:,? (\d{{4}}))?\b", words.say_day_first)
        add(rf"\b({months}) (\d{{1,2}})(?:,? (\d{{4}}))?\b(?![.,]\d)", words.say_month_first)
    if language.o_clock:
        add(r"\b([01]?\d|2[0-3]):([0-5]\d)\b", words.say_time)
    if language.currencies:
        signs = "|".join(map(re.escape, language.currencies))
        add(rf"({signs}) ?({number})(?!\w)", lambda match: words.say_money(match[1], match[2]))
        add(rf"(?<!\w)({number}) ?({signs})(?!\w)", lambda match: words.say_money(match[2], match[1]))
    if language.units:
        units = "|".join(sorted(map(re.escape, language.units), key=len, reverse=True))
        add(rf"(?<!\w)(-?{number}) ?({units})(?!\w)", words.say_measure)
    if language.to:
        add(r"(?<![\w.,-])(\d{1,4})[-–](\d{1,4})(?![\w-])", words.say_range)
    if language.ordinals:
        add(rf"\b(\d+)(?:{language.ordinals})\b", lambda match: words.say_ordinal(match[1]))
    add(rf"(?<![\w.,])[-−]({number})(?!\w)", words.say_negative)
    add(rf"(?<![\w]){number}", lambda match: words.say_number(match[0]))
    add(r"\d+", lambda match: words.say_digits(match[0]))
    for sign, word in language.signs.items():
        add(rf" ?{re.escape(sign)} ?", functools.partial(say_sign, word))
    return rules


def say_sign(word: str, match: re.Match[str]) -> str:
    """A sign as a word of its own."""
    del match
    return f" {word} "


class Words:
    """Says what is written in digits."""

    def __init__(self, language: Language) -> None:
        self.language = language
        group, point = re.escape(language.group), re.escape(language.point)
        self.number = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)(?:{point}\d+)?"
        """The pattern of a number."""

    @functools.cached_property
    def engine(self) -> "RbnfEngine | None":
        """What knows the words of the language; None where nothing does."""
        from unicode_rbnf import RbnfEngine

        try:
            return RbnfEngine.for_language(self.language.code)
        except ValueError:
            return None

    def spell(self, number: str, purpose: "FormatPurpose | None" = None) -> str | None:
        """A number, with a point before its decimals, as words."""
        from unicode_rbnf import FormatPurpose

        if self.engine is None:
            return None
        try:
            found = self.engine.format_number(number, purpose or FormatPurpose.CARDINAL)
        except (ValueError, KeyError, NotImplementedError):
            return None
        said = found.text_by_ruleset.get(self.language.ordinal_rules, found.text)
        # A soft hyphen, and the hyphens of twenty-four: models of letters know neither as a part of a word.
        return said.replace("\u00ad", "").replace("-", " ").strip() or None

    def say_digits(self, digits: str) -> str | None:
        """One digit after the other."""
        words = [self.spell(digit) for digit in digits if digit.isdecimal()]
        return None if None in words else f" {' '.join(filter(None, words))} "

    def say_number(self, written: str) -> str | None:
        """A number as a whole: a year where it looks like one, digit by digit where it is a code or very long."""
        whole, _, decimals = written.replace(self.language.group, "").partition(self.language.point)
        if (len(whole) > 1 and whole.startswith("0")) or len(whole) > MOST_DIGITS:
            return self.say_digits(written)
        if len(whole) == 4 and written == whole and int(whole) in YEARS:
            return self.say_year(whole)
        said = self.spell(whole)
        if said is None or not decimals:
            return said
        # The decimals one by one: not all languages' rules of CLDR hold them.
        point = self.spell("0.5")
        middle = (point or "").removeprefix(self.spell("0") or "").removesuffix(self.spell("5") or "").strip()
        spoken = self.say_digits(decimals)
        return f"{said} {middle} {spoken.strip()}" if middle and spoken else None

    def say_negative(self, match: re.Match[str]) -> str | None:
        """A number with its sign."""
        said = self.say_number(match[1])
        return None if said is None else f"{self.language.minus} {said.strip()}"

    def say_year(self, digits: str) -> str | None:
        """A year: nineteen ninety-nine."""
        from unicode_rbnf import FormatPurpose

        return self.spell(digits, FormatPurpose.YEAR)

    def say_ordinal(self, digits: str) -> str | None:
        """The third, of 3."""
        from unicode_rbnf import FormatPurpose

        return self.spell(digits, FormatPurpose.ORDINAL)

    def say_date(self, day: str, month: str, year: str | None, *, is_month_first: bool) -> str | None:
        """A day of a month, and its year if there is one."""
        ordinal = self.say_ordinal(str(int(day)))
        if ordinal is None or not 1 <= int(day) <= 31:
            return None
        said = f"{month} {ordinal}" if is_month_first else self.language.day_of_month.format(ordinal, month)
        spoken = self.say_year(year) if year else None
        return f"{said} {spoken or ''}".strip()

    def say_iso_date(self, match: re.Match[str]) -> str | None:
        """2024-05-03."""
        year, month, day = match.groups()
        if not 1 <= int(month) <= len(self.language.months):
            return None
        name = self.language.months[int(month) - 1]
        return self.say_date(day, name, year, is_month_first=False)

    def say_day_first(self, match: re.Match[str]) -> str | None:
        """3 May 2024."""
        return self.say_date(match[1], match[2], match[3], is_month_first=False)

    def say_month_first(self, match: re.Match[str]) -> str | None:
        """May 3, 2024."""
        return self.say_date(match[2], match[1], match[3], is_month_first=True)

    def say_time(self, match: re.Match[str]) -> str | None:
        """14:30."""
        hour, minutes = self.spell(str(int(match[1]))), self.spell(str(int(match[2])))
        if hour is None or minutes is None:
            return None
        if int(match[2]) == 0:
            return self.language.o_clock.format(hour)
        zero = "oh " if self.language.code == "en" and match[2].startswith("0") else ""
        return self.language.past.format(hour, zero + minutes)

    def say_money(self, sign: str, written: str) -> str | None:
        """$3.50."""
        one, several, hundredths = self.language.currencies[sign]
        whole, _, decimals = written.partition(self.language.point)
        plain = whole.replace(self.language.group, "")
        if len(decimals) != CENTS or not hundredths or len(plain) > MOST_DIGITS:
            said = self.say_number(written)
            return None if said is None else f"{said.strip()} {one if written == '1' else several}"
        said, cents = self.spell(plain), self.spell(str(int(decimals)))
        if said is None or cents is None:
            return None
        money = f"{said} {one if plain == '1' else several}"
        return f"{money} and {cents} {hundredths}" if int(decimals) else money

    def say_measure(self, match: re.Match[str]) -> str | None:
        """5 km."""
        one, several = self.language.units[match[2]]
        said = self.say_number(match[1].removeprefix("-"))
        minus = f"{self.language.minus} " if match[1].startswith("-") else ""
        return None if said is None else f"{minus}{said.strip()} {one if match[1] == '1' else several}"

    def say_range(self, match: re.Match[str]) -> str | None:
        """10-20; 2-1 is a score, and stays what the number's rule makes of it."""
        if int(match[1]) >= int(match[2]):
            return None
        first, last = self.say_number(match[1]), self.say_number(match[2])
        return None if first is None or last is None else f"{first.strip()} {self.language.to} {last.strip()}"

    def say_numbered(self, match: re.Match[str]) -> str | None:
        """Chapter IV."""
        said = self.spell(str(read_roman(match[1])))
        return None if said is None else match[0].removesuffix(match[1]) + said
