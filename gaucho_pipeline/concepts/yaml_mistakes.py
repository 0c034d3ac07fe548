"""What a mistake in a YAML file is and how it is mended, in words of our own: the parser's say what it expected, and not what is wrong."""

from __future__ import annotations

import re
from typing import cast

import yaml

from gaucho_pipeline.errors import _

_PLACEHOLDER = re.compile(r"\{(?:token|class_noun)\}")
_LEADING = re.compile(rf"(?:^|[-:,\[]) *({_PLACEHOLDER.pattern})")
_MAX_NODES = 100_000
"""Values that a file may stand for once its aliases are written out."""


MAX_BYTES = 10_000_000
"""Of a concepts file: one of a thousand concepts has half of that."""
_MAX_DEPTH, _MAX_DIGITS = 50, 100
"""How deep a file may be nested, and how long a number may be: what reads it is recursive, and counts without end."""
_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.000")
"""A whole thousand as it is written in Portuguese."""
_NUMBER = re.compile(r"[-+]?[0-9.][0-9a-fA-FxXoO_.:]*(?:[eE][-+]?[0-9]+)?")


def line_and_problem(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """The line of a mistake, from 1, and what it is, with the remedy."""
    if isinstance(error, yaml.reader.ReaderError):
        return text[: error.position].count("\n") + 1, "a control character stands here; remove it"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 1, "is no YAML; compare it with the example in the README"
    lines = text.splitlines()
    number, problem = min(error.problem_mark.line + 1, max(1, len(lines))), error.problem or ""
    if isinstance(error, Mistake):
        return number, problem
    for rule in (_tab, _escape, _placeholder, _quotation, _colon, _sign, _alias, _tag, _second_document):
        if found := rule(problem, lines, number, error):
            return found
    if "block end" in problem or "block mapping" in problem:
        return number, "its indentation does not fit the lines above; keys of one mapping begin in one column"
    return number, "is not understood here; look at its quotation marks, colons, brackets and indentation"


class Mistake(yaml.MarkedYAMLError):
    """A mistake whose problem is told in our own words already."""


def check_nesting(text: str) -> None:
    """Raises Mistake for a file that is nested deeper, or has longer numbers, than any that a person writes.

    It is asked before the file is read as a whole: libyaml's reader ends the process where it runs out of stack. What is no YAML is passed
    over here.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _MAX_DEPTH:
                    raise _at(event, "is nested too deeply; look at its brackets and indentation")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.ScalarEvent) and _is_endless_number(event):
                raise _at(event, "a number has too many digits")
    except Mistake:
        raise
    except yaml.YAMLError:
        return


def _at(event: yaml.Event, problem: str) -> Mistake:
    return Mistake(problem=problem, problem_mark=cast("yaml.Mark", event.start_mark))  # libyaml's marks have the same fields


def _is_endless_number(event: yaml.ScalarEvent) -> bool:
    return not event.style and len(event.value) > _MAX_DIGITS and _NUMBER.fullmatch(event.value) is not None


def check_size(node: yaml.Node | None) -> None:
    """Raises Mistake if a file stands for more than can be meant, because aliases repeat what repeats others, or contains itself."""
    if node is None:
        return
    sizes: dict[int, int] = {}
    stack: list[tuple[yaml.Node, bool]] = [(node, False)]
    open_: set[int] = set()
    while stack:
        current, is_done = stack.pop()
        children = _children(current)
        if is_done:
            open_.discard(id(current))
            sizes[id(current)] = 1 + sum(sizes[id(child)] for child in children)
            if sizes[id(current)] > _MAX_NODES:
                raise Mistake(problem="repeats more by aliases (*…) than can be meant; write it out", problem_mark=current.start_mark)
        elif id(current) not in sizes:
            if id(current) in open_:
                raise Mistake(problem="an alias (*…) stands inside what it repeats; write it out", problem_mark=current.start_mark)
            open_.add(id(current))
            stack.append((current, True))
            stack += [(child, False) for child in children if id(child) not in sizes]


_OPENING, _CLOSING = "“„«‘‚”’", "”“»’‘"


def check_slips(node: yaml.Node | None) -> None:
    """Raises Mistake for what is YAML and was meant otherwise: a comma for a decimal point or in a bare text, a word processor's quotes."""
    stack, seen = [node] if node else [], set[int]()
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, yaml.MappingNode) and current.flow_style:
            _check_commas(current)
        is_bare = isinstance(current, yaml.ScalarNode) and not current.style
        if is_bare and re.fullmatch(rf"[{_OPENING}].*[{_CLOSING}]", current.value):
            meant = f'"{current.value[1:-1][:60]}"'
            text = _("these are a word processor's quotation marks, and part of the text; write {text}", text=meant)
            raise Mistake(problem=text, problem_mark=current.start_mark)
        if is_bare and _THOUSANDS.fullmatch(current.value):
            read, meant = current.value.split(".")[0], current.value.replace(".", "")
            text = _("{number} is read as {read}; write {meant} for thousands, or {read}.0", number=current.value, read=read, meant=meant)
            raise Mistake(problem=text, problem_mark=current.start_mark)
        stack += _children(current)


def _check_commas(mapping: yaml.MappingNode) -> None:
    """`{rate: 0,5}` and `{author: Souza, Ana}` are read as two keys, the second without a value."""
    for (before, value), (key, nothing) in zip(mapping.value, mapping.value[1:], strict=False):
        is_bare = all(isinstance(each, yaml.ScalarNode) and not each.style for each in (value, key, nothing))
        if not is_bare or nothing.value or nothing.tag != "tag:yaml.org,2002:null" or not value.value:
            continue
        one, other = value.value, key.value
        is_number = re.fullmatch(r"[-+]?[\d.]+", one)
        if is_number and re.fullmatch(r"\d+([eE][-+]?\d+)?%?", other):
            meant = f"{before.value}: {one}.{other}"
            raise Mistake(problem=_("a number has a point for its decimals: {meant}", meant=meant), problem_mark=key.start_mark)
        if is_number:
            raise Mistake(problem=_("'{key}' has no value here; write one behind its colon", key=other[:60]), problem_mark=key.start_mark)
        meant = f'{before.value}: "{one}, {other}"'[:240]
        raise Mistake(problem=_("a text with a comma must stand in quotation marks: {meant}", meant=meant), problem_mark=key.start_mark)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


Found = tuple[int, str] | None


def _line(lines: list[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _tab(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    return (number, _("a tab stands here; YAML is indented with spaces")) if "'\\t'" in problem or "\t" in problem else None


def _placeholder(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    """`{token} on a table` without quotation marks is read as a mapping; the parser notices a little later."""
    for near in (number, number - 1):
        bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", _line(lines, near))
        if found := _LEADING.search(bare):
            return near, _('a text that begins with {sign} must stand in quotation marks: "…"', sign=found[1])
        if "[" in bare and (found := _PLACEHOLDER.search(bare)):
            return near, _('a text with {sign} in a list must stand in quotation marks: ["…", "…"]', sign=found[0])
    return None


def _colon(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    if "mapping values are not allowed" not in problem and "could not find expected ':'" not in problem:
        return None
    for near in (number - 1, number):
        if re.match(r"^\s*(- )?[A-Za-z_][\w]*:[^\s/]", _line(lines, near)):
            key = _line(lines, near).strip().partition(":")[0].removeprefix("- ")
            return near, _("a space is missing after the colon of {key!r}", key=key)
    if _line(lines, number).count(": ") > 1:
        return number, _("a text with a colon in it must stand in quotation marks; a mapping on one line stands in { }")
    return number, _("a colon stands where none can; look at the line above, or put the text in quotation marks")


def _quotation(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    for near in range(number, 0, -1):  # what is open swallows the lines below, so the mistake is seen later
        if len(re.findall(r'(?<!\\)"', re.sub(r"'[^']*'|#.*", "", _line(lines, near)))) % 2:
            return near, _("a quotation mark is not closed")
    if "quoted scalar" not in (error.context or "") or error.context_mark is None:
        return None
    return error.context_mark.line + 1, _("a quotation mark is not closed")


def _escape(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    is_one = "unknown escape character" in problem or "escape sequence" in problem
    return (number, _("a backslash means something else between double quotation marks; use single ones: '…'")) if is_one else None


def _sign(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    found = re.search(r"found character '(.)' that cannot start", problem)
    return (number, _("a text that begins with {sign} must stand in quotation marks", sign=found[1])) if found else None


def _alias(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    if "undefined alias" in problem or "expected alphabetic or numeric character" in problem:
        return number, _("a text that begins with * or & must stand in quotation marks")
    return None


def _tag(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    is_tag = "could not determine a constructor" in problem or "tag" in problem
    return (number, _("tags (!…) are not read; remove it, or put the text in quotation marks")) if is_tag else None


def _second_document(problem: str, lines: list[str], number: int, error: yaml.MarkedYAMLError) -> Found:
    is_second = "another document" in problem or "single document" in (error.context or "")
    return (number, _("a second document begins here (---); a file has one")) if is_second else None
