"""Column type of embedding vectors, as the extension pgvector stores them."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType


class HalfVector(UserDefinedType[str]):
    """A vector of 16-bit floats of any length, read and written in pgvector's text form, see `vector_text`."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
        """Return the name of the type."""
        return "halfvec"


cast("dict[str, object]", ischema_names)["halfvec"] = (
    HalfVector  # for migrations, which read the columns of the database
)


def vector_text(values: Sequence[float]) -> str:
    """Return a vector in pgvector's text form."""
    return f"[{','.join(f'{value:.6g}' for value in values)}]"
