"""Wide random networks in plain NumPy, forward and backward, with nothing of bpexp.

Rows are examples. Each operation returns its result and the function that takes the gradient with
respect to the result to that with respect to its argument.
"""

from __future__ import annotations

import numpy as np

G = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "identity": (lambda z: z, np.ones_like),
}


def affine(rng, x, variance, bias=0.0):
    """u = x W + b, Var W = variance / n, Var b = bias."""
    n = x.shape[1]
    w = rng.standard_normal((n, n)) * np.sqrt(variance / n)
    b = rng.standard_normal(n) * np.sqrt(bias)
    return x @ w + b, lambda d: d @ w.T


def norm(kind, u):
    if kind is None:
        return u, lambda d: d
    axis = 0 if kind == "batch" else 1
    x = u if kind == "rms" else u - u.mean(axis=axis, keepdims=True)
    size = np.sqrt((x**2).mean(axis=axis, keepdims=True))
    z = x / size

    def back(d):
        d = d - z * (d * z).mean(axis=axis, keepdims=True)
        if kind != "rms":
            d = d - d.mean(axis=axis, keepdims=True)
        return d / size

    return z, back


def active(name, z):
    g, slope = G[name]
    return g(z), lambda d: d * slope(z)


def block(rng, x, order, kind, g, every, w2, b2, v2, a2):
    """One block's branch, or one layer of a plain network, from u to u."""
    backs = []

    def step(result):
        backs.append(result[1])
        return result[0]

    if order in ("plain", "pre"):
        for _ in range(every):
            x = step(active(g, step(norm(kind, x))))
            x = step(affine(rng, x, w2, b2))
    else:
        for _ in range(every):
            x = step(affine(rng, x, w2, b2))
            x = step(active(g, step(norm(kind, x))))
        if order == "full":
            x = step(affine(rng, x, v2, a2))

    def back(d):
        for each in reversed(backs):
            d = each(d)
        return d

    return x, back


def network(
    seed, order, g, *, kind=None, width, blocks, examples=8, every=1, scale=1.0, w2=1.0, b2=0.0,
    v2=1.0, a2=0.0,
):  # fmt: skip
    """Mean squares of the signal, and of the gradient, at the input and after each block.

    The input is Gaussian of mean square 1; the gradient starts as Gaussian noise at the output.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((examples, width))
    squares, backs = [np.mean(x**2)], []
    for _ in range(blocks):
        branch, back = block(rng, x, order, kind, g, every, w2, b2, v2, a2)
        x = branch if order == "plain" else x + scale * branch
        squares.append(np.mean(x**2))
        backs.append(back)
    d = rng.standard_normal(x.shape)
    gradients = [np.mean(d**2)]
    for back in reversed(backs):
        d = back(d) if order == "plain" else d + scale * back(d)
        gradients.insert(0, np.mean(d**2))
    return np.array(squares), np.array(gradients)


def mean_factor(values, left_out=5):
    """The mean over draws (D, N + 1) of the factor from one value to the next.

    The first and last ones are left out. Ratios are averaged, not their logarithms, whose mean is
    low in networks of finite width.
    """
    values = np.asarray(values)
    inner = values[:, left_out : values.shape[1] - left_out]
    return np.mean(inner[:, 1:] / inner[:, :-1])
