"""The peers in PyTorch: eager loops on one thread or on a GPU, with denormals flushed as JAX does."""

import time

import numpy as np
import torch
from workloads import CLASSES, GRID, WIDTH, _moves, batch, grid_axes, runs, workload

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SHARE = 20  # the grid's loop takes this part of the networks


def one_thread() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def draw(depth: int, seed: int):
    """Weights of ``depth`` layers at weight scale 1, and the readout's."""
    torch.manual_seed(seed)
    base = [torch.randn(WIDTH, WIDTH, device=DEVICE) / WIDTH**0.5 for _ in range(depth)]
    return base, torch.randn(WIDTH, CLASSES, device=DEVICE) / WIDTH**0.5


def on_device(size: int):
    return tuple(torch.from_numpy(array).to(DEVICE) for array in batch(size))


def norms(inputs, labels, weights, readout):
    """log10 norms of one network's weight gradients and backward signals, in the computer's memory."""
    h, outputs = inputs, []
    for weight in weights:
        h = torch.tanh(h @ weight)
        outputs.append(h)
    loss = torch.nn.functional.cross_entropy(h @ readout, labels)
    gradients = torch.autograd.grad(loss, weights + outputs)
    return torch.stack([gradient.norm() for gradient in gradients]).log10().cpu()


def some_of_the_grid() -> None:
    """A twentieth of the grid: 10 of the 200 pairs of scale and seed."""
    data = on_device(GRID["batch"])
    depths, scales = grid_axes()
    for i in range(len(scales) * GRID["seeds"] // SHARE):
        base, readout = draw(max(depths), i)
        scale = scales[(5 * i) % len(scales)]
        for depth in depths:
            norms(*data, [(scale * weight).requires_grad_() for weight in base[:depth]], readout)


def train_all() -> None:
    """Every run of the training grid."""
    for mitigation, depth, scale, inputs, labels, batches in runs():
        inputs, labels = (torch.from_numpy(np.array(array)).to(DEVICE) for array in (inputs, labels))
        base, readout = draw(depth, 0)
        weights = [(scale * weight).requires_grad_() for weight in base]
        gains = [torch.ones(WIDTH, device=DEVICE, requires_grad=True) for _ in base]
        shifts = [torch.zeros(WIDTH, device=DEVICE, requires_grad=True) for _ in base]
        optimizer = torch.optim.SGD([*weights, *gains, *shifts, readout.requires_grad_()], 0.1)
        losses = []
        for some in torch.from_numpy(batches).to(DEVICE):
            h = inputs[some]
            for weight, gain, shift in zip(weights, gains, shifts, strict=True):
                z = h @ weight
                if "normalization" in mitigation:
                    h = torch.tanh(torch.nn.functional.batch_norm(z, None, None, gain, shift, training=True))
                else:
                    h = h + torch.tanh(z + shift)
            loss = torch.nn.functional.cross_entropy(h @ readout, labels[some].long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.stack(losses).cpu()


@workload
def grid_torch():
    one_thread()
    start = time.process_time()
    some_of_the_grid()
    return {"seconds": SHARE * (time.process_time() - start)}


def _move(depth: int):
    one_thread()
    data = on_device(GRID["batch"])
    base, readout = draw(depth, 0)
    return _moves(lambda scale: norms(*data, [(scale * weight).requires_grad_() for weight in base], readout))


@workload
def move_10_torch():
    return _move(10)


@workload
def move_100_torch():
    return _move(100)


@workload
def training_torch():
    one_thread()
    start = time.process_time()
    train_all()
    return {"seconds": time.process_time() - start}
