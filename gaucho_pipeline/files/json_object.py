"""Objects of JSON that somebody else wrote: any value may be of any kind, or missing."""

from __future__ import annotations


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
