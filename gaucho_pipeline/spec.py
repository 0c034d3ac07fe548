"""What every part of `concepts.yaml` is: a frozen model that refuses unknown keys, and knows what of it makes up a version.

And what a JSON object is that somebody else wrote: any value may be of any kind, or missing.

Here belongs what all specifications share. The keys themselves are in `concepts/`, and where a source or a filter is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import to_jsonable_python


class JsonObject(dict[str, object]):
    """An object whose values are read by kind; what is of another kind is as if it were not there."""

    def text(self, name: str) -> str:
        """A text; '' where it is none."""
        value = self.get(name)
        return value if isinstance(value, str) else ""

    def integer(self, name: str) -> int | None:
        """A whole number; None where it is none."""
        value = self.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def child(self, name: str) -> JsonObject:
        """An object; an empty one where it is none."""
        value = self.get(name)
        return JsonObject(value) if isinstance(value, dict) else JsonObject()

    def children(self, name: str) -> list[JsonObject]:
        """The objects of a list; none where it is no list."""
        return [JsonObject(each) for each in self.array(name) if isinstance(each, dict)]

    def array(self, name: str) -> list[object]:
        """A list; an empty one where it is none."""
        value = self.get(name)
        return value if isinstance(value, list) else []


def one_line(text: str) -> str:
    """The text itself. Raises ValueError if it is no text on one line that can be shown."""
    if not text.strip():
        raise ValueError("must say something, and not be spaces only")
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in "\u200c\u200d" for sign in text):
        raise ValueError("must be one line, without line breaks, tabs, control characters and signs that do not show")
    return text


Text = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(one_line)]


@dataclass(frozen=True)
class Absent:
    """Marks a key that came later than the others: `key: Annotated[int | None, Absent(None)] = Field(…)`.

    `value` gives what was made before the key existed. It is stated once, with the key, and never changed, because a key that is at
    it is left out of versions: whatever was made before the key existed stays fresh. The key's default may change, and may be another.
    """

    value: Any


class Operational:
    """Marks a key that shapes how something is made and not what: `key: Annotated[bool, Operational()]`. It is in no version."""


class Spec(BaseModel):
    """A part of a specification."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    code_version: ClassVar[str] = "1"
    """Raised when the code behind this part alone makes something else of the same keys: it makes what has this part stale, no more."""

    @field_validator("*", mode="before")
    @classmethod
    def _names_a_place(cls, value: object, info: ValidationInfo) -> object:
        """An empty path would be the folder of the file itself, with all that lies in it."""
        is_path = cls.model_fields[str(info.field_name)].annotation in (Path, Path | None)
        if is_path and isinstance(value, str) and not value.strip():
            raise ValueError("is empty; write a path beside this file, such as photos")
        return value

    def identity(self) -> JsonObject:
        """What a version hashes, as a JSON value: the keys that are not at their absent value, and are not operational."""
        found = JsonObject()
        for name, field in type(self).model_fields.items():
            if any(isinstance(marker, Operational) for marker in field.metadata):
                continue
            value = _plain(getattr(self, name))
            absent = [marker.value for marker in field.metadata if isinstance(marker, Absent)]
            if not absent or value != to_jsonable_python(absent[0]):
                found[name] = value
        if self.code_version != "1":
            found["code_version"] = self.code_version
        return found

    def with_paths_below(self, folder: Path) -> Self:
        """The same with every relative path in it taken from a folder, and `~` for the person's own."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        changes = {name: changed for name, value in own.items() if (changed := _below(folder, value)) != value}
        return self.model_copy(update=changes)  # what is not changed stays known as not set

    def with_recommended(self, keys: Mapping[str, Any]) -> Self:
        """The same with these keys where nobody has set them."""
        return self.model_copy(update={name: value for name, value in keys.items() if name not in self.model_fields_set})


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.identity()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return to_jsonable_python(value)


def _below(folder: Path, value: Any) -> Any:
    if isinstance(value, Path):
        return folder / value.expanduser()
    if isinstance(value, Spec):
        return value.with_paths_below(folder)
    if isinstance(value, tuple):
        return tuple(_below(folder, item) for item in value)
    return value
