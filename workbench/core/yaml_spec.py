"""A spec that is a document of its own inside another: read from YAML text or plain data, written as it was read."""

from typing import Any, ClassVar

from pydantic import GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from workbench.core.errors import NestedSpecError, Problem, SpecError
from workbench.core.spec import Spec, load_yaml


class BriefSpec(Spec):
    """A spec written without what was not set, so that a file says what its author said."""

    @model_serializer
    def _brief(self) -> dict[str, Any]:
        settings = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return {name: value for name, value in settings.items() if value is not None}


class YamlSpec(Spec):
    """A whole document, such as a recipe. A field of this type is drawn as one text, and also takes YAML text."""

    begins_with: ClassVar[str]
    """The sentence that tells whoever gave something else how such a document begins."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = super().__get_pydantic_json_schema__(schema, handler)
        handler.resolve_ref_schema(written)["x-document"] = True
        return written

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        try:
            document = load_yaml(data, aliases=True) if isinstance(data, str) else data
            if not isinstance(document, dict):
                raise SpecError([Problem((), "holds no settings.", cls.begins_with)])
            return cls.upgraded(document)
        except SpecError as error:
            raise NestedSpecError(error.problems) from None

    @classmethod
    def upgraded(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The settings in today's form; raises `SpecError`, or `UserError` for a document of another kind."""
        return data
