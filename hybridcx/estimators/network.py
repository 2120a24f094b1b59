"""A fine-tuned network as scikit-learn's classifier."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from hybridcx.errors import InputError
from hybridcx.estimators import saved
from hybridcx.estimators.extraction import extract_images
from hybridcx.estimators.images import check_form, image_options, prepare_all
from hybridcx.estimators.labels import hold_out, two_classes
from hybridcx.estimators.parameters import experiment_of, initial_weights, seed_of
from hybridcx.estimators.refusal import RefusedInputError, refused, require_torch
from hybridcx.experiment.file import Experiment

if TYPE_CHECKING:
    from hybridcx.estimators.images import ImagesLike

FITTED = ("classes_", "n_iter_", "history_", "validation_indices_", "notes_")
"""The fitted attributes besides the weights and `saved.OF_TABLES`."""


class FineTunedNetwork(ClassifierMixin, BaseEstimator):
    """A convolutional network, fine-tuned on images of two classes.

    The training is that of `hybridcx run`: the same options, defaults and random draws, so that the same images, division and seed give the same
    weights. Its parameters are flat, so that scikit-learn's searches reach them.

    Parameters
    ----------
    network : str, default="resnet101"
        `vgg16`, `vgg19`, `resnet101`, `densenet201`, `alexnet`, `mobilenet_v2` or `squeezenet1_1`.
    weights : str or path, default="imagenet"
        Where the training starts. `imagenet`: torchvision's weights from the weights folder, which `hybridcx weights fetch` fills (nothing is ever
        fetched here); `none`: random weights; otherwise a folder with weights files, or one file (.safetensors, or .pth with its `.sha256`).
    image_size_px : int, default=224
        Side of the square image that the network sees, 32 to 1024. Images are padded to a square and resized.
    epochs : int, default=None
        Passes over the training images. None: the preset's, without one 20.
    batch_size : int, default=None
        Images of a mini-batch, at least 2. None: the preset's, without one 16.
    learning_rate : float, default=None
        Initial learning rate. None: the preset's, without one 0.0003 (times 0.2 every 8 epochs, see `train_options`).
    l2 : float, default=None
        L2 regularisation: `train.weight_decay` of an experiment. None: the preset's, without one 0.004.
    preset : {"none", "matlab_r2018b", "modern"}, default="none"
        Fills in all options of training that are not given.
    validation_fraction : float, default=0.15
        Share of the cases of each class that is not trained on, but validated. Needed for `early_stopping` and `keep="best_validation"` of
        `train_options`; without these it only tells how the training went, and 0 trains on all cases.
    device : str, default="auto"
        `auto`, `cpu`, `cuda`, `cuda:1` or `mps`. An absent one is replaced by the processor, with a warning.
    random_state : int, RandomState or None, default=None
        Seed of the new last layer, random weights, the validation cases, the order of images, augmentation and dropout. An integer gives the same
        bytes again on the same machine.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, 3) in pixels, where X is a table whose rows are images, by rows of pixels; one of the first two may be -1.
    pixel_range : tuple of float, default=None
        The two values of X that become black and white; values outside are clipped to them. None: 0 and 255 for uint8, 0 and 1 for floats, which
        are refused outside; other integers are refused. Files have ranges of their own.
    train_options : mapping, default=None
        Further keys of the table [train] of an experiment file, such as {"optimizer": "adamw", "dropout": 0.3, "early_stopping": 3}, or
        {"class_weights": "balanced"} and {"sampling": "balanced"} for classes of different sizes.
    pad : {"white", "black", "edge", "none"}, default="white"
        What fills an image up to a square; `none` stretches it.
    resample : {"bicubic", "bilinear", "lanczos"}, default="bicubic"
        Filter of resizing, with antialiasing.
    threads : int, default=0
        Threads of the processor; 0: all physical cores. With `n_jobs` of a search set it to cores / n_jobs. Results depend on it in the last bits.
    training_precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        `auto`: bfloat16 in training where the device computes in it, float16 on older CUDA devices, else float32. Predictions are always made in
        float32.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two classes, sorted; the second is the positive one.
    n_features_in_ : int
        Columns of X; only where X was a table or a column of paths.
    feature_names_in_ : ndarray of str
        Names of these columns; only where X was a DataFrame.
    n_iter_ : int
        Iterations (mini-batches) of the training.
    history_ : dict of ndarray of shape (n_iter_,)
        iteration and epoch (from 1), train_loss (cross-entropy, nats) and train_accuracy of the mini-batch, learning_rate, validation_loss and
        validation_accuracy (NaN where it was not validated).
    validation_indices_ : ndarray of int
        Rows of the fitted X that validated and were not trained on, ascending.
    weights_ : dict of ndarray
        The fine-tuned weights by torchvision's names, float32.
    notes_ : list of str
        Deviations from the parameters, one sentence each; they were given as warnings, too.

    Notes
    -----
    X of `fit`, `predict`, `predict_proba`, `decision_function` and `score` is one of

    - an array of shape (n, height, width) or (n, height, width, 3), uint8, or of other types by `pixel_range`;
    - n paths of JPEG, PNG, TIFF or DICOM files: a list, a Series, an array, or a DataFrame or array with this one column
      (`scan.dcm#frame=3` names a frame);
    - with `image_shape`, a table of numbers with an image in each row.

    There are no weights of cases. More than two classes: `sklearn.multiclass.OneVsRestClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from hybridcx import FineTunedNetwork
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["normal", "abnormal"], 10)
    >>> X = rng.integers(0, 128, (20, 40, 48), dtype=np.uint8)
    >>> model = FineTunedNetwork("squeezenet1_1", weights="none", image_size_px=32, epochs=1, random_state=0)
    >>> model.fit(X, y).predict_proba(X).shape
    (20, 2)
    """

    def __init__(
        self,
        network: str = "resnet101",
        *,
        weights: str | os.PathLike[str] = "imagenet",
        image_size_px: int = 224,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        l2: float | None = None,
        preset: Literal["none", "matlab_r2018b", "modern"] = "none",
        validation_fraction: float = 0.15,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        image_shape: tuple[int, ...] | None = None,
        pixel_range: tuple[float, float] | None = None,
        train_options: Mapping[str, object] | None = None,
        pad: Literal["white", "black", "edge", "none"] = "white",
        resample: Literal["bicubic", "bilinear", "lanczos"] = "bicubic",
        threads: int = 0,
        training_precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    ):
        self.network = network
        self.weights = weights
        self.image_size_px = image_size_px
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.l2 = l2
        self.preset = preset
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.train_options = train_options
        self.pad = pad
        self.resample = resample
        self.threads = threads
        self.training_precision = training_precision

    def fit(self, X: ImagesLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fine-tune the network.

        Parameters
        ----------
        X : images, see Notes of the class
        y : (n,), two classes; the second in sorted order is the positive one
        groups : (n,), such as patients: no group is divided between training and validation. None: every case is its own. In cross-validation
            with metadata routing, `set_fit_request(groups=True)` passes them on

        Returns
        -------
        self

        Raises
        ------
        RefusedInputError
            (a ValueError and a hybridcx.InputError) for X, y or parameters that are refused, with the remedy.
        InputError
            for weights that are refused.
        DivergedError
            where the loss is no longer finite.
        MissingExtraError
            without torch.
        """
        experiment = self._experiment()
        require_torch()
        reading, options = image_options(self, experiment), experiment.train_of(self.network)
        images = check_form(self, X, reading, reset=True)
        classes, coded = two_classes(y, type(self).__name__)
        check_consistent_length(images, coded)
        seed = seed_of(self.random_state)
        train, validation = hold_out(coded, groups, self.validation_fraction, seed)
        if not len(validation) and (options.early_stopping or options.keep == "best_validation"):
            found = f"validation_fraction={self.validation_fraction}, {len(coded)} cases"
            raise refused(
                "early_stopping and keep='best_validation' need validation cases", found, "raise validation_fraction"
            )
        start = initial_weights(self.network, self.weights)
        pixels = prepare_all(images, reading)

        from hybridcx.deep.augment import FILL
        from hybridcx.deep.features import read_state
        from hybridcx.deep.finetune import finetune
        from hybridcx.deep.model import arrays_of

        try:
            with tempfile.TemporaryDirectory(prefix="hybridcx-") as folder:
                training = finetune(
                    self.network,
                    pixels,
                    coded,
                    train,
                    validation,
                    options,
                    experiment.compute,
                    seed=seed,
                    weights=start,
                    folder=Path(folder),
                    fill=FILL[self.pad],
                    checkpoint_every_s=float("inf"),
                )
                self.weights_: dict[str, np.ndarray] = arrays_of(read_state(training.weights_path))
        except InputError as error:  # options that exclude each other
            raise RefusedInputError(error.problems) from None
        self.classes_ = classes
        self.n_iter_: int = training.n_iterations
        self.history_: dict[str, np.ndarray] = {name: np.array(values) for name, values in training.history.items()}
        self.validation_indices_: np.ndarray = validation
        self.notes_: list[str] = list(training.notes)
        if self.validation_fraction and not len(validation):
            self.notes_.append(
                f"No case validates: {self.validation_fraction:g} of these {len(coded)} cases is no whole case or group."
            )
        for note in self.notes_:
            warnings.warn(note, UserWarning, stacklevel=2)
        return self

    def decision_function(self, X: ImagesLike) -> np.ndarray:
        """Log odds of the second class, (n,), in nats: the difference of the two logits.

        Parameters
        ----------
        X : images, see Notes of the class

        Raises
        ------
        NotFittedError
            before `fit`.
        RefusedInputError
            for images that are refused.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0]

    def predict_proba(self, X: ImagesLike) -> np.ndarray:
        """Probabilities of the two classes, (n, 2), float64: the softmax.

        Parameters
        ----------
        X : images, see Notes of the class

        Raises
        ------
        NotFittedError, RefusedInputError, MissingExtraError
            as `decision_function`.
        """
        logits = self._logits(X)

        from hybridcx.deep.features import softmax_positive

        return np.column_stack([softmax_positive(logits[:, ::-1]), softmax_positive(logits)])

    def predict(self, X: ImagesLike) -> np.ndarray:
        """The more probable class of each image, (n,); the first where they are equal.

        Parameters
        ----------
        X : images, see Notes of the class

        Raises
        ------
        NotFittedError, RefusedInputError, MissingExtraError
            as `decision_function`.
        """
        positive = self.decision_function(X) > 0
        return self.classes_[positive.astype(np.intp)]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted estimator: weights.safetensors and estimator.json, the same bytes for the same estimator.

        What `set_fit_request` asked for is not kept.

        Parameters
        ----------
        folder : made if absent

        Raises
        ------
        NotFittedError
            before `fit`.
        RefusedInputError
            for a parameter that is no JSON value, such as a RandomState.
        OSError
            where it cannot be written.
        """
        check_is_fitted(self)
        saved.write(folder, type(self).__name__, self._content(), self.weights_)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read an estimator that `save` wrote. Both files are checked against their hashes, and neither can execute code.

        Parameters
        ----------
        folder : that `save` wrote into

        Raises
        ------
        RefusedInputError
            for files that are missing, damaged, or of another kind.
        """
        read = saved.read(folder, cls.__name__)
        try:
            return cls._restored(read.content, read.weights)
        except (KeyError, TypeError, ValueError):
            raise saved.foreign(folder) from None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True  # of a few epochs on rows of numbers that are no images
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _experiment(self) -> Experiment:
        return experiment_of(self.get_params(deep=False), self.train_options)

    def _logits(self, X: ImagesLike) -> np.ndarray:
        """Logits of the two classes, (n, 2), float64."""
        check_is_fitted(self)
        experiment = self._experiment()
        options = image_options(self, experiment)
        images = prepare_all(check_form(self, X, options, reset=False), options)
        return np.asarray(extract_images(experiment, self.weights_, images).logits)

    def _content(self) -> dict[str, dict[str, object]]:
        """All but the weights, as JSON values."""
        return {
            "parameters": saved.parameters_out(self.get_params(deep=False)),
            "fitted": saved.fitted_out(self, FITTED),
        }

    @classmethod
    def _restored(cls, content: Mapping[str, Mapping[str, object]], weights: dict[str, np.ndarray]) -> Self:
        """The fitted estimator from `_content` and its weights. Raises KeyError, TypeError or ValueError where they are none."""
        estimator = cls().set_params(**saved.parameters_in(content["parameters"]))
        estimator._experiment()
        saved.set_fitted(estimator, content["fitted"], FITTED)
        if len(estimator.classes_) != 2:
            raise ValueError("not two classes")
        estimator.weights_ = weights
        return estimator
