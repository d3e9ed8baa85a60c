"""The original's network: MobileNetV2 from TensorFlow Hub, with the labels of ImageNet.

For those who have TensorFlow and a way to the internet: `MODEL=tfhub`. Neither the image nor our tests have them, so this is not
run here. Weights and labels are downloaded when it is built.
"""

import numpy as np
from PIL import Image

try:
    import tensorflow as tf
    import tensorflow_hub as hub
except ImportError as error:
    raise SystemExit(
        f"MODEL=tfhub: {error}; install tensorflow and tensorflow_hub for this Python, or leave MODEL out"
    ) from error

WEIGHTS = "https://tfhub.dev/google/tf2-preview/mobilenet_v2/classification/4"
LABELS = "https://storage.googleapis.com/download.tensorflow.org/data/ImageNetLabels.txt"
SIDE = 224


class MobileNet:
    """One of 1,001 labels for a photograph."""

    def __init__(self) -> None:
        self._network = hub.load(WEIGHTS)
        with open(tf.keras.utils.get_file("ImageNetLabels.txt", LABELS)) as lines:  # noqa: PTH123
            self._labels = lines.read().splitlines()

    def classify(self, image: Image.Image) -> tuple[str, float]:
        pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE)), np.float32) / 255
        probabilities = tf.nn.softmax(self._network(tf.constant(pixels[np.newaxis]))[0]).numpy()
        best = int(probabilities.argmax())
        return self._labels[best], float(probabilities[best])
