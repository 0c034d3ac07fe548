"""What the command line says, in the reader's language.

Inside, and in everything that is kept, sentences are in English, whoever ran it: an artifact, a log for programs and Dagster's UI are the
same in every language. They are translated line by line where they leave for a person: each sentence of gettext's catalogue is looked for
with what was filled in, and what was filled in is read in turn. What is in no catalogue stays as it is.
"""

from __future__ import annotations

import os
import re
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import TextIOBase
from pathlib import Path
from typing import TextIO

from gaucho_pipeline.language.bilingual import Bilingual, Language

VARIABLE = "GAUCHO_LANG"
CATALOGUES = Path(__file__).parent / "locale"
_FIRST = ("{mark} ", "error: ", "note: ")
"""How sentences begin that are looked for before all others: what else they say is a sentence of its own."""
_COLUMNS = re.compile(r"( {2,})")
_FOR_PROGRAMS = ("--json", "--log-json", "schema")
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")
_SEPARATORS = (" [", ". ", ": ", "; ", " (", ", ")
_CLOSING = {" [": "]", " (": ")"}
_MAX_DEPTH, _MIN_LETTERS, _MAX_PLACES = 4, 3, 4
"""How deep what was filled in is read; letters of a sentence that is nearly all filled in, which any text would be; and at how many places
of a separator a text is parted to read both sides."""
_NAMES = frozenset({
    "address", "answers_file", "approvals_file", "base_model", "command", "concept", "concepts", "concepts_file", "file", "folder",
    "forgotten_file", "host", "image", "key", "keys", "model", "name", "names", "origin", "other", "path", "root", "schema", "slug",
    "slugs", "token", "url", "where",
})  # fmt: skip
"""Placeholders of what has a name, which is no sentence."""
_COUNTED = frozenset({
    "cached", "count", "done", "failed", "free", "frames", "images", "kept", "least", "needed", "number", "pictures", "rate",
    "refused", "requests", "row", "seconds", "size", "step", "total",
})  # fmt: skip
"""Placeholders of numbers, which are one word."""
_PLACE = re.compile(r"(?:[^:]+:\d+: )(?:[\w.]+: )?")
"""Where a mistake is in a file, which goes before the sentence that says what it is."""

_KEYS = re.compile(r"(?:concepts|collections|defaults|site|retention)(?:\.(?!ya?ml:)[\w-]+)+: ")
"""The way to a key of the file, which goes before what is said of it."""
_COUNT = re.compile(r"(?P<count>\s*\d+ )(?P<what>(?:(?!, \d).)+)")
"""So many of what is named or said after it, and nothing else counted."""

WORDS: tuple[str, ...] = (
    "fresh", "waiting", "stale", "missing", "forced", "yes", "no", "unclear", "not known",
    "  {asset} fresh", "  {asset} stale    {why}", "  {asset} missing  {why}", "  {asset} waiting  {why}",
    "  {asset} cached   {what}", "  {asset} made     {what}",
    "{name} is stale", "{name} is missing", "{name} is waiting", "{keys} changed", "{keys}, {name} changed",
    "{name} is new", "{name} is gone",
    "the files that it names changed", "the code that makes it changed", "the base model changed", "{names} and {count} more",
    "{what}: {done}/{total} images, {rate} images/s, {left} left", "{what}: {done}/{total} pictures, {rate} pictures/s, {left} left",
    "{what}: {done}/{total} steps, {rate} steps/s, {left} left",
    "{what}: {done}/{total} denoising steps, {rate} denoising steps/s, {left} left",
    "{what}: {done}/{total} artifacts and images, {rate} artifacts and images/s, {left} left",
    "{what}: {done}/{total} artifacts, {rate} artifacts/s, {left} left",
    "fetching", "measuring", "comparing", "writing", "encoding", "training", "drawing", "masking", "reading", "sharing", "captioning",
    "embedding by {encoder}", "seeking copies", "generating class images", "judging relevance", "looking for people",
    "finding the subject", "{slug}: generating",
    "found {found}: kept {kept}, refused {refused}, failed {failed} (asked: {asked})",
    "found {found}: kept {kept}, refused {refused}, failed {failed}, gone {gone} (asked: {asked})", "nobody",
    "{origin}: {count} of {total} records, {requests} requests", "{origin}: {count} of {total} records, {requests} requests; {why}",
    "{origin}: {count} records, {requests} requests", "{origin}: {count} records, {requests} requests; {why}",
    "{kept} of {found} images kept", "{kept} of {read} images kept, {seconds} s", "{count} pictures, {generated} of them drawn now",
    "{count} pictures, {generated} of them drawn now, {seconds} s", "{count} concepts", "{count} concepts, {seconds} s",
    "validation loss {before} → {after}, loss_fell: {word}", "validation loss {before} → {after}, loss_fell: {word}, {seconds} s",
    "verdict: {word}", "verdict: {word}, {seconds} s", "{frames} frames of {count} stories, {generated} pictures drawn now, {seconds} s",
    "{slug}: verdict {word}. {reason}", "{count} of {pictures} pictures look copied from a training image.",
    "Not measured: {what} (gaucho show evaluation {slug}).",
    "site", "{slug}, review", "{slug}, checkpoint", "{slug}, sequence", "{asset} of {slug} failed",
    "  site {place}", "  {slug}, review {place}", "  {slug}, checkpoint {place}", "  {slug}, sequence {place}",
    "stopped by {name}; what is done is kept, and a training goes on from where it was saved: run the same again",
    "stopped; what people sent back is kept: run the same again",
    "asked to stop; what is done is kept, and the same run goes on from there",
    ", at most {size} GB at once",
    "    licenses  {what}", "    refused   {what}",
    "{count} wrong", "{count} wrong; to put it aside: gaucho fsck --repair", "would free", "freed",
    "is no manifest",
    "  {slug}: {count} stand in its folder, and at least {least} must be left; add some",
    "{slug}: {count} stand in its folder, and at least {least} must be left; add some",
    "no image of {slug} could be kept", "every source failed", "nothing was found", "the licence is non-commercial",
    "the licence forbids changes", "a forgotten image", "more than max_images", "more than max_bytes", "does not show the concept",
    "{count} near-duplicate", "{count} duplicate", "{count} too small", "{count} blurred", "{count} too long", "{count} framed",
    "{count} too dark", "{count} too bright", "{count} low contrast", "{count} little to see", "{count} enlarged or shaken",
    "{count} heavily compressed", "{count} text or graphics", "{count} monochrome", "{count} not-an-image", "{count} too-many-pixels",
    "{count} truncated", "{count} camera raw", "{count} unreadable", "{count} took too long", "{count} ended its process",
    "{count} irrelevant", "{count} like a forgotten image", "{count} more than max_images", "{count} dropped",
    "{count} would stay without {name}", "failed controls", "does not know it", "too few answers",
    "the licence is non-commercial and no-derivatives", "the licence is no-derivatives", "a concept changes",
    "{why} (left as it is, if that comes out the same)", "1 concepts", "1 concepts, {seconds} s", "{slug}, collection",
    "  {slug}, collection {place}", "{asset} failed", "{slug} failed",
    "{count} concepts in one adapter, the loss fell of {number}", "{count} concepts in one adapter, the loss fell of {number}, {seconds} s",
    "{word}, by {count} people who know it", "{word}, by {count} people who know it, {seconds} s", "{word}, by 1 people who know it",
    "{word}, by 1 people who know it, {seconds} s", "{word}, by 1 people who know it. {reason}", "by 1 people who know it: {word}",
    "1 of 1 files were left out; see above", "1 of {count} files were left out; see above", "the site shows 1 concepts",
    "{asset} of {concept} is at work (run {image}, since {where})",
    "{asset} of {concept} is at work (run {image}, since {where}, process {number})",
    "the program was killed: {error}", "{asset} of {slug}: the program ended without an artifact", "not evaluated",
    "all on the card", "parts computed twice", "blocks wait in the machine's memory", "as the specification says",
    "one image does not fit otherwise", "blocks wait in the machine's memory, which the card does not hold together",
    "{count} images that were kept before were not seen again within reach{why}, and stay",
    "{count} images are not on this list any more and still there, and stay{where}", "the list is not whole: {why}",
    "still says what gaucho init wrote ({text}); write your own, it goes with every image",
    "field: still says what gaucho init wrote ({text}); name the metadatum that says who may use an image",
    "{path} is a web address; save the images into a folder, or name them under urls:",
    "{path} is a path of Windows; write a folder beside this file, such as photos", "{path} holds no image that can be read",
    "it is called {name} now", "keys are English: {name}", "did you mean {name}?", "known keys are {names}",
    "must be a list: each on a line of its own behind '- ', or all of them in [ ]", "must be text; put it in quotation marks",
    "must be a whole number", "must be a number, with a point for the decimals", "must be true or false",
    "{message} (it is {value})", "is an unknown key",
    "a control character stands here; remove it", "is no YAML; compare it with the example in the README",
    "its indentation does not fit the lines above; keys of one mapping begin in one column",
    "is not understood here; look at its quotation marks, colons, brackets and indentation",
    "is nested too deeply; look at its brackets and indentation", "a number has too many digits",
    "these are a word processor's quotation marks, and part of the text; write {text}",
    "{license} is no licence that is known", "the table names it, and it is not there (row {row})",
    "the table names it, and it is not there (row {row}; the nearest names are {names})",
    "what exists is another than what was approved", "nobody has approved it",
    "{count} images are meant: {names}; name one by its number", "no image here is that",
    "{slug} is not in the concepts file any more", "nothing to do",
    "ships with the package; it knows drawn things only", "on this disk, a {kind}", "from a hub at the first run, at {revision}",
    "{mark} packages: {text}", "{mark} device: {text}", "{mark} concepts: {text}", "{mark} base model: {text}", "{mark} a card: {text}",
    "{mark} glossary: {text}", "{mark} a run: {text}", "{mark} photographs: {text}", "{mark} look-alikes: {text}", "{mark} words: {text}",
    "{mark} contact: {text}", "{mark} data: {text}",
    "Usage: {rest}", "Options:", "Commands:", "Error: {text}", "No such command {name}.", "No such option: {name}",
    "No such option {name}.",
    "Missing argument {name}.", "Missing option {name}.", "Try {command} for help.", "Invalid value for {name}: {text}",
    "  -h, --help{space}Show this message and exit.", "  --version{space}Show the version and exit.",
    "Option {name} requires an argument.", "Got unexpected extra argument {text}", "Got unexpected extra arguments {text}",
    "Did you mean {name}?", "{value} is not one of {names}.", "{value} is not a valid float range.", "{value} is not a valid float.",
    "{value} is not a valid integer range.", "{value} is not a valid integer.", "{value} is not in the range {range}.",
    "name an image, or --concept CONCEPT for all of its images", "look", "FAIL", "verdict", "surely", "perhaps",
    "{file}: there is no concept {slug}; there are {slugs}; did you mean {name}?",
    "No such command {name}. Did you mean {other}?", "No such option {name}. Did you mean {other}?",
    "of {unknown} nothing is known yet, which comes on top", "generating", "{free} GB are free, an image takes {size}",
    "{what}: {done}/{total} steps, {rate} steps/s, {left} left, validation loss {loss} (base {base})",
    "the package's own", "what is learned may be used freely; it is a demonstration", "what is learned may be used and sold",
    "what is learned may be used and sold, under the same restrictions on use (no harm, no deceit)",
    "free of charge below a million dollars of revenue a year; name Stability AI beside the result",
    "what is learned must not be used commercially, and needs a filter or a review of what is drawn",
    "for research only: what is learned must not be used commercially",
    "free of charge below a revenue that the licence names, with duties above it; read it before you publish what was learned",
    "read the base model's own page before you publish what was learned",
    "as {card} of its folder says; read it before you publish what was learned",
)  # fmt: skip
"""Sentences that are put together where they are said, and the words of tables."""


def language() -> Language:
    """The language of whoever reads the terminal: GAUCHO_LANG, else what the system's locale says (POSIX: LC_ALL, LC_MESSAGES, LANG)."""
    named = next((value for name in (VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    return "pt" if named.lower().startswith("pt") else "en"


def install(arguments: Sequence[str] = (), further: tuple[Bilingual, ...] = ()) -> bool:
    """Has this process, and the stages that it starts, speak the reader's language, where that is another than English.

    `arguments`: those of the command line; what is for programs is in English. `further`: as for `reader`. Returns whether it does now.
    """
    found = "en" if any(word in _FOR_PROGRAMS for word in arguments) else language()
    os.environ[VARIABLE] = found
    if found == "en":
        return False
    sys.stdout, sys.stderr = (TranslatedLines(stream, reader(found, further)) for stream in (sys.stdout, sys.stderr))
    return True


def install_if_asked(further: tuple[Bilingual, ...] = ()) -> None:
    """The same for a stage whose run was started by a command that does so."""
    if os.environ.get(VARIABLE) == "pt":
        install(further=further)


class TranslatedLines(TextIOBase):
    """A stream whose lines are read in another language as they leave."""

    def __init__(self, stream: TextIO, reader: Reader) -> None:
        self._stream, self._reader, self._begun = stream, reader, ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def buffer(self) -> object:
        return self._stream.buffer

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._stream.write(f"{self._reader.read_line(line)}\n")
        return len(text)

    def flush(self) -> None:
        if self._begun:
            self._stream.write(self._reader.read_line(self._begun))
            self._begun = ""
        self._stream.flush()


@dataclass(frozen=True)
class _Pattern:
    """A sentence with something filled in."""

    longest: str
    """The longest part of it that is literal."""
    expression: re.Pattern[str]
    translation: str


class Reader:
    """Reads English sentences in another language, by a catalogue of sentences with their placeholders."""

    def __init__(self, catalogue: Mapping[str, str]) -> None:
        self._whole: dict[str, str] = {}
        patterns: list[tuple[tuple[bool, int, int], _Pattern]] = []
        for sentence, translation in _by_line(catalogue):
            parts = list(string.Formatter().parse(sentence))
            literals = [literal for literal, *_field in parts]
            letters = sum(sign.isalpha() for literal in literals for sign in literal)
            if all(name is None for _literal, name, *_rest in parts):
                self._whole["".join(literals).strip()] = translation.format().strip()
            elif letters >= _MIN_LETTERS:
                order = (not sentence.startswith(_FIRST), -letters, -sum(map(len, literals)))
                patterns.append((order, _Pattern(max(literals, key=len), _expression(parts), _without_formats(translation))))
        patterns.sort(key=lambda each: each[0])
        self._patterns = [pattern for _order, pattern in patterns]

    def read_line(self, line: str) -> str:
        """A line as it leaves for a terminal, with its colours."""
        return "".join(part if _STYLE.fullmatch(part) else self.read(part) for part in _STYLE.split(line))

    def read(self, text: str, depth: int = 0) -> str:
        """A sentence, several, or a part of one; what is in no catalogue stays as it is."""
        bare = text.strip()
        if bare in self._whole:
            return text.replace(bare, self._whole[bare], 1)
        if depth > _MAX_DEPTH or not bare:
            return text
        if (place := _PLACE.match(text)) and text[place.end() :] in self._whole:
            return place[0] + self._whole[text[place.end() :]]
        if keys := _KEYS.match(text):
            return keys[0] + self.read(text[keys.end() :], depth)
        for pattern in self._patterns:
            if pattern.longest in text and (found := pattern.expression.fullmatch(text)):
                values = {name: value if name in _NAMES else self.read(value, depth + 1) for name, value in found.groupdict().items()}
                return pattern.translation.format(**values)
        if _COLUMNS.search(bare):
            return "".join(part if part.isspace() else self.read(part, depth + 1) for part in _COLUMNS.split(text))
        if (count := _COUNT.fullmatch(text)) and (read_what := self.read(count["what"], depth + 1)) != count["what"]:
            return count["count"] + read_what
        return self._read_parts(text, depth)

    def _read_parts(self, text: str, depth: int) -> str:
        """What several sentences were put together of, each read: parted where both sides are sentences, or else where one is."""
        for separator in _SEPARATORS:
            partly = text
            for place in list(_places_of(separator, text))[:_MAX_PLACES]:
                first, joined_by, rest = text[:place], separator, text[place + len(separator) :]
                if separator == ". ":
                    first, joined_by = f"{first}.", " "  # a sentence's own
                inner = rest.removesuffix(_CLOSING.get(separator, ""))
                read = (self.read(first, depth + 1), self.read(inner, depth + 1)) if rest else (first, inner)
                whole = joined_by.join(read) + rest[len(inner) :]
                if read[0] != first and read[1] != inner:
                    return whole
                partly = whole if partly == text else partly
            if partly != text:
                return partly
        return text


def _places_of(separator: str, text: str) -> Iterator[int]:
    """Where a separator stands in a text, from left to right."""
    place = text.find(separator)
    while place >= 0:
        yield place
        place = text.find(separator, place + 1)


def _by_line(catalogue: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Sentences of several lines as one each, since lines leave one by one."""
    for sentence, translation in catalogue.items():
        yield from zip(sentence.split("\n"), translation.split("\n"), strict=False)


def _expression(parts: list[tuple[str, str | None, str | None, str | None]]) -> re.Pattern[str]:
    """What a sentence looks like with something filled in."""
    text, seen = "", set[str]()
    for literal, name, _spec, _conversion in parts:
        text += re.escape(literal)
        if name is not None:
            filled_in = r"\S+?" if name in _COUNTED else "(?:(?![:;] |  ).)*?" if name in _NAMES else ".*?"
            text += f"(?P={name})" if name in seen else f"(?P<{name}>{filled_in})"
            seen.add(name)
    return re.compile(text)


def _without_formats(translation: str) -> str:
    """A translation whose placeholders take text: what was filled in has been formatted already."""
    text = ""
    for literal, name, _spec, _conversion in string.Formatter().parse(translation):
        text += literal.replace("{", "{{").replace("}", "}}") + (f"{{{name}}}" if name is not None else "")
    return text


@cache
def reader(language: Language, further: tuple[Bilingual, ...] = ()) -> Reader:
    """The reader of a language, by its catalogue (https://www.gnu.org/software/gettext/manual/html_node/MO-Files.html).

    `further`: sentences that tables of the program hold in both languages, with placeholders in braces.
    """
    from babel.messages.mofile import read_mo

    with (CATALOGUES / language / "LC_MESSAGES" / "gaucho.mo").open("rb") as file:
        found = read_mo(file)
    sentences = {str(message.id): str(message.string) for message in found if message.id and message.string}
    return Reader(sentences | {each.en: each.read(language) for each in further if each.en})
