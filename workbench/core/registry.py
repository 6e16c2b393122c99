"""One registry for every family of methods: a method is one file, found by walking its folder."""

import importlib
import importlib.util
import pkgutil
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from workbench.core.errors import NestedSpecError, Problem, SpecError, UserError, suggestion
from workbench.core.plugins import Plugin, error_with_line, left_out, load_plugins, plugin_of
from workbench.core.spec import Spec


class Method(Spec):
    """A spec that does something: `method` is its name in YAML, `title` its name in the page.

    The class docstring is its help text: first line the short one, the rest the long one with sources.
    """

    method: ClassVar[str]
    title: ClassVar[str]

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = super().__get_pydantic_json_schema__(schema, handler)
        if hasattr(cls, "method"):
            model = handler.resolve_ref_schema(written)
            model["title"] = cls.title
            model["properties"] = {"method": {"const": cls.method}, **model.get("properties", {})}
            model["required"] = ["method", *model.get("required", [])]
        return written

    def to_dict(self) -> dict[str, Any]:
        return {"method": self.method, **super().to_dict()}

    @classmethod
    def summary(cls) -> str:
        return (cls.__doc__ or "").strip().split("\n")[0]

    @classmethod
    def unavailable(cls) -> str:
        """Why this method cannot run on this machine, or '' if it can."""
        return ""


M = TypeVar("M", bound=Method)


class Registry(Generic[M]):
    """The methods of one family, registered by the modules of a folder when they are first asked for.

    package: the folder. `workbench.*.jobs` means the folder of that name in every package that has one; plugins add
    theirs. A field `Annotated[Objective, OBJECTIVES]` holds one method, read by `parse` and written as `to_dict`.
    key: what the command line calls the family, where that is shorter. listed: whether a person chooses one of it, so
    that `list methods` and `new` have it.
    """

    _by_key: ClassVar[weakref.WeakValueDictionary[str, "Registry[Any]"]] = weakref.WeakValueDictionary()

    def __init__(self, family: str, package: str, key: str = "", listed: bool = True):
        self.family, self.package, self.key = family, package, key or family
        if listed:
            Registry._by_key[self.key] = self
        self._methods: dict[str, type[M]] = {}
        self._plugins: dict[str, Plugin] = {}  # whose method it is, for those from outside
        self._checked: set[str] = set()  # those of them that can be listed and drawn, or have failed at that
        self._discovered = False
        self._describing = False  # while its methods are written into a schema: one of them may hold one of the family

    @classmethod
    def by_key(cls) -> dict[str, "Registry[Any]"]:
        """The listed registries of all modules imported so far."""
        return dict(cls._by_key)

    def register(self, method: type[M]) -> type[M]:
        """Class decorator. Raises `ValueError` if the name is taken; a plug-in gives way to a method of our own."""
        plugin, holder = plugin_of(method.__module__), self._plugins.get(method.method)
        if method.method in self._methods and not (holder and holder.error):
            if holder is None or plugin:
                raise ValueError(f"{self.family} {method.method!r} is registered twice")
            holder.fail(f"its {self.family} {method.method!r} has the name of one of the workbench's own. Rename it.")
        self._methods[method.method] = method
        self._plugins.pop(method.method, None)
        if plugin:
            self._plugins[method.method] = plugin
        return method

    def all(self) -> dict[str, type[M]]:
        """Every method by name, in the order of the names; imports the folder on first use.

        What a plug-in adds is left out if that failed, or if the method cannot be shown.
        """
        load_plugins()
        if not self._discovered:
            self._discovered = True
            for package in packages(self.package):
                for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
                    if not module.name.startswith("_"):
                        importlib.import_module(f"{package}.{module.name}")
        for name in self._plugins.keys() - self._checked:
            self._checked.add(name)
            _check_shown(self._methods[name], self._plugins[name])
        usable = {name for name in self._methods if name not in self._plugins or not self._plugins[name].error}
        return {name: self._methods[name] for name in sorted(usable)}

    def of_plugin(self, plugin: Plugin) -> list[str]:
        """The names of the methods it adds."""
        return [name for name in self.all() if self._plugins.get(name) is plugin]

    def plugin(self, name: str) -> Plugin | None:
        """Whose method that is; None for one of our own."""
        return self._plugins.get(name)

    def __iter__(self) -> Iterator[type[M]]:
        return iter(self.all().values())

    def get(self, name: str) -> type[M]:
        """The method of that name; raises `UserError` with the nearest names."""
        methods = self.all()
        if name not in methods:
            remedy = " ".join([suggestion(name, list(methods)), *(plugin.sentence() for plugin in left_out())])
            raise UserError(f"There is no {self.family} {name!r}.", remedy, self.family)
        return methods[name]

    def parse(self, data: Any) -> M:
        """A method from `'name'` or `{'method': 'name', …its settings}`; raises `SpecError`."""
        if isinstance(data, Method):
            return data  # type: ignore[return-value]
        settings = {"method": data} if isinstance(data, str) else data
        if not isinstance(settings, dict) or "method" not in settings:
            names = ", ".join(self.all())
            raise SpecError([Problem(("method",), "is missing.", f"Choose one of: {names}.")])
        try:
            method = self.get(str(settings["method"]))
        except UserError as error:
            raise SpecError([Problem(("method",), error.message, error.remedy)]) from None
        return method.parse({key: value for key, value in settings.items() if key != "method"})

    def field(self, method: str, description: str, **options: Any) -> Any:
        """A field that holds this method unless another is chosen; `options` are those of `Field`.

        `tuner: Annotated[Tuner, TUNERS] = TUNERS.field("lora", "Which weights are trained.")`
        """
        return Field({"method": method}, validate_default=True, description=description, **options)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Of a field annotated with this registry."""
        return core_schema.no_info_before_validator_function(
            self._read,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda method: self.parse(method).to_dict()),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A name, or any of the methods with its settings; of a family within itself a name alone."""
        names: dict[str, Any] = {"enum": list(self.all())}
        if self._describing or not names["enum"]:
            return {**names, "x-family": self.key}
        self._describing = True
        try:
            methods = handler(core_schema.union_schema([_referable(method) for method in self]))
        finally:
            self._describing = False
        return {"anyOf": [names, *methods.get("anyOf", [methods])], "x-family": self.key}

    def _read(self, data: Any) -> M:
        try:
            return self.parse(data)
        except SpecError as error:
            raise NestedSpecError(error.problems) from None


def _referable(method: type[Method]) -> CoreSchema:
    """The schema of a method under a name, so that a JSON Schema writes it once, among its definitions."""
    schema = method.__pydantic_core_schema__
    if schema["type"] == "definitions":
        return schema
    return {**schema, "ref": f"{method.__module__}.{method.__qualname__}:{id(method)}"}


def _check_shown(method: type[Method], plugin: Plugin) -> None:
    """Has a plug-in fail whose method could not be listed or drawn."""
    try:
        words = (method.method, method.title, method.summary(), method.unavailable())
        if not all(isinstance(word, str) for word in words):
            plugin.fail(f"{method.__name__} needs texts for method and title, and a text from unavailable().")
        method.model_json_schema()
    except Exception as error:
        plugin.fail(error_with_line(error))


def packages(pattern: str) -> list[str]:
    """The packages a pattern such as `workbench.*.jobs` stands for; a name without `*` stands for itself."""
    above, star, below = pattern.partition(".*")
    if not star:
        return [pattern]
    rooms = pkgutil.iter_modules(importlib.import_module(above).__path__)
    names = [f"{above}.{room.name}{below}" for room in rooms if room.ispkg]
    specs = {name: importlib.util.find_spec(name) for name in names}
    return [name for name, spec in specs.items() if spec and spec.submodule_search_locations]
