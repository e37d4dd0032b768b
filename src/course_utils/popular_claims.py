"""What articles say about unstable gradients, in our words, each with a place where it is said.

A chapter's ``claim(..., supports=NAME)`` or ``claim(..., refutes=NAME)`` is evidence about one of them, and chapter 11
draws the verdicts from that evidence.
"""

from typing import NamedTuple


class PopularClaim(NamedTuple):
    """A sentence that is often read, and where.

    >>> POPULAR_CLAIMS["vanishing-3"].text
    'Weights that shrink exponentially are a sign of vanishing gradients.'
    """

    text: str
    source: str
    url: str | None
    """None where the sentence is common and no single page stands for it."""


_PYKES = (
    "K. Pykes, The vanishing/exploding gradient problem in deep neural networks",
    "https://towardsdatascience.com/the-vanishing-exploding-gradient-problem-in-deep-neural-networks-191358470c11",
)
_BROWNLEE = (
    "J. Brownlee, A gentle introduction to exploding gradients in neural networks",
    "https://machinelearningmastery.com/exploding-gradients-in-neural-networks/",
)
_ALBERT = (
    "Albert ML, Vanishing and exploding gradients",
    "https://albertml.com/Permanent/AI/Deep+Learning/Vanishing+and+Exploding+Gradients",
)
_IOFFE = ("Ioffe & Szegedy (2015), Batch normalization", "https://arxiv.org/abs/1502.03167")
_LU_FAMILY = (
    "Deep learning notes, The LU family",
    "https://deeplearningnotes-site.pages.dev/deep-nns/vanishing-gradient/lu-family",
)
_COMMON = ("said in many tutorials", None)

POPULAR_CLAIMS: dict[str, PopularClaim] = {
    "depth-is-exponential": PopularClaim(
        "Backpropagation multiplies one factor per layer, so the gradient shrinks or grows exponentially with depth.",
        *_ALBERT,
    ),
    "vanishing-1": PopularClaim(
        "The loss barely changes, or training stops early: the gradient vanishes.", *_PYKES
    ),
    "vanishing-2": PopularClaim(
        "The last layers change a lot and the first layers hardly: the gradient vanishes.", *_PYKES
    ),
    "vanishing-3": PopularClaim(
        "Weights that shrink exponentially are a sign of vanishing gradients.", *_PYKES
    ),
    "vanishing-4": PopularClaim("Weights that approach zero are a sign of vanishing gradients.", *_PYKES),
    "exploding-1": PopularClaim("A very high loss is a sign of exploding gradients.", *_PYKES),
    "exploding-2": PopularClaim(
        "Large changes of the loss from update to update are a sign of exploding gradients.", *_BROWNLEE
    ),
    "exploding-3": PopularClaim("NaN in the loss is a sign of exploding gradients.", *_BROWNLEE),
    "exploding-4": PopularClaim("NaN in the weights is a sign of exploding gradients.", *_BROWNLEE),
    "exploding-5": PopularClaim(
        "Weights that grow exponentially are a sign of exploding gradients.", *_PYKES
    ),
    "gradient-above-one": PopularClaim(
        "Gradient norms above one in every layer confirm that gradients explode.", *_BROWNLEE
    ),
    "first-layers-suffer": PopularClaim(
        "Unstable gradients show as a difference between the first layers and the last.", *_COMMON
    ),
    "xavier-or-he": PopularClaim(
        "Use Xavier initialization with tanh and sigmoid, He initialization with ReLU.",
        "Machine Learning Exercise, notes on Géron's book",
        "https://github.com/Dipin-Adhikari/Machine-Learning-Exercise",
    ),
    "good-weights-suffice": PopularClaim(
        "With the right initial variance, deep plain networks train.", *_COMMON
    ),
    "sigmoid-quarter": PopularClaim(
        "Sigmoid networks vanish because the sigmoid's slope is at most one quarter.", *_ALBERT
    ),
    "relu-does-not-vanish": PopularClaim("ReLU's slope is one, so ReLU networks do not vanish.", *_ALBERT),
    "leaky-relu-dead": PopularClaim("Leaky ReLU keeps units from dying.", *_LU_FAMILY),
    "selu-self-normalizes": PopularClaim(
        "SELU keeps signals and gradients at the same size at any depth.", *_LU_FAMILY
    ),
    "bn-most-of-the-time": PopularClaim(
        "Most of the time, batch normalization is the way to deal with unstable gradients.", *_COMMON
    ),
    "bn-covariate-shift": PopularClaim(
        "Batch normalization works because it reduces internal covariate shift.", *_IOFFE
    ),
    "bn-any-initialization": PopularClaim(
        "With batch normalization the initial weights hardly matter.", *_IOFFE
    ),
    "bn-large-batches": PopularClaim("Batch normalization needs batches that are not too small.", *_COMMON),
    "skips-cure-vanishing": PopularClaim(
        "Skip connections give the gradient a path around each layer, so it does not vanish.",
        "Educative, Skip connections",
        "https://educative.io/courses/intro-deep-learning/skip-connections",
    ),
    "skips-any-depth": PopularClaim(
        "With skip connections alone, networks of any depth train.",
        "learnAI, Training neural networks",
        "https://kshirol-dev.github.io/learnAI/AIFundamentals/06-training-neural-networks-high-level.html",
    ),
    "relu-gradients-shatter": PopularClaim(
        "Gradients of deep plain networks look like white noise, and skip connections restore their structure.",
        "Balduzzi et al. (2017), The shattered gradients problem",
        "https://arxiv.org/abs/1702.08591",
    ),
    "clipping-prevents-explosion": PopularClaim("Gradient clipping prevents exploding gradients.", *_ALBERT),
    "clipping-helps-vanishing": PopularClaim(
        "Gradient clipping keeps gradients from vanishing or exploding.",
        "Sipoch, What is the vanishing gradient problem?",
        "https://www.sipoch.com/en/question/300630018335520/answer/30018442882014",
    ),
    "clipping-keeps-direction": PopularClaim(
        "Clipping shortens the gradient and keeps its direction.", *_COMMON
    ),
    "clipping-removes-nan": PopularClaim(
        "Clipping protects training from infinite gradients and NaN.", *_COMMON
    ),
    "fixes-add-up": PopularClaim("The fixes add up: use them all together.", *_COMMON),
    "adam-cures-vanishing": PopularClaim(
        "Adaptive optimizers such as Adam make up for vanishing gradients.",
        "i2tutorials, Explain about Adam optimization function",
        "https://www.i2tutorials.com/explain-about-adam-optimization-function/",
    ),
}
