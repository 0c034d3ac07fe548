"""Reading `concepts.yaml`: safely, with the defaults put in and paths made absolute, and with messages that name line, key and remedy.

What the keys mean, and which values they may have, is in `concept.py` and the module of each part.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from gaucho_pipeline.assets.table import ALL, PARTS
from gaucho_pipeline.concepts.collection import Collection, owners_of
from gaucho_pipeline.concepts.concept import SLUG, Concept, Concepts
from gaucho_pipeline.concepts.plain_words import in_plain_words
from gaucho_pipeline.concepts.sequence import SEQUENCE_ENCODERS
from gaucho_pipeline.concepts.yaml_mistakes import MAX_BYTES, Mistake, check_nesting, check_size, check_slips, line_and_problem
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.prompts.stories import Story
from gaucho_pipeline.scorers import ENCODERS
from gaucho_pipeline.spec import JsonObject, Spec

_UNION_MEMBER = re.compile(r"(constrained-|literal\[|tuple\[|lax-|function-)")
"""What pydantic adds to the place of a mistake where a key may be of several kinds: it is no key."""


def load_concepts(path: Path) -> Concepts:
    """Reads and checks a concepts file.

    Raises ConfigError with the file, the line, the key and the remedy of the first mistake.
    """
    lines = _Lines(path)
    value = lines.value
    if not isinstance(value, dict):
        raise ConfigError(_("{path}:1: must be a mapping with the key 'concepts'", path=path))
    _check_keys(lines, value, Concepts, ())
    defaults = value.get("defaults") or {}
    _check_defaults(lines, defaults)
    raw = value.get("concepts")
    if not isinstance(raw, dict) or not raw:
        raise lines.error(("concepts",), _("must name at least one concept"))
    merged: dict[str, JsonObject] = {}
    for slug, part in raw.items():
        _check_slug(lines, "concepts", slug)
        if not isinstance(part, dict):
            raise lines.error(("concepts", slug), _("must be a mapping with token, class_noun and crawl"))
        merged[slug] = _with_defaults(JsonObject(part), JsonObject(defaults))
    collections = _collections(lines, value.get("collections") or {}, JsonObject(defaults))
    whole = {"concepts": merged, "collections": collections, "retention": value.get("retention") or {}, "site": value.get("site")}
    try:
        loaded = Concepts.model_validate(whole)
    except ValidationError as error:
        raise _first_error(lines, error) from None
    _check_tokens(lines, loaded)
    _check_collections(lines, loaded)
    return _taught_together(_with_absolute_paths(loaded, path.resolve().parent))


def _collections(lines: _Lines, raw: object, defaults: JsonObject) -> dict[str, JsonObject]:
    """The collections as they are written, with the defaults of trainings put in."""
    if not isinstance(raw, dict):
        raise lines.error(("collections",), _("must be a mapping of collections, each with its concepts"))
    found = dict[str, JsonObject]()
    for slug, keys in raw.items():
        _check_slug(lines, "collections", slug)
        if not isinstance(keys, dict):
            raise lines.error(("collections", slug), _("must be a mapping with concepts: the slugs of several concepts"))
        own = keys.get("training", {})
        found[slug] = JsonObject(keys | {"training": defaults.child("training") | own if isinstance(own, dict) else own})
    return found


def _check_collections(lines: _Lines, loaded: Concepts) -> None:
    for slug, collection in loaded.collections.items():
        if slug in loaded.concepts:
            raise lines.error(("collections", slug), _("{slug!r} is a concept already; choose another", slug=slug))
        for place, concept in enumerate(collection.concepts):
            if concept not in loaded.concepts:
                where = ("collections", slug, "concepts", place)
                raise lines.error(
                    where, _("there is no concept {slug!r}; {nearest}", slug=concept, nearest=_nearest(concept, list(loaded.concepts)))
                )
            if lines.has(("concepts", concept, "training")):
                text = _("{concept} is taught in the collection {slug}; write how under collections.{slug}", concept=concept, slug=slug)
                raise lines.error(("concepts", concept, "training"), text)
        if collection.training.mask and not any(loaded.concepts[concept].curation.masks for concept in collection.concepts):
            text = _("says how masks are learned by; say under curation: masks: {} where they come from")
            raise lines.error(("collections", slug, "training", "mask"), text)
    for concept, owners in owners_of(loaded.collections).items():
        if len(owners) > 1:
            text = _("{concept} is in {owners} already; a concept is taught in one collection", concept=concept, owners=owners[0])
            raise lines.error(("collections", owners[1], "concepts"), text)


def _taught_together(loaded: Concepts) -> Concepts:
    """The same with the training of concepts that are in a collection taken from it."""
    owners = owners_of(loaded.collections)
    trainings = {concept: loaded.collections[slug].training_of(slug) for concept, (slug, *_more) in owners.items()}
    concepts = {
        slug: concept.model_copy(update={"training": trainings[slug]}) if slug in trainings else concept
        for slug, concept in loaded.concepts.items()
    }
    return loaded.model_copy(update={"concepts": concepts})


def _with_defaults(part: JsonObject, defaults: JsonObject) -> JsonObject:
    whole = JsonObject(part)
    for stage in defaults:
        keys = defaults.child(stage)
        if stage == "sequence" and stage not in part and "stories" not in keys:
            continue  # how it is drawn asks for none
        own = part.get(stage, {})
        whole[stage] = {**keys, **own} if isinstance(own, dict) else own
    return whole


def _with_absolute_paths(loaded: Concepts, folder: Path) -> Concepts:
    """Paths and the folders of models as they are seen from the file's own folder."""

    def fixed(concept: Concept) -> Concept:
        whole = concept.with_paths_below(folder)
        parts = {
            "training": _with_absolute(whole.training, "base_model", folder),
            "gallery": _with_absolute(whole.gallery, "base_model", folder) if whole.gallery.base_model else whole.gallery,
            "curation": _with_absolute_models(whole.curation, ("relevance", "captioner", "context", "segmenter"), folder),
            "evaluation": _with_absolute_models(whole.evaluation, ENCODERS, folder),
        }
        if whole.sequence:
            parts["sequence"] = _with_absolute_models(whole.sequence, ("motion_adapter", *SEQUENCE_ENCODERS), folder)
        return whole.model_copy(update=parts)

    def fixed_collection(collection: Collection) -> Collection:
        return collection.model_copy(update={"training": _with_absolute(collection.training, "base_model", folder)})

    concepts = {slug: fixed(concept) for slug, concept in loaded.concepts.items()}
    collections = {slug: fixed_collection(collection) for slug, collection in loaded.collections.items()}
    return loaded.model_copy(update={"concepts": concepts, "collections": collections})


def _with_absolute_models(part: Spec, names: Iterable[str], folder: Path) -> Spec:
    """A part some of whose keys describe models."""
    models = {name: _with_absolute(model, "model", folder) for name in names if (model := getattr(part, name))}
    return part.model_copy(update=models)  # what nobody has set stays known as not set


def _with_absolute(part: Spec, key: str, folder: Path) -> Spec:
    """A part whose key names a model, which may be a folder."""
    model = getattr(part, key)
    return part.model_copy(update={key: str((folder / os.path.expanduser(model)).resolve())}) if model.startswith((".", "~")) else part


def load_story(path: Path) -> Story:
    """Reads and checks one story in a file of its own; it is called as the file, if it has no name.

    Raises ConfigError with the file, the line, the key and the remedy of the first mistake.
    """
    lines = _Lines(path)
    if not isinstance(lines.value, dict):
        raise ConfigError(_("{path}:1: must be a mapping with the key 'beats'", path=path))
    name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_") or "story"
    try:
        return Story.model_validate({"name": name} | lines.value)
    except ValidationError as error:
        raise _first_error(lines, error, Story) from None


def error_at(path: Path, location: tuple[Any, ...], problem: str) -> ConfigError:
    """A mistake that shows only when the file's words are held against the world: with the file, the line and the key."""
    lines = _Lines(path)
    return lines.error(lines.inherited(location), problem)


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """What YAML's safe loaders construct, but for a key which appears twice."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError):
            if not isinstance(node, yaml.ScalarNode):
                raise
            text = _("{value!r} is not what it seems; put it in quotes", value=node.value[:40])
            raise Mistake(problem=text, problem_mark=node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _value in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (dict, list, set)):
                raise Mistake(problem=_("a key must be plain text"), problem_mark=key_node.start_mark)
            if key in seen:
                twice = _(
                    "the key {key!r} stands twice, first in line {line}; put what stands under both under one", key=key, line=seen[key]
                )
                raise Mistake(problem=twice, problem_mark=key_node.start_mark)
            seen[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)


class _UniqueKeyLoader(_UniqueKeys, yaml.SafeLoader):
    """Tells of a mistake in words that `yaml_mistakes.py` knows."""


_FAST: Any = type("_FastLoader", (_UniqueKeys, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), {})
"""Ten times as fast, where PyYAML was built with libyaml."""


def _read(loader: Any) -> tuple[yaml.Node | None, Any]:
    """The nodes of a document, and what they stand for."""
    node = loader.get_single_node()
    check_size(node)
    check_slips(node)
    return node, loader.construct_document(node) if node else None


class _Lines:
    """A YAML file's value, and the line where each of its keys is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not path.is_file() and path.exists():
                raise ConfigError(_("{path}: is no file", path=path))
            if path.stat().st_size > MAX_BYTES:
                raise ConfigError(_("{path}: is larger than {most} MB; is it the right file?", path=path, most=MAX_BYTES // 1_000_000))
            text = path.read_text(encoding="utf-8")
            check_nesting(text)
            try:
                self.node, self.value = _read(_FAST(text))
            except yaml.YAMLError:
                self.node, self.value = _read(_UniqueKeyLoader(text))
        except FileNotFoundError:
            raise ConfigError(
                _(
                    "{path}: there is no such file; go into the folder that has it, name it with --concepts, or begin one: "
                    "gaucho init FOLDER",
                    path=path,
                )
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: {_not_text(path)}") from None
        except OSError as error:
            raise ConfigError(_("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror)) from None
        except RecursionError:
            raise ConfigError(_("{path}: is nested too deeply", path=path)) from None
        except yaml.YAMLError as error:
            line, problem = line_and_problem(error, text)
            raise ConfigError(f"{path}:{line}: {problem}") from None

    def line_of(self, location: tuple[Any, ...]) -> int:
        node, line = self.node, 1
        for step in location:
            found = None
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if str(k.value) == str(step)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                found = (node.value[step], node.value[step])
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line

    def has(self, location: tuple[Any, ...]) -> bool:
        value: Any = self.value
        for step in location:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def inherited(self, location: tuple[Any, ...]) -> tuple[Any, ...]:
        """Where a key of a concept really is, which may be under the defaults."""
        default = ("defaults", *location[2:])
        return (
            default
            if location[:1] in (("concepts",), ("collections",)) and len(location) > 2 and not self.has(location) and self.has(default)
            else location
        )

    def error(self, location: tuple[Any, ...], problem: str) -> ConfigError:
        key = " ".join(".".join(str(step) for step in location).split())
        return ConfigError(f"{self.path}:{self.line_of(location)}: {key}: {problem}")


_OFFICE = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"{\\rtf")


def _not_text(path: Path) -> str:
    """What a file is that is not UTF-8, and what to do."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_OFFICE):
        return _("is a document of an office program; write it with a plain text editor (Notepad, TextEdit, gedit), and save it as UTF-8")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _("is UTF-16; in the editor choose: save as, encoding UTF-8")
    return _("is not UTF-8 text; save it as UTF-8")


RENAMED_KEYS = {
    "samples_per_image": "epochs", "held_out": "validation_fraction", "measure_every": "validation_steps", "mirror": "random_flip",
    "targets": "target_modules (attention, attention_ff, all)", "prior_weight": "prior_loss_weight",
    "steps": "num_inference_steps", "guidance": "guidance_scale",
    "shows": "positive_prompts", "not_shows": "negative_prompts", "least": "threshold",
    "min_information": "min_entropy", "monochrome": "allow_monochrome", "near_duplicate_likeness": "near_duplicate_correlation",
}  # fmt: skip
"""What keys of earlier versions are called now."""
PORTUGUESE_KEYS = {
    "nome": "name", "descrição": "description", "descricao": "description", "palavra": "token", "classe": "class_noun",
    "substantivo": "class_noun", "assunto": "subject", "motivo": "subject", "histórico": "historical", "historico": "historical",
    "atributos": "attributes", "coleta": "crawl", "fontes": "sources", "pasta": "folder", "caminho": "path", "tabela": "table",
    "licença": "license", "licenca": "license", "licenças": "licenses", "licencas": "licenses", "autor": "author", "autora": "author",
    "fonte": "source", "curadoria": "curation", "treino": "training", "treinamento": "training", "galeria": "gallery",
    "avaliação": "evaluation", "avaliacao": "evaluation", "sequência": "sequence", "sequencia": "sequence", "épocas": "epochs",
    "epocas": "epochs", "sementes": "seeds", "semente": "seed", "pedidos": "prompts", "plano": "plan", "conceitos": "concepts",
    "padrões": "defaults", "padroes": "defaults", "máscaras": "masks", "mascaras": "masks", "pesos": "weights", "coleções": "collections",
    "colecoes": "collections",
    "tipo": "subject", "estilo": "subject",
    "amostras": "samples", "passos": "max_steps", "título": "title", "titulo": "title", "dias": "days",
}  # fmt: skip
"""What people write who know that the program speaks Portuguese: keys are English."""


def _nearest(key: object, known: list[str]) -> str:
    if (new := RENAMED_KEYS.get(str(key))) and new.split(" ")[0] in known:
        return f"it is called {new} now"
    if meant := _meant_key(key, known):
        return f"keys are English: '{meant}'" if PORTUGUESE_KEYS.get(str(key).lower()) == meant else f"did you mean '{meant}'?"
    return f"known keys are {', '.join(known)}"


def _meant_key(key: object, known: list[str]) -> str:
    """The known key that another one stands for: its English, or one that is near; empty where there is none."""
    if (english := PORTUGUESE_KEYS.get(str(key).lower(), "")) in known:
        return english
    return next(iter(difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)), "")


def _check_slug(lines: _Lines, kind: str, slug: object) -> None:
    if not isinstance(slug, str) or not SLUG.fullmatch(slug) or len(slug) > 64:
        raise lines.error((kind, slug), _("a key must be a slug: small letters, digits and _ (the name may have accents)"))
    if slug == ALL:
        raise lines.error((kind, slug), _("'{slug}' stands for everything in commands; choose another slug", slug=slug))


def _check_keys(lines: _Lines, value: dict[Any, Any], model: type[BaseModel], location: tuple[Any, ...]) -> None:
    for key in value:
        if key not in model.model_fields:
            raise lines.error((*location, key), _("unknown key; {nearest}", nearest=_nearest(key, list(model.model_fields))))


def _check_defaults(lines: _Lines, defaults: Any) -> None:
    if not isinstance(defaults, dict):
        raise lines.error(("defaults",), _("must be a mapping of stages"))
    for stage, keys in defaults.items():
        if stage not in PARTS:
            raise lines.error(("defaults", stage), _("unknown key; {nearest}", nearest=_nearest(stage, list(PARTS))))
        if not isinstance(keys, dict):
            raise lines.error(("defaults", stage), _("must be a mapping"))
        _check_keys(lines, keys, _models_of(Concept, stage)[0], ("defaults", stage))


def _check_tokens(lines: _Lines, loaded: Concepts) -> None:
    owners: dict[str, str] = {}
    for slug, concept in loaded.concepts.items():
        owner = owners.setdefault(concept.token.lower(), slug)
        if owner != slug:
            raise lines.error(
                ("concepts", slug, "token"),
                _("{token!r} is the token of {owner} already; choose another", token=concept.token, owner=owner),
            )


def _first_error(lines: _Lines, error: ValidationError, root: type[BaseModel] = Concepts) -> ConfigError:
    """`root`: the model of the whole file."""
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")  # a misspelt key explains a missing one
    location = tuple(step for step in first["loc"] if not _UNION_MEMBER.match(str(step)))
    location = lines.inherited(location)
    kind = first["type"]
    if kind == "extra_forbidden":
        nearest = _nearest(location[-1], list(_owner(root, location).model_fields))
        if others := _others_beside(first, error, root):
            return lines.error(location, _("unknown key; {nearest}; unknown too: {names}", nearest=nearest, names=", ".join(others)))
        return lines.error(location, _("unknown key; {nearest}", nearest=nearest))
    if kind == "missing":
        return lines.error(location, _("is required"))
    if kind == "string_type" and isinstance(first.get("input"), dict):
        return lines.error(location, _("a text with { and } in it must stand in quotation marks"))
    message = in_plain_words(first)
    given = first.get("input")
    shown = f" (it is {given!r})" if isinstance(given, (str, int, float, bool)) and given != "" else ""
    return lines.error(location, message[:1].lower() + message[1:] + shown)


def _others_beside(first: Any, error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Further unknown keys of the same mapping, each with the key that is meant, so that a person mends all of them at once."""
    known = list(_owner(root, tuple(step for step in first["loc"] if not _UNION_MEMBER.match(str(step)))).model_fields)
    beside = [found["loc"][-1] for found in error.errors() if found["type"] == "extra_forbidden" and found["loc"][:-1] == first["loc"][:-1]]
    return [_with_known(str(key), known) for key in beside if key != first["loc"][-1]][:8]


def _with_known(key: str, known: list[str]) -> str:
    meant = _meant_key(key, known)
    return f"{key} → {meant}" if meant else key


_WRITTEN_AS: dict[object, tuple[type[BaseModel], int]] = {
    "concepts": (Concept, 2),
    "collections": (Collection, 2),
    "defaults": (Concept, 1),
}
"""What people write under the first key of a file, and how many keys lead to it."""


def _owner(root: type[BaseModel], location: tuple[Any, ...]) -> type[BaseModel]:
    """The model that a key of a file would be one of."""
    model, steps = root, location[:-1]
    if root is Concepts and location[0] in _WRITTEN_AS:
        model, skipped = _WRITTEN_AS[location[0]]
        steps = location[skipped:-1]
    for step in steps:
        if isinstance(step, int):
            continue
        model = _models_of(model, step)[0]
    return model


def _models_of(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    """The models that a key of a model may hold."""
    return [each for each in _flatten(model.model_fields[key].annotation) if isinstance(each, type) and issubclass(each, BaseModel)]


def _flatten(annotation: Any) -> list[Any]:
    return [annotation, *(inner for part in get_args(annotation) for inner in _flatten(part))]
