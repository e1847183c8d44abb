"""Options of training, the same for every model; knows no torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from aezoo.config import Config


class TrainConfig(Config):
    """How a model is trained."""

    epochs: int | None = Field(
        None, ge=1, description="passes over the training split (default: enough for 2000 steps, at least 10)"
    )
    batch_size: int = Field(128, ge=1, description="rows a step")
    lr: float = Field(1e-3, gt=0, description="learning rate")
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="optimizer")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty (adam, sgd) or decoupled decay (adamw)")
    schedule: Literal["constant", "cosine"] = Field("constant", description="learning rate after the warm-up")
    warmup: int = Field(0, ge=0, description="steps over which the learning rate rises from zero")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the gradient")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="arithmetic of the networks (fp16 on CUDA only)"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of weights, noise, order and validation split")
    validation: int | float | None = Field(
        None, ge=0, description="rows or share held out of training (default: a tenth, at most 1000)"
    )
    patience: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better validation loss, and keep the best weights"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum is an option of sgd, and the optimizer is {self.optimizer}")
        if isinstance(self.validation, float) and self.validation >= 1:
            raise ValueError("validation as a share must be below 1; give a whole number for rows")
        if self.patience is not None and self.validation == 0:
            raise ValueError("patience watches the validation loss, and validation is 0: hold rows out")
        return self
