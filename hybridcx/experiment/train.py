"""The keys of [train] in the experiment file: every option of fine-tuning, for all networks and for single ones.

The defaults are the options of the study's Table II with torch's own habits elsewhere; `preset` fills in what the file leaves out (presets.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hybridcx.experiment.names import NetworkName
from hybridcx.experiment.presets import PRESETS, PresetName, filled_in

DecayOn = Literal["weights", "weights_and_normalisation", "last_layer", "all"]
LastLayer = Literal["drawn", "fitted"]
ClassWeights = Literal["none", "balanced"] | tuple[float, float]
Sampling = Literal["none", "balanced"]


class Section(BaseModel):
    """A table of the experiment file: unknown keys are refused, types are strict, infinities are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _positive_weights(value: Any) -> Any:
    pair = tuple(value) if isinstance(value, list) else value
    if isinstance(pair, tuple) and (len(pair) != 2 or not all(isinstance(w, int | float) and w > 0 for w in pair)):
        raise ValueError("weights of classes are two numbers above 0: [negative, positive]")
    return pair


class TrainOverride(Section):
    """Options of fine-tuning that one network has of its own."""

    epochs: int | None = Field(None, ge=1, le=10_000)
    batch_size: int | None = Field(None, ge=2, le=4096)
    learning_rate: float | None = Field(None, gt=0)
    weight_decay: float | None = Field(None, ge=0)
    warmup_epochs: int | None = Field(None, ge=0)
    weight_decay_on: DecayOn | None = None
    convolution_biases: Literal["learn", "frozen"] | None = None
    dropout: float | None = Field(None, ge=0, lt=1)
    last_layer: LastLayer | None = None
    zero_init_residual: bool | None = None
    batch_norm_statistics: Literal["running", "training_set"] | None = None
    class_weights: ClassWeights | None = None
    sampling: Sampling | None = None

    _positive = field_validator("class_weights", mode="before")(_positive_weights)


class TrainSection(Section):
    """Fine-tuning. The defaults are Table II of the study."""

    preset: PresetName = Field(
        "none",
        description="fills in the keys that the file leaves out: `matlab_r2018b` (what the study's toolbox did), `modern` (what we would do today); "
        "`none`: the defaults of this table. The presets are tables in hybridcx/experiment/presets",
    )
    enabled: bool = Field(True, description="false: no fine-tuning, heads on pretrained features alone")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="SGD with momentum, or AdamW")
    momentum: float = Field(0.9, ge=0, lt=1)
    learning_rate: float = Field(3e-4, gt=0, description="initial learning rate")
    head_rate_factor: float = Field(1.0, gt=0, description="the new last layer's rate, as a multiple of learning_rate")
    layer_rate_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="discriminative rates: each stage of the network learns at so many times the rate of the stage after it; the last stage "
        "before the last layer learns at learning_rate",
    )
    unfreeze_every: int = Field(
        0,
        ge=0,
        description="gradual unfreezing: the last layer learns alone at first, and one stage more after so many epochs each; 0: all from the start",
    )
    trainable_stages: int | None = Field(
        None,
        ge=0,
        description="so many stages before the last layer learn, the others keep their weights and statistics; 0: the last layer alone; default all",
    )
    cached_copies: int = Field(
        0,
        ge=0,
        le=1000,
        description="with trainable_stages: the frozen stages are computed once, for so many augmented copies of each training image, which the "
        "epochs take in turn; 0: computed anew in every iteration",
    )
    lr_schedule: Literal["step", "cosine", "constant"] = Field("step")
    lr_drop_factor: float = Field(0.2, gt=0, le=1, description="step: multiplied every lr_drop_epochs")
    lr_drop_epochs: int = Field(8, ge=1)
    warmup_epochs: int = Field(0, ge=0, description="linear warm-up of the rate")
    weight_decay: float = Field(0.004, ge=0, description="L2 regularisation (coupled for SGD, decoupled for AdamW)")
    weight_decay_on: DecayOn = Field(
        "weights",
        description="`weights`: every weight, no bias, no normalisation; `weights_and_normalisation`: also normalisation's scale and offset; "
        "`last_layer`: its weight alone; `all`: everything",
    )
    convolution_biases: Literal["learn", "frozen"] = Field(
        "learn",
        description="`frozen`: the biases of convolutions stay as they are (the last layer's learns in any case)",
    )
    rate_in_velocity: bool = Field(False, description="the learning rate inside the velocity, as in MATLAB's sgdm")
    batch_size: int = Field(16, ge=2, le=4096)
    drop_last: bool = Field(True, description="leave out the incomplete last mini-batch of an epoch")
    shuffle: Literal["every_epoch", "once", "never"] = Field("every_epoch")
    epochs: int = Field(20, ge=1, le=10_000)
    validate_every: int = Field(
        16, ge=1, description="iterations between validations; the first and the last iteration are validated too"
    )
    early_stopping: int = Field(0, ge=0, description="stop after so many validations without improvement; 0: never")
    keep: Literal["last", "best_validation"] = Field("last", description="which weights are evaluated")
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="the weights that are validated and kept are an exponential moving average over the iterations, with min(this, (1 + t)/(10 + t))",
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="replaces the network's own dropout rate")
    batch_norm_statistics: Literal["running", "training_set"] = Field(
        "running", description="`training_set`: recomputed over the training images after training"
    )
    last_layer_sd: float | None = Field(
        None, gt=0, description="normal initialisation of the last layer; default torch's own"
    )
    last_layer: LastLayer = Field(
        "drawn",
        description="`drawn`: the new last layer starts with random weights; `fitted`: a logistic regression with an L2 penalty on the penultimate "
        "features that the network has at the start (training images, without augmentation), then all layers learn",
    )
    zero_init_residual: bool = Field(
        False,
        description='with networks.weights = "none": the scale of the last normalisation in each residual block starts at 0, so that the block '
        "starts as the identity (torchvision's option of this name); ResNets alone have it",
    )
    class_weights: ClassWeights = Field(
        "none",
        description="weights of the classes in the training loss: `balanced`: n / (2 n_c) for n_c of the n training cases; or [negative, positive]. "
        "Probabilities are then those of a population so weighted, not of the cohort",
    )
    sampling: Sampling = Field(
        "none",
        description="`balanced`: each epoch draws as many cases of each class, of the smaller one with replacement; the length of an epoch stays",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    mixup: float = Field(
        0.0,
        ge=0,
        le=10,
        description="mixup: pairs of a mini-batch are mixed with a weight from Beta(this, this); 0: none",
    )
    clip_gradient_norm: float | None = Field(None, gt=0)
    flip_horizontal: float = Field(0.5, ge=0, le=1, description="augmentation: probability of a horizontal flip")
    translate_px: float = Field(30, ge=0, description="augmentation: largest shift at 224 pixels, scaled with size_px")
    rotate_deg: float = Field(0, ge=0, le=180, description="augmentation: largest rotation")
    scale: float = Field(0, ge=0, lt=1, description="augmentation: largest relative change of size")
    brightness: float = Field(0, ge=0, lt=1, description="augmentation: largest relative change of brightness")
    contrast: float = Field(0, ge=0, lt=1, description="augmentation: largest relative change of contrast")
    augmentation_fill: Literal["padding", "black", "white"] = Field(
        "padding",
        description="augmentation: what comes in from outside the image; `padding`: as images.pad (edge, none: the image's edge goes on)",
    )
    network: dict[NetworkName, TrainOverride] = Field(
        {},
        description="tables [train.network.NAME]: options that one network has of its own, as listed under train.network.NAME",
    )

    _positive = field_validator("class_weights", mode="before")(_positive_weights)

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("preset") in PRESETS and isinstance(data.get("network", {}), Mapping):
            return filled_in(data["preset"], data)
        return data
