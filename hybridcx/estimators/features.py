"""Penultimate features of a network as scikit-learn's transformer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import ClassifierTags, Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from hybridcx.estimators import saved
from hybridcx.estimators.extraction import extract_images
from hybridcx.estimators.images import check_form, image_options, prepare_all
from hybridcx.estimators.network import FineTunedNetwork
from hybridcx.estimators.parameters import experiment_of, initial_weights, seed_of
from hybridcx.estimators.refusal import refused, require_torch
from hybridcx.experiment.file import Experiment
from hybridcx.vocabulary.networks import network as row_of

if TYPE_CHECKING:
    from hybridcx.estimators.images import ImagesLike

OF_THE_NETWORK = ("weights", "image_size_px", "image_shape", "pixel_range", "pad", "resample", "device", "threads")
"""Parameters that a FineTunedNetwork has itself."""


class PenultimateFeatures(TransformerMixin, BaseEstimator):
    """Images to the penultimate features of a network: the input of its last layer.

    With a network's name the network is fixed: `fit` learns nothing from X, it loads the weights. With a `FineTunedNetwork` a clone of it is
    fine-tuned in `fit(X, y)`, so that cross-validation fine-tunes it anew in every fold, on the training cases alone.

    Parameters
    ----------
    network : str, FineTunedNetwork or FrozenEstimator, default="resnet101"
        A network's name as for `FineTunedNetwork`; a `FineTunedNetwork`, which is cloned and fitted; or
        `sklearn.frozen.FrozenEstimator(FineTunedNetwork(...).fit(...))`, which stays as it is. With the latter two all other parameters are those
        of that network, and must keep their defaults here.
    weights : str or path, default="imagenet"
        As for `FineTunedNetwork`.
    image_size_px : int, default=224
        Side of the square image that the network sees, 32 to 1024.
    device : str, default="auto"
        `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
    random_state : int, RandomState or None, default=None
        Seed of random weights (`weights="none"`); nothing else is random.
    image_shape, pixel_range, pad, resample, threads
        How rows of pixels and other numbers become images, how they are brought to the square, and the number of threads: as for
        `FineTunedNetwork`.

    Attributes
    ----------
    weights_ : dict of ndarray
        The network's weights by torchvision's names, where `network` is a name.
    network_ : FineTunedNetwork
        The fitted network, where `network` is an estimator.
    n_features_in_, feature_names_in_
        Columns of X and their names; only where X was a table or a column of paths (with names).

    Notes
    -----
    X is what `FineTunedNetwork` takes. In a Pipeline `memory=` keeps the features of a fixed network between fits.

    Examples
    --------
    >>> import numpy as np
    >>> from hybridcx import PenultimateFeatures
    >>> X = np.random.default_rng(0).integers(0, 256, (4, 40, 48), dtype=np.uint8)
    >>> features = PenultimateFeatures("squeezenet1_1", weights="none", image_size_px=32, random_state=0).set_output(transform="pandas")
    >>> features.fit_transform(X).columns[:2].tolist()
    ['squeezenet1_1_0000', 'squeezenet1_1_0001']
    """

    def __init__(
        self,
        network: str | FineTunedNetwork | FrozenEstimator = "resnet101",
        *,
        weights: str | os.PathLike[str] = "imagenet",
        image_size_px: int = 224,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        image_shape: tuple[int, ...] | None = None,
        pixel_range: tuple[float, float] | None = None,
        pad: Literal["white", "black", "edge", "none"] = "white",
        resample: Literal["bicubic", "bilinear", "lanczos"] = "bicubic",
        threads: int = 0,
    ):
        self.network = network
        self.weights = weights
        self.image_size_px = image_size_px
        self.device = device
        self.random_state = random_state
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.pad = pad
        self.resample = resample
        self.threads = threads

    def fit(self, X: ImagesLike, y: ArrayLike | None = None, groups: ArrayLike | None = None) -> Self:
        """Load the weights, or fine-tune the network.

        Parameters
        ----------
        X : images, as for `FineTunedNetwork`. For a fixed network only their form is looked at
        y : (n,), two classes; only for a `FineTunedNetwork`
        groups : (n,), as for `FineTunedNetwork.fit`; only for it

        Returns
        -------
        self

        Raises
        ------
        RefusedInputError, InputError, DivergedError, MissingExtraError
            as `FineTunedNetwork.fit` does.
        """
        reader = self._reader()
        experiment = reader._experiment()
        require_torch()
        images = check_form(self, X, image_options(reader, experiment), reset=True)
        for name in ("weights_", "network_"):
            if hasattr(self, name):
                delattr(self, name)
        if isinstance(self.network, FrozenEstimator):
            check_is_fitted(reader)
            self.network_ = reader
        elif isinstance(reader, FineTunedNetwork):
            if y is not None:
                check_consistent_length(images, y)
            self.network_ = clone(reader).fit(X, y, groups=groups)
        else:
            self.weights_ = self._fixed_weights()
        return self

    def transform(self, X: ImagesLike) -> np.ndarray:
        """Penultimate features, (n, d), float32; d is 4096 for the VGGs and AlexNet, 2048, 1920, 1280 or 512 for the others.

        Parameters
        ----------
        X : images, as for `FineTunedNetwork`

        Raises
        ------
        NotFittedError
            before `fit`.
        RefusedInputError
            for images that are refused.
        """
        reader = self._fitted_reader()
        experiment = reader._experiment()
        options = image_options(reader, experiment)
        images = prepare_all(check_form(self, X, options, reset=False), options)
        return extract_images(experiment, reader.weights_, images).features

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the features, (d,), such as `resnet101_0000`.

        Parameters
        ----------
        input_features : columns of X, which are only compared with those of the fitted X

        Raises
        ------
        NotFittedError
            before `fit`.
        ValueError
            for `input_features` that are not the columns of the fitted X.
        """
        name = str(self._fitted_reader().network)
        if input_features is not None:
            given = np.asarray(input_features, dtype=object)
            if hasattr(self, "feature_names_in_") and not np.array_equal(given, self.feature_names_in_):
                raise refused("input_features is not equal to feature_names_in_")
            if hasattr(self, "n_features_in_") and len(given) != self.n_features_in_:
                raise refused(
                    f"input_features should have length equal to number of features ({self.n_features_in_})", len(given)
                )
        return np.array([f"{name}_{i:04d}" for i in range(row_of(name).feature_dim)], dtype=object)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted estimator: weights.safetensors and estimator.json, the same bytes for the same estimator.

        Parameters
        ----------
        folder : made if absent

        Raises
        ------
        NotFittedError, RefusedInputError, OSError
            as `FineTunedNetwork.save`.
        """
        reader = self._fitted_reader()
        parameters = self.get_params(deep=False)
        content = {"fitted": saved.fitted_out(self, ())}
        if isinstance(reader, FineTunedNetwork):
            parameters["network"] = type(self.network).__name__
            content |= {f"network_{part}": values for part, values in reader._content().items()}
        saved.write(
            folder, type(self).__name__, {**content, "parameters": saved.parameters_out(parameters)}, reader.weights_
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read an estimator that `save` wrote. Both files are checked against their hashes, and neither can execute code.

        Parameters
        ----------
        folder : that `save` wrote into

        Raises
        ------
        RefusedInputError
            as `FineTunedNetwork.load`.
        """
        read = saved.read(folder, cls.__name__)
        try:
            parameters = saved.parameters_in(read.content["parameters"])
            estimator = cls().set_params(**parameters)
            if parameters["network"] in (FineTunedNetwork.__name__, FrozenEstimator.__name__):
                nested = {part: read.content[f"network_{part}"] for part in ("parameters", "fitted")}
                estimator.network_ = FineTunedNetwork._restored(nested, read.weights)
                frozen = parameters["network"] == FrozenEstimator.__name__
                estimator.network = FrozenEstimator(estimator.network_) if frozen else clone(estimator.network_)
            else:
                estimator._experiment()
                estimator.weights_ = read.weights
            saved.set_fitted(estimator, read.content["fitted"], ())
        except (KeyError, TypeError, ValueError):
            raise saved.foreign(folder) from None
        return estimator

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if isinstance(self.network, FineTunedNetwork):
            tags.target_tags.required = True
            tags.classifier_tags = ClassifierTags(multi_class=False)  # y has two classes, though this is no classifier
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.two_d_array = getattr(self.network, "image_shape", self.image_shape) is not None
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _reader(self) -> PenultimateFeatures | FineTunedNetwork:
        """The estimator whose parameters say how X is read: this one, or that in `network`."""
        if isinstance(self.network, str):
            return self
        network = self.network.estimator if isinstance(self.network, FrozenEstimator) else self.network
        if not isinstance(network, FineTunedNetwork):
            remedy = "give a name, a FineTunedNetwork, or a FrozenEstimator of a fitted one"
            raise refused("network is no network", type(network).__name__, remedy)
        defaults = PenultimateFeatures()
        for name in OF_THE_NETWORK:
            given = getattr(self, name)
            if isinstance(given, np.ndarray) or given != getattr(defaults, name):
                rule = f"{name} is a parameter of the FineTunedNetwork in `network`"
                raise refused(rule, given, f"give it there (network__{name} in a search), and keep the default here")
        return network

    def _fitted_reader(self) -> PenultimateFeatures | FineTunedNetwork:
        """This estimator, or its fitted network: the one that has `weights_`."""
        if isinstance(self.network, str):
            check_is_fitted(self, "weights_")
            return self
        check_is_fitted(self, "network_")
        return self.network_

    def _experiment(self) -> Experiment:
        return experiment_of(self.get_params(deep=False))

    def _fixed_weights(self) -> dict[str, np.ndarray]:
        """The weights of the network of this name."""
        start = initial_weights(str(self.network), self.weights)

        from hybridcx.deep.features import initial_state
        from hybridcx.deep.model import arrays_of

        # The last layer is drawn, too, and has no part in the features: where the weights are given, the seed decides nothing.
        seed = seed_of(self.random_state) if start is None else 0
        return arrays_of(initial_state(str(self.network), seed, start))
