"""The options that models share, and how a model takes registered parts by name.

Models name alike what they have in common, so that ``--latent-dim`` or ``--likelihood`` mean the same everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from aezoo.config import Choice, Config, Sizes, listed, split_choice
from aezoo.schedules import Weight, describe


class WeightedChoice(Choice):
    """A registered regularizer chosen by name and weight: ``"l1=0.01"`` or ``"l1=linear:0:0.01:500"`` as text."""

    weight: Weight = 1.0

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return split_choice(value, "weight") if isinstance(value, str) else value

    def __str__(self) -> str:
        return super().__str__() if self.weight == 1 else f"{super().__str__()} × {describe(self.weight)}"


Choices = Annotated[tuple[WeightedChoice, ...], BeforeValidator(listed)]


class ModelConfig(Config):
    """Options of every model; a model's own config extends it.

    A field that names a registered part says of which ``kind``, so that the command line can list what there is and a
    saved config can spell out the part's own options.
    """

    latent_dim: int = Field(16, ge=1, le=1_000_000, description="size of the code")
    hidden: Sizes = Field((128,), description="sizes of the encoder's hidden layers (channels for conv), mirrored")
    activation: Choice = Field(
        Choice(name="relu"), description="activation of the hidden layers", json_schema_extra={"kind": "activation"}
    )
    network: Choice = Field(
        Choice(name="mlp"), description="network of encoder and decoder", json_schema_extra={"kind": "network"}
    )
    likelihood: Choice = Field(
        Choice(name="gaussian"),
        description="distribution of the data given the code",
        json_schema_extra={"kind": "likelihood"},
    )
    corruption: Choice | None = Field(
        None, description="what the encoder's input goes through in training", json_schema_extra={"kind": "corruption"}
    )
    regularizers: Choices = Field(
        (),
        description="a further regularizer and its weight, such as l1=0.01",
        json_schema_extra={"kind": "regularizer", "flag": "regularizer"},
    )
    preprocess: Literal["auto", "none", "scale", "standardize", "minmax"] = Field(
        "auto", description="scaling of raw data, fitted on the training split and saved with the model"
    )


class PointConfig(ModelConfig):
    """Options of every model whose encoder is deterministic."""

    code_activation: Choice = Field(Choice(name="identity"), description="activation of the code, such as topk=8")
