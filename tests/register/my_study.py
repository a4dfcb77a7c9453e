"""A user's script, which registers a row of each kind; tests run it as `python my_study.py ...`."""

import numpy as np

import bpexp

FACTOR = 0.5


@bpexp.register.activation
def squareplus(z, *, b: float = 4.0):
    """g(z) = (z + sqrt(z^2 + b)) / 2."""
    root = np.sqrt(z * z + b)
    return (z + root) * FACTOR, (1 + z / root) / 2


@bpexp.register.activation
def mish(z):
    """g(z) = z tanh(log(1 + exp z)), without g'."""
    return z * np.tanh(np.logaddexp(z, 0))


@bpexp.register.init
def fan_out(n_in, n_out, *, gain=1.0):
    """Var W = gain / n_out."""
    return gain / n_out


@bpexp.register.optimizer(slots=1)
def heavy_ball(gradient, state, *, mu=0.9):
    """v <- mu v + dC/dtheta; theta <- theta - eta v."""
    state[0] = mu * state[0] + gradient
    return state[0]


@bpexp.register.cost
def pseudo_huber(z, t, *, d=1.0):
    """C = d^2 sum_k (sqrt(1 + ((z_k - t_k) / d)^2) - 1)."""
    r = (z - t) / d
    root = np.sqrt(1 + r * r)
    return d**2 * (root - 1).sum(axis=0), d * r / root


@bpexp.register.schedule
def square_root(step, steps):
    """1 / sqrt(s)."""
    return step**-0.5


@bpexp.register.dataset
def stripes(*, examples=60):
    """Two classes: which half of the pixels is lit."""
    y = np.arange(examples) % 2
    x = np.repeat(np.stack([y, 1 - y], 1), 3, axis=1).astype(float)
    return x, np.array(["left", "right"])[y]


@bpexp.register.instrument(dims=("layer",))
def largest_weight(network):
    """The largest size of a weight."""
    return [np.abs(theta[1:]).max() for theta in network.layers]


if __name__ == "__main__":
    bpexp.main()
