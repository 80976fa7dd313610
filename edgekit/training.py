"""Trains a network on a dataset: Adam, cosine decay with warm-up, the best epoch by validation accuracy.

Importing this module imports neither TensorFlow nor NumPy; :func:`train` does. Every random choice
(initial weights, order, augmentation, dropout, validation split) follows from the ``seed`` argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from edgekit.errors import ModelError, UsageError
from edgekit.records import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgekit.data.dataset import Dataset
    from edgekit.models.architecture import Architecture
    from edgekit.models.tensorflow_backend import KerasModel, Tensor, TensorFlow

    Optimizer: TypeAlias = Any
    TensorDataset: TypeAlias = Any


_MAX_COUNT = 1_000_000


class Augmentation(Record, frozen=True):
    """Random changes to training pictures, drawn anew each epoch; all off by default.

    ``shift`` and ``zoom`` are fractions of the picture's side: it moves by up to ±shift and is scaled
    by 1 ± zoom, edges mirrored. ``brightness`` is added (±, where 1 is half the pixel range) and
    ``contrast`` scales by 1 ± contrast.
    """

    flip: bool = False
    shift: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        """Raises UsageError for fractions outside [0, 1)."""
        for name in ("shift", "zoom", "brightness", "contrast"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise UsageError(f"augmentation.{name} is {value}: it must lie between 0 and 1.")


class TrainingSettings(Record, frozen=True):
    """The [training] settings. The defaults train the demo in well under a minute on two cores.

    ``learning_rate`` is the peak, reached after ``warmup_fraction`` of all steps. ``batch_norm_momentum``
    suits few steps. ``validation_fraction`` of the training pictures chooses the best epoch (0: the last
    one counts). ``early_stop_epochs`` ends training after so many epochs without a better one.
    """

    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 0.02
    warmup_fraction: float = 0.05
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    dropout: float = 0.0
    batch_norm_momentum: float = 0.9
    validation_fraction: float = 0.1
    early_stop_epochs: int | None = None
    augmentation: Augmentation = Augmentation()

    @classmethod
    def photos(cls) -> TrainingSettings:
        """For a few thousand photos and a network from scratch: long, and with strong augmentation."""
        return cls(
            epochs=60,
            batch_size=16,
            learning_rate=5e-3,
            weight_decay=0.05,
            batch_norm_momentum=0.97,
            augmentation=Augmentation(flip=True, shift=0.15, zoom=0.3, brightness=0.3, contrast=0.3),
        )

    def __post_init__(self) -> None:
        """Raises UsageError for values that cannot train."""
        for name in ("epochs", "batch_size", "early_stop_epochs"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MAX_COUNT:
                raise UsageError(f"training.{name} is {value}: it must lie between 1 and {_MAX_COUNT:,}.")
        if not 0.0 < self.learning_rate < math.inf:
            raise UsageError(
                f"training.learning_rate is {self.learning_rate}: it must be above 0 and finite."
            )
        if not 0.0 <= self.weight_decay < math.inf:
            raise UsageError(
                f"training.weight_decay is {self.weight_decay}: it must be 0 or above, and finite."
            )
        for name in (
            "warmup_fraction",
            "label_smoothing",
            "dropout",
            "batch_norm_momentum",
            "validation_fraction",
        ):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise UsageError(f"training.{name} is {value}: it must lie between 0 and 1.")


@dataclass(frozen=True)
class TrainingProgress:
    """Where training stands. Epochs and steps count from 1; ``loss`` and ``accuracy`` are means over the
    epoch so far; ``validation_accuracy`` is set once, when the epoch is complete.
    """

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    loss: float
    accuracy: float
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class EpochMetrics:
    """Means over one epoch of training; ``validation_accuracy`` is None without validation pictures."""

    epoch: int
    loss: float
    accuracy: float
    validation_accuracy: float | None


@dataclass(frozen=True)
class TrainingResult:
    """``model`` is a ``keras.Model`` with the weights of ``best_epoch`` (0: no epoch was completed)."""

    model: KerasModel
    history: tuple[EpochMetrics, ...]
    best_epoch: int
    train_count: int
    validation_count: int
    interrupted: bool

    @property
    def best(self) -> EpochMetrics | None:
        """Metrics of the epoch whose weights were kept."""
        return self.history[self.best_epoch - 1] if self.best_epoch else None


ProgressCallback = Callable[[TrainingProgress], None]
_PROGRESS_STEPS = 10


def train(
    dataset: Dataset,
    architecture: Architecture,
    settings: TrainingSettings,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> TrainingResult:
    """Trains ``architecture`` from scratch. The test pictures of ``dataset`` are not looked at.

    Ctrl-C ends training early: the best weights so far are kept and the result says ``interrupted``.

    Raises ToolchainError without TensorFlow, UsageError where dataset and architecture disagree,
    ModelError where training diverges.
    """
    from edgekit.models.keras_builder import build_keras_model
    from edgekit.models.tensorflow_backend import load_tensorflow

    _check_shapes(dataset, architecture)
    tf = load_tensorflow()
    model = build_keras_model(
        architecture,
        dropout=settings.dropout,
        batch_norm_momentum=settings.batch_norm_momentum,
        seed=seed,
    )
    split = _split(dataset, settings, seed)
    loop = _Loop(tf, model, split, settings, seed, progress)
    interrupted = loop.run()
    _check_weights(model, settings)
    return TrainingResult(
        model,
        tuple(loop.history),
        loop.best_epoch,
        len(split.train_labels),
        len(split.validation_labels),
        interrupted,
    )


def _check_weights(model: KerasModel, settings: TrainingSettings) -> None:
    import numpy as np

    if not all(np.isfinite(weights).all() for weights in model.get_weights()):
        raise _divergence("there are weights that are not finite", settings)


def _divergence(what: str, settings: TrainingSettings) -> ModelError:
    return ModelError(
        f"training diverged ({what}). Lower training.learning_rate, which is {settings.learning_rate}."
    )


@dataclass(frozen=True)
class _Split:
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    validation_images: NDArray[np.uint8]
    validation_labels: NDArray[np.int64]


def _check_shapes(dataset: Dataset, architecture: Architecture) -> None:
    pictures = dataset.train_images.shape[1:]
    if pictures != architecture.input_shape:
        raise UsageError(
            f"the pictures were loaded at {_times(pictures)}, but the network reads "
            f"{_times(architecture.input_shape)}."
        )
    if len(dataset.train_images) == 0:
        raise UsageError("there are no training pictures.")


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)


def _split(dataset: Dataset, settings: TrainingSettings, seed: int) -> _Split:
    if dataset.validation_images is not None and dataset.validation_labels is not None:
        return _Split(
            dataset.train_images, dataset.train_labels, dataset.validation_images, dataset.validation_labels
        )
    from edgekit.data.split import stratified_split

    kept, held = stratified_split(dataset.train_labels, settings.validation_fraction, seed)
    images, labels = dataset.train_images, dataset.train_labels
    return _Split(images[kept], labels[kept], images[held], labels[held])


class _Loop:
    """One run of training: the step function, the epochs, and the best weights so far."""

    def __init__(
        self,
        tf: TensorFlow,
        model: KerasModel,
        split: _Split,
        settings: TrainingSettings,
        seed: int,
        progress: ProgressCallback | None,
    ) -> None:
        self.history: list[EpochMetrics] = []
        self.best_epoch = 0
        self._tf = tf
        self._model = model
        self._split = split
        self._settings = settings
        self._seed = seed
        self._progress = progress
        self._batch_size = min(settings.batch_size, len(split.train_labels))
        self._steps = len(split.train_labels) // self._batch_size
        self._best_weights: list[Any] = []
        self._optimizer = self._build_optimizer()
        self._loss = tf.Variable(0.0, trainable=False)
        self._correct = tf.Variable(0.0, trainable=False)
        self._step = self._build_step()

    def run(self) -> bool:
        """Trains until done or interrupted (then True), and leaves the best weights in the model."""
        interrupted = False
        try:
            batches = iter(self._batches())
            for epoch in range(1, self._settings.epochs + 1):
                self._finish_epoch(self._run_epoch(epoch, batches))
                if self._is_stuck():
                    break
        except KeyboardInterrupt:
            interrupted = True
        if self._best_weights:
            self._model.set_weights(self._best_weights)
        return interrupted

    def _run_epoch(self, epoch: int, batches: Iterator[tuple[Tensor, Tensor]]) -> EpochMetrics:
        self._loss.assign(0.0)
        self._correct.assign(0.0)
        for step in range(1, self._steps + 1):
            self._step(*next(batches))
            if step % _PROGRESS_STEPS == 0 or step == self._steps:
                loss, accuracy = self._means(step)
                self._report(epoch, step, loss, accuracy, None)
        loss, accuracy = self._means(self._steps)
        return EpochMetrics(epoch, loss, accuracy, self._validate())

    def _means(self, steps: int) -> tuple[float, float]:
        loss = float(self._loss.numpy()) / steps
        if not abs(loss) < float("inf"):
            raise _divergence(f"the loss is {loss}", self._settings)
        return loss, float(self._correct.numpy()) / (steps * self._batch_size)

    def _validate(self) -> float | None:
        from edgekit.models.keras_files import predict_float
        from edgekit.verification.accuracy import accuracy

        if len(self._split.validation_labels) == 0:
            return None
        outputs = predict_float(self._model, self._split.validation_images)
        return accuracy(outputs.argmax(axis=1), self._split.validation_labels)

    def _finish_epoch(self, metrics: EpochMetrics) -> None:
        best = self.history[self.best_epoch - 1] if self.best_epoch else None
        self.history.append(metrics)
        # Of equally good epochs the later counts: it has seen more and the learning rate is lower.
        if best is None or (metrics.validation_accuracy or 0.0) >= (best.validation_accuracy or 0.0):
            self._best_weights = self._model.get_weights()
            self.best_epoch = metrics.epoch
        self._report(metrics.epoch, self._steps, metrics.loss, metrics.accuracy, metrics.validation_accuracy)

    def _is_stuck(self) -> bool:
        patience = self._settings.early_stop_epochs
        return patience is not None and len(self.history) - self.best_epoch >= patience

    def _report(
        self, epoch: int, step: int, loss: float, accuracy: float, validation_accuracy: float | None
    ) -> None:
        if self._progress is not None:
            epochs = self._settings.epochs
            self._progress(
                TrainingProgress(epoch, epochs, step, self._steps, loss, accuracy, validation_accuracy)
            )

    def _build_optimizer(self) -> Optimizer:
        keras_optimizers = self._tf.keras.optimizers
        settings = self._settings
        total_steps = self._steps * settings.epochs
        warmup_steps = int(total_steps * settings.warmup_fraction)
        schedule = keras_optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup_steps else settings.learning_rate,
            decay_steps=total_steps - warmup_steps,
            warmup_target=settings.learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
        optimizer = keras_optimizers.AdamW(schedule, weight_decay=settings.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        optimizer.build(self._model.trainable_variables)
        return optimizer

    def _build_step(self) -> Callable[[Tensor, Tensor], None]:
        tf, model, optimizer = self._tf, self._model, self._optimizer
        classes = int(model.output_shape[-1])
        smoothing = self._settings.label_smoothing
        # The softmax belongs to the deployed network; the loss is more exact on logits.
        network = tf.keras.Model(model.input, model.get_layer("logits").output)

        @tf.function  # type: ignore[untyped-decorator]
        def step(pixels: Tensor, labels: Tensor) -> None:
            targets = tf.one_hot(labels, classes) * (1.0 - smoothing) + smoothing / classes
            with tf.GradientTape() as tape:
                logits = network(pixels, training=True)
                loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            hits = tf.equal(tf.argmax(logits, axis=1), labels)
            self._loss.assign_add(loss)
            self._correct.assign_add(tf.reduce_sum(tf.cast(hits, tf.float32)))

        trained: Callable[[Tensor, Tensor], None] = step
        return trained

    def _batches(self) -> TensorDataset:
        """Batches (float32 NHWC pixels, int64 labels) of all epochs on end.

        Shuffling and augmentation are stateless functions of seed, epoch and step, so parallel loading
        cannot change them. A remainder smaller than a batch waits for another epoch's order.
        """
        tf, settings, batch_size = self._tf, self._settings, self._batch_size
        images = tf.constant(self._split.train_images)
        labels = tf.constant(self._split.train_labels)
        count = len(self._split.train_labels)

        def epoch_order(epoch: Tensor) -> TensorDataset:
            seed = tf.stack([tf.constant(self._seed, tf.int64), epoch])
            order = tf.random.experimental.stateless_shuffle(tf.range(count), seed=seed)
            return tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)

        def load(step: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
            pixels = (tf.cast(tf.gather(images, indices), tf.float32) - 128.0) / 128.0
            seed = tf.stack([tf.constant(self._seed, tf.int64), step])
            return augment(tf, pixels, settings.augmentation, seed), tf.gather(labels, indices)

        batches = tf.data.Dataset.range(settings.epochs).flat_map(epoch_order).enumerate()
        return batches.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)


def augment(tf: TensorFlow, pixels: Tensor, augmentation: Augmentation, seed: Tensor) -> Tensor:
    """Randomly changed copies of ``pixels``, float32 (N, H, W, C) in [-1, 1); ``seed`` is two int64."""
    count = tf.shape(pixels)[0]

    def uniform(stream: int, limit: float) -> Tensor:
        stream_seed = seed + tf.constant([stream * 1_000_003, 0], tf.int64)
        return tf.random.stateless_uniform([count], stream_seed, -limit, limit)

    if augmentation.shift > 0.0 or augmentation.zoom > 0.0 or augmentation.flip:
        mirror = tf.sign(uniform(0, 1.0)) if augmentation.flip else tf.ones([count])
        pixels = _transformed(
            tf,
            pixels,
            mirror,
            1.0 + uniform(1, augmentation.zoom),
            uniform(2, augmentation.shift),
            uniform(3, augmentation.shift),
        )
    if augmentation.contrast > 0.0 or augmentation.brightness > 0.0:
        gain = 1.0 + uniform(4, augmentation.contrast)
        offset = uniform(5, augmentation.brightness)
        pixels = pixels * gain[:, None, None, None] + offset[:, None, None, None]
        pixels = tf.clip_by_value(pixels, -1.0, 127.0 / 128.0)
    return pixels


def _transformed(
    tf: TensorFlow, pixels: Tensor, mirror: Tensor, scale: Tensor, shift_x: Tensor, shift_y: Tensor
) -> Tensor:
    """Mirrors (mirror -1), scales about the centre and shifts by fractions of the side, bilinearly."""
    side = tf.shape(pixels)[1]
    centre = (tf.cast(side, tf.float32) - 1.0) / 2.0
    step_x, step_y = mirror / scale, 1.0 / scale
    zero = tf.zeros_like(scale)
    offset_x = centre - step_x * centre + shift_x * tf.cast(side, tf.float32)
    offset_y = centre - step_y * centre + shift_y * tf.cast(side, tf.float32)
    # The op maps each output (x, y) to the input (a0 x + a1 y + a2, b0 x + b1 y + b2).
    transforms = tf.stack([step_x, zero, offset_x, zero, step_y, offset_y, zero, zero], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=transforms,
        output_shape=tf.stack([side, side]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
