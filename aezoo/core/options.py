"""The options that models share, how a model takes registered parts by name, and the options of training.

Models name alike what they have in common, so that ``--latent-dim`` or ``--likelihood`` mean the same everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from aezoo.core.config import Choice, Config, Sizes, chosen, listed
from aezoo.core.schedules import Weight, describe
from aezoo.core.text import split_choice, split_every

MOST_REGULARIZERS = 100


class WeightedChoice(Choice):
    """A registered regularizer chosen by name and weight: ``"l1=0.01"`` or ``"l1=linear:0:0.01:500"`` as text.

    Examples:
        >>> choice = aezoo.WeightedChoice.model_validate("l1=linear:0:0.1:500")
        >>> choice.name, choice.weight.at(250)
        ('l1', 0.05)
    """

    weight: Weight = 1.0

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return split_choice(value, "weight") if isinstance(value, str) else chosen(value, cls)

    def __str__(self) -> str:
        return super().__str__() if self.weight == 1 else f"{super().__str__()} × {describe(self.weight)}"


def _few(value: Any) -> Any:
    found = listed(value)
    if len(found) > MOST_REGULARIZERS:
        raise ValueError(f"at most {MOST_REGULARIZERS} regularizers")
    return found


Choices = Annotated[tuple[WeightedChoice, ...], BeforeValidator(_few)]


class ModelConfig(Config):
    """Options of every model; a model's own config extends it.

    A field that names a registered part says of which ``kind``, so that the command line can list what there is and a
    saved config can spell out the part's own options.

    Examples:
        >>> aezoo.ModelConfig(latent_dim=4, hidden="64,32").hidden
        (64, 32)
    """

    latent_dim: int = Field(16, ge=1, le=1_000_000, description="size of the code", json_schema_extra={"symbol": "Z"})
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
    init: Literal["torch", "glorot", "he", "orthogonal"] = Field(
        "torch", description="what the networks' weights are drawn from; but for torch's, biases begin at zero"
    )
    preprocess: Literal[
        "auto", "none", "scale", "standardize", "minmax", "robust", "log1p", "quantile", "per-column"
    ] = Field("auto", description="scaling of raw data, fitted on the training split and saved with the model")


class PointConfig(ModelConfig):
    """Options of every model whose encoder is deterministic.

    Examples:
        >>> str(aezoo.PointConfig(code_activation="topk=8").code_activation)
        'topk=8'
    """

    code_activation: Choice = Field(
        Choice(name="identity"),
        description="activation of the code, such as topk=8",
        json_schema_extra={"kind": "activation"},
    )


def _every(text: str) -> str:
    count, unit = split_every(text)
    return unit if count == 1 else f"{count:.6f}".rstrip("0").rstrip(".") + f" {unit}s"


class TrainConfig(Config):
    """How a model is trained.

    Examples:
        >>> aezoo.TrainConfig(epochs=3, optimizer="sgd", momentum=0.9).lr
        0.001
        >>> aezoo.TrainConfig.parse({"lr": -1.0}, owner="training")
        Traceback (most recent call last):
            ...
        aezoo.errors.UsageError: training: lr: input should be greater than 0 (got -1.0)
    """

    epochs: int | None = Field(
        None, ge=1, description="passes over the training split (default: enough for 2000 steps, at least 10)"
    )
    steps: int | None = Field(
        None, ge=1, description="instead of epochs: so many steps, rounded up to whole passes over the training split"
    )
    batch_size: int = Field(128, ge=1, description="rows a step")
    lr: float = Field(
        1e-3, gt=0, description="learning rate; that of a likelihood's learned scale is ten times it, under adam"
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="optimizer")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty (adam, sgd) or decoupled decay (adamw)")
    schedule: Literal["constant", "cosine"] = Field("constant", description="learning rate after the warm-up")
    warmup: int = Field(0, ge=0, description="steps over which the learning rate rises from zero")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the gradient")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="arithmetic of the networks (fp16 on CUDA only)"
    )
    compile: bool = Field(
        False, description="compile the step with torch.compile: pays on long runs, where operations are many and large"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of weights, noise, order and validation split")
    validation: int | float | None = Field(
        None, ge=0, description="rows or share held out of training (default: a tenth, at most 1000)"
    )
    patience: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better validation loss, and keep the best weights"
    )
    tolerance: float = Field(
        0.0, ge=0, description="by how much a validation loss must be lower to count as better for patience, nats"
    )
    log_every: int | None = Field(
        None, ge=1, description="steps after which metrics.jsonl gets a further line, beside that of each epoch"
    )
    save_every: Annotated[str, AfterValidator(_every)] = Field(
        "epoch", description="how often to save: epoch, or such as 3 epochs, 500 steps, 10 minutes"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("epochs and steps both say how long to train: give one of them")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum is an option of sgd, and the optimizer is {self.optimizer}")
        if isinstance(self.validation, float) and self.validation >= 1:
            raise ValueError("validation as a share must be below 1; give a whole number for rows")
        if self.tolerance and self.patience is None:
            raise ValueError("tolerance says when patience is better off, and there is no patience: give it epochs")
        if self.patience is not None and self.validation == 0:
            raise ValueError("patience watches the validation loss, and validation is 0: hold rows out")
        return self


MAY_CHANGE = ("epochs", "save_every", "device")
"""Options of training that a run may go on with other values of, once it was broken off."""

PLACES = (
    *("model", "data", "data_dir", "labels", "out", "overwrite", "config", "json", "trackers", "progress", "help"),
    *("seeds", "settings", "together", "layout", "test", "train_on"),
)
"""Names that a command or ``aezoo.train`` takes for itself, so that no model can have an option of that name."""

INSPECT_PLACES = ("run", "all", "data", "data_dir", "labels", "split", "out", "seed", "device", "json", "help", "name")
"""Names that ``aezoo inspect`` takes for itself, so that no inspection, and no option of one, can have them."""
