"""What every model has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[
    str, Field(description="RFC 3339, UTC, microseconds", json_schema_extra={"format": "date-time"}, max_length=27)
]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, lower-case hex")]
Probability = Annotated[float, Field(ge=0, le=1)]


class Model(BaseModel):
    """What is asked or told: nothing that it does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")
