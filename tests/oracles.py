"""Oracles: what the kernel computes, computed otherwise.

A forward pass written out in loops over examples, layers and units, weights and biases apart, in
complex arithmetic, and its derivative by the complex step f'(x) = Im f(x + ih) / h, which has no
subtraction and so no cancellation (Squire & Trapp 1998). Nothing of bpexp.nn is used.
"""

from __future__ import annotations

import cmath
import math

H = 1e-200


def sigmoid(z):
    return 1 / (1 + cmath.exp(-z)) if z.real >= 0 else cmath.exp(z) / (1 + cmath.exp(z))


def softplus(z):
    """log(1 + exp z); near -inf the series keeps the tiny real part's derivative."""
    if z.real > 0:
        return z + softplus(-z)
    e = cmath.exp(z)
    # log(1 + e) with a complex log1p: the real part by log1p, the derivative exactly
    return complex(math.log1p(e.real), (e / (1 + e)).imag if e.real == 0 else e.imag / (1 + e.real))


def positive(z):
    return z.real > 0


def elu(z, alpha=1.0):
    if positive(z):
        return z
    return complex(alpha * math.expm1(z.real), alpha * math.exp(z.real) * z.imag)


GELU = math.sqrt(2 / math.pi)

ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": sigmoid,
    "tanh": cmath.tanh,
    "softsign": lambda z: z / (1 + (z if positive(z) else -z)),
    "softplus": softplus,
    "relu": lambda z: z if positive(z) else 0 * z,
    "leaky": lambda z, negative_slope=0.01: z if positive(z) else negative_slope * z,
    "elu": elu,
    "selu": lambda z: 1.0507009873554805 * elu(z, 1.6732632423543772),
    "silu": lambda z: z * sigmoid(z),
    "gelu": lambda z: 0.5 * z * (1 + cmath.tanh(GELU * (z + 0.044715 * z**3))),
}


def cross_entropy(z, t):
    largest = max(value.real for value in z)
    total = sum(cmath.exp(value - largest) for value in z)
    return sum(-t_k * (z_k - largest - cmath.log(total)) for z_k, t_k in zip(z, t, strict=True))


def squared_error(z, t, output="sigmoid", factor=1.0):
    g = ACTIVATIONS[output]
    return factor * sum((g(z_k) - t_k) ** 2 for z_k, t_k in zip(z, t, strict=True))


def binary_cross_entropy(z, t):
    return sum(softplus(z_k) - t_k * z_k for z_k, t_k in zip(z, t, strict=True))


COSTS = {
    "cross_entropy": cross_entropy,
    "squared_error": squared_error,
    "binary_cross_entropy": binary_cross_entropy,
}


def mean_cost(layers, x, targets, activation, cost):
    """Mean cost of a network given as [(weights[j][k], biases[k])], j a unit of the layer below."""
    total = 0
    for inputs, target in zip(x, targets, strict=True):
        a = [complex(value) for value in inputs]
        for number, (weights, biases) in enumerate(layers, start=1):
            z = [
                biases[k] + sum(a[j] * weights[j][k] for j in range(len(a)))
                for k in range(len(biases))
            ]
            a = z if number == len(layers) else [activation(value) for value in z]
        total += cost(z, target)
    return total / len(x)


def derivative(layers, x, targets, activation, cost, place):
    """dC/dtheta of one parameter, place = (layer from 0, row from 0 = bias, column)."""
    layer, row, column = place
    moved = [([list(map(complex, w)) for w in ws], list(map(complex, bs))) for ws, bs in layers]
    weights, biases = moved[layer]
    if row == 0:
        biases[column] += 1j * H
    else:
        weights[row - 1][column] += 1j * H
    return mean_cost(moved, x, targets, activation, cost).imag / H


def _mean(values):
    return sum(values) / len(values)


def _standardised(values, eps, centred):
    mean = _mean(values) if centred else 0
    root = cmath.sqrt(_mean([(v - mean) ** 2 for v in values]) + eps)
    return [(v - mean) / root for v in values]


def normalised(rows, norm, own, eps=1e-5):
    """Rows of u, one an example, after a norm with the gain and shift that `own` may have."""
    if norm == "none":
        return rows
    if norm == "batch":
        columns = [_standardised(column, eps, True) for column in zip(*rows, strict=True)]
        rows = [list(row) for row in zip(*columns, strict=True)]
    else:
        rows = [_standardised(row, eps, norm == "layer") for row in rows]
    gain = own.get("gain", [1] * len(rows[0]))
    shift = own.get("shift", [0] * len(rows[0]))
    return [[g * v + s for g, v, s in zip(gain, row, shift, strict=True)] for row in rows]


def affine(rows, theta):
    """theta^T (1, a) of each row a; row 0 of theta holds the biases."""
    return [
        [
            theta[0][k] + sum(a[j] * theta[j + 1][k] for j in range(len(a)))
            for k in range(len(theta[0]))
        ]
        for a in rows
    ]


def _sum(one, other, factor):
    return [
        [v + factor * w for v, w in zip(*rows, strict=True)]
        for rows in zip(one, other, strict=True)
    ]


def residual(
    arrays, x, activation, *, order="none", every=1, scale=1.0, norm="none", first=None, moved=None
):
    """Every layer's stream h or a, its z, and the outputs, of a network with skips and a norm.

    Args:
        arrays: of each layer, theta and what else it has by name.
        x: rows of inputs.
        activation: g of one number.
        order: none, pre, post, full or fixup.
        every: layers a block.
        scale: of the branch, where a layer has none of its own.
        norm: none, batch, layer or rms.
        first: the stream of the first layer (z, if there are no skips), in place of what is
            computed.
        moved: (layer, rows): what is added to that layer's stream.
    """

    def shifted(rows, number):
        return _sum(rows, moved[1], 1) if moved is not None and moved[0] == number else rows

    def g(rows):
        return [[activation(value) for value in row] for row in rows]

    streams, zs = [None], [None]
    a = [[complex(value) for value in row] for row in x]
    in_h = order in ("pre", "fixup")
    for number, own in enumerate(arrays[:-1], start=1):
        ends = number > 1 and (number - 1) % every == 0
        s = own.get("scale", scale)
        u = affine(a, own["theta"])
        below = streams[number - every] if ends else None
        if in_h:
            h = _sum(below, u, s) if ends else u
            h = shifted(first if number == 1 and first is not None else h, number)
            beta, alpha = own.get("beta", 0), own.get("alpha", 0)
            z = normalised([[v + beta for v in row] for row in h], norm, own)
            a = [[v + alpha for v in row] for row in g(z)]
            stream = h
        elif order == "full" and number == 1:
            z = u if first is None else first
            stream = a = shifted(z, number)
        else:
            z = normalised(u, norm, own)
            if order == "none" and number == 1 and first is not None:
                z = first
            branch = g(z)
            if ends and order == "full":
                branch = affine(branch, own["outer"])
            a = _sum(below, branch, s) if ends and order != "none" else branch
            if order == "post" and number == 1 and first is not None:
                a = first
            stream = a = shifted(a, number)
        streams.append(stream)
        zs.append(z)
    return streams[1:], zs[1:], affine(a, arrays[-1]["theta"])
