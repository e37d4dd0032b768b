"""An independent network in NumPy, double precision: what verdicts compare a student's JAX with.

Hidden layers without normalization or skips, a readout, softmax cross-entropy, and backpropagation by hand. A network is
``(weight, bias)`` of each layer, the readout last.
"""

import numpy as np

from .attempt import Typed

VALUES = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0), "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
SLOPES = {
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "relu": lambda z: (z > 0) * 1.0,
    "sigmoid": lambda z: VALUES["sigmoid"](z) * VALUES["sigmoid"](-z),
}


def singles(values):
    """Arrays rounded to single precision, in which they reach the student."""
    return [np.asarray(value, np.float32).astype(float) for value in values]


def params_of(layers) -> Typed:
    """`Params` of a network, as an argument for the student."""
    layer = lambda weight, bias: Typed("course_utils.networks:Layer", {"weight": weight, "bias": bias})
    first, *hidden, readout = layers
    stacked = (np.stack(part) for part in zip(*hidden, strict=True))
    fields = {"first": layer(*first), "hidden": layer(*stacked), "readout": layer(*readout)}
    return Typed("course_utils.networks:Params", fields)


def matrices(params) -> list[tuple[np.ndarray, np.ndarray]]:
    """The network of `Params`, from `params_of` or as the dicts that reach a verdict."""
    fields = lambda part: part.fields if isinstance(part, Typed) else part
    first, hidden, readout = (
        tuple(np.asarray(fields(fields(params)[name])[part], float) for part in ("weight", "bias"))
        for name in ("first", "hidden", "readout")
    )
    return [first, *zip(*hidden, strict=True), readout]


def fresh(rng, depth, width, features, classes, weight_scale, bias_scale=0.0):
    """A network at its start."""
    sizes = [features, *[width] * depth, classes]
    scales = [weight_scale] * depth + [1.0]
    return [
        (scale * rng.standard_normal((a, b)) / a**0.5, bias_scale * rng.standard_normal(b))
        for a, b, scale in zip(sizes, sizes[1:], scales, strict=False)
    ]


def logits_of(layers, x, activation):
    """The network's logits."""
    for weight, bias in layers[:-1]:
        x = VALUES[activation](x @ weight + bias)
    return x @ layers[-1][0] + layers[-1][1]


def loss_of(layers, x, y, activation) -> float:
    """Mean softmax cross-entropy in nats."""
    logits = logits_of(layers, x, activation)
    top = logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0] - logits[np.arange(len(y)), y]).mean())


def network_gradients(layers, inputs, labels, activate, slope):
    """Logits, and the gradients of the mean loss for weights and biases and for each hidden layer's output.

    Args:
        layers: the network.
        inputs: ``[batch, input_size]``.
        labels: ``[batch]``.
        activate: the hidden layers' activation, of a NumPy array.
        slope: its derivative, of the pre-activations.
    """
    outputs, slopes, signals, gradients = [inputs], [], [], []
    for weight, bias in layers[:-1]:
        z = outputs[-1] @ weight + bias
        outputs.append(activate(z))
        slopes.append(slope(z))
    logits = outputs[-1] @ layers[-1][0] + layers[-1][1]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta = (odds / odds.sum(axis=1, keepdims=True) - np.eye(logits.shape[1])[labels]) / len(labels)
    for k in reversed(range(len(layers))):
        gradients.append((outputs[k].T @ delta, delta.sum(axis=0)))
        if k > 0:
            signals.append(delta @ layers[k][0].T)
            delta = signals[-1] * slopes[k - 1]
    return logits, gradients[::-1], signals[::-1]


def gradients_of(layers, x, y, activation):
    """The gradient for weights and biases of each layer, and the backward signal of each hidden layer."""
    return network_gradients(layers, x, y, VALUES[activation], SLOPES[activation])[1:]


def gradient_norms(layers, x, y, activation) -> np.ndarray:
    """Norm of each hidden layer's weight gradient."""
    return np.array([np.linalg.norm(weight) for weight, _ in gradients_of(layers, x, y, activation)[0][:-1]])


def stepped(layers, gradient, rate):
    """The network after one step of gradient descent."""
    return [(w - rate * gw, b - rate * gb) for (w, b), (gw, gb) in zip(layers, gradient, strict=True)]
