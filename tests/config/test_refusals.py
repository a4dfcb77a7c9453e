"""Invalid input of every kind: a message of one line, exit code 2, and no file written."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from inspect import signature
from pathlib import Path

import hydra
import numpy as np
import pytest
from helpers import IMAGES, LABELS, ROOT, idx, train_plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpexp.__main__ import main
from bpexp.command_line import tree
from bpexp.config.address import STORE
from bpexp.config.keys import Group
from bpexp.config.overrides import refuse
from bpexp.config.schema import KEYS
from bpexp.data import load_once
from bpexp.data.images import FILES
from bpexp.errors import ConfigError
from bpexp.nn import ACTIVATIONS
from bpexp.probes import INSTRUMENTS
from bpexp.sweeping.driver import Outcome
from bpexp.sweeping.hydra import register_experiments
from bpexp.sweeping.plan import make_plan

# Abbreviations of lists and ranges in the lines below: <depth> for the allowed values of depth.
ALLOWED = {
    name: ", ".join(sorted(key.table)) if isinstance(key, Group) else key.allowed
    for name, key in KEYS.items()
}
ALLOWED["keys"] = ", ".join(sorted([*KEYS, "experiment"]))
ALLOWED["instruments"] = ", ".join(sorted(INSTRUMENTS))
ALLOWED["experiment"] = ", ".join(sorted(path.stem for path in tree("experiments").glob("*.yaml")))

# the words of a command line, and the line that they must print
WORDS = [
    ("activtion=relu", "key: 'activtion' is unknown; did you mean 'activation'?"),
    ("activation=rleu", "activation: 'rleu' is not one of <activation>; did you mean 'relu'?"),
    (
        "-m activation=relu,rleu",
        "activation: 'rleu' is not one of <activation>; did you mean 'relu'?",
    ),
    ("init=he_norml", "init: 'he_norml' is not one of <init>; did you mean 'he_normal'?"),
    (
        "cost=crossentropy",
        "cost: 'crossentropy' is not one of <cost>; did you mean 'cross_entropy'?",
    ),
    (
        "optimizer=adm",
        "optimizer: 'adm' is not one of adam, momentum, nesterov, sgd; did you mean 'adam'?",
    ),
    ("data=mnst", "data: 'mnst' is not one of <data>; did you mean 'mnist'?"),
    ("stop=never", "stop: 'never' is not one of accuracy, cost, none, patience, r2"),
    ("tracking=wandb", "tracking: 'wandb' is not one of mlflow, off"),
    ("skip=residual", "skip: 'residual' is not one of fixup, identity, none, rezero"),
    ("norm=bacth", "norm: 'bacth' is not one of batch, layer, none, rms; did you mean 'batch'?"),
    ("skip=identity skip.order=pro", "skip.order: 'pro' is not one of pre, post, full"),
    ("skip=identity skip.every=3", "skip.every: 3 is not 1 or 2"),
    ("norm=rms norm.momentum=0.1", "norm.momentum: not a parameter of the chosen norm"),
    (
        "skip=identity skip.every=2 depth=4",
        "depth: 4 is not 1 plus a multiple of skip.every=2, the layers of a block",
    ),
    (
        "-m skip=none,fixup depth=3,6",
        "depth: 6 is not 1 plus a multiple of skip.every=2, the layers of a block",
    ),
    (
        "norm=batch batch_size=1 data.limit=100",
        "batch_size: 1 makes batches of one of 100 examples, which has no variance; norm=batch "
        "needs at least two",
    ),
    (
        "-m norm=none,batch batch_size=33 data.limit=100",
        "batch_size: 33 makes the last of each epoch's batches of one of 100 examples, which has "
        "no variance; norm=batch needs at least two",
    ),
    ("skip=rezero init=lsuv", "init: lsuv knows dense layers only, not skip=rezero"),
    (
        "skip=identity skip.outer_bias_variance=0.1",
        "skip.outer_weight_variance and skip.outer_bias_variance: order=pre has no outer matrix; "
        "use skip.order=full",
    ),
    ("depth=-1", "depth: -1 is not <depth>"),
    ("-m depth=2,-4", "depth: -4 is not <depth>"),
    ("-m depth=range(2,1)", "depth=range(2,1): no values"),
    ("-m depth=range(0,10,0)", "depth=range(0,10,0): range() arg 3 must not be zero"),
    ("-m depth=interval(1,2)", "depth=interval(1,2): a sweep is depth=a,b"),
    ("-m depth=1 lr=0.1,0", "lr: 0 is not <lr>"),
    ("depth=abc", "depth: 'abc' is not <depth>"),
    ("depth=2.5", "depth: 2.5 is not <depth>"),
    ("depth=true", "depth: True is not <depth>"),
    ("depth=null", "depth: None is not <depth>"),
    ("depth=[1]", "depth: [1] is not <depth>"),
    ("depth=", "depth: '' is not <depth>"),
    ("depth=10001", "depth: 10001 is not <depth>"),
    ("width=0", "width: 0 is not an integer of at least 1 and at most 65536"),
    (
        "depth=9999 width=65536",
        "width: 65536 at depth 9999 makes 42941743169546 parameters; at most 268435456 are allowed",
    ),
    ("lr=0", "lr: 0 is not <lr>"),
    ("lr=-0.1", "lr: -0.1 is not <lr>"),
    ("lr=nan", "lr: nan is not <lr>"),
    ("lr=inf", "lr: inf is not <lr>"),
    ("lr=fast", "lr: 'fast' is not <lr>"),
    ("batch_size=0", "batch_size: 0 is not an integer of at least 1 and at most 1000000000"),
    ("epochs=-1", "epochs: -1 is not an integer of at least 0 and at most 10000000"),
    ("epochs=1e3", "epochs: 1000.0 is not an integer of at least 0 and at most 10000000"),
    ("seed=-1", "seed: -1 is not an integer of at least 0 and at most 9223372036854775807"),
    ("threads=0", "threads: 0 is not an integer of at least 1 and at most 1024"),
    ("jobs=0", "jobs: 0 is not an integer of at least 1 and at most 4096, or null"),
    ("frozen=9 depth=2", "frozen: 9 is not an integer of at most depth + 1 = 3"),
    ("-m frozen=0,4 depth=2,4", "frozen: 4 is not an integer of at most depth + 1 = 3"),
    ("dtype=float16", "dtype: 'float16' is not one of float32, float64"),
    ("force=maybe", "force: 'maybe' is not true or false"),
    ("log_model=some", "log_model: 'some' is not one of best, all, none"),
    ("draw=[deed]", "draw: 'deed' is unknown; did you mean 'dead'?"),
    ("draw=[weight_norm]", "draw: weight_norm is not measured; add measure=[weight_norm]"),
    (
        "measure=[weight_nrom]",
        "measure: 'weight_nrom' is unknown; did you mean 'weight_norm'?",
    ),
    (
        "measure=[jacobian_spectrum]",
        "measure: jacobian_spectrum has a key of its own, probe.jacobian",
    ),
    ("draw=dead", "draw: 'dead' is not <draw>"),
    (
        "figures.format=[pgn]",
        "figures.format: 'pgn' is not one of pdf, png, svg; did you mean 'png'?",
    ),
    ("figures.format=pdf", "figures.format: 'pdf' is not <figures.format>"),
    ("figures.format=[]", "figures.format: [] is not <figures.format>"),
    ("forecast=maybe", "forecast: 'maybe' is not one of off, on, only"),
    ("probe.every=-1", "probe.every: -1 is not <depth>00000, or null"),
    ("probe.evry=2", "key: 'probe.evry' is unknown; did you mean 'probe.every'?"),
    ("probe=3", "key: 'probe' is unknown; did you mean 'probe.every'?"),
    ("checkpoint.seconds=0", "checkpoint.seconds: 0 is not <lr>, or null"),
    ("study=../../x", "study: '../../x' is not <study>"),
    ("study='a/b'", "study: 'a/b' is not <study>"),
    ("study='.hidden'", "study: '.hidden' is not <study>"),
    ("study='a\nb'", "study: 'a\\nb' is not <study>"),
    ("study=sweeps/x", "study: 'sweeps/x' is not <study>"),
    (
        "activation=leaky activation.negative_slope=2",
        "activation.negative_slope: 2.0 is not a number in [0, 1]",
    ),
    (
        "activation=leaky activation.negative_slope=x",
        "activation.negative_slope: 'x' is not a number",
    ),
    (
        "activation.negative_slop=1",
        "activation.negative_slop: 'negative_slop' is not one of alpha, negative_slope; "
        "did you mean 'negative_slope'?",
    ),
    (
        "activation.negative_slope=1",
        "activation.negative_slope: not a parameter of the chosen activation",
    ),
    (
        "activation=elu activation.alpha=-1",
        "activation.alpha: -1.0 is not a finite number of at least 0",
    ),
    ("init=normal init.std=-1", "init.std: -1.0 is not a finite number of at least 0"),
    ("init=mean_field init.sigma_w2=nan", "init.sigma_w2: nan is not a finite number above 0"),
    ("optimizer.momentum=0.9", "optimizer.momentum: not a parameter of the chosen optimizer"),
    (
        "optimizer=momentum optimizer.momentum=1.5",
        "optimizer.momentum: 1.5 is not a number in [0, 1)",
    ),
    ("optimizer.clip_norm=0", "optimizer.clip_norm: 0.0 is not a finite number above 0"),
    (
        "cost=squared_error cost.output=sigmoit",
        f"cost.output: 'sigmoit' is not one of {', '.join(ACTIVATIONS)}",
    ),
    ("cost=squared_error cost.factor=0.3", "cost.factor: 0.3 is not 1 or 0.5"),
    ("stop=cost stop.target=0", "stop.target: 0.0 is not a number above 0"),
    ("data=mnist data.root=/nowhere", "data.root: '/nowhere' is not a folder"),
    ("data=npz", "data.path: '' is not the path of an npz file"),
    ("data=npz data.path=/nowhere.npz", "/nowhere.npz: cannot be read: No such file or directory"),
    ("data=parity data.bits=99", "data.bits: 99 is not an integer from 3 to 20"),
    ("data.limit=0", "data.limit: 0 is not an integer of at least 1, or null"),
    ("data.scale=2", "data.scale: 2 is not true or false"),
    ("depth=2,4", "depth=2,4: several values are a sweep: python -m bpexp -m ..."),
    ("-m depth=2,4 depth=8", "depth: given twice; a sweep is depth=a,b"),
    ("depth=2 depth=3", "depth: given twice; a sweep is depth=a,b"),
    ("+foo=1", "key: 'foo' is not one of <keys>"),
    ("+experimnt=x", "key: 'experimnt' is unknown; did you mean 'experiment'?"),
    ("depth", "depth: no value; an override is key=value"),
    ("=3", "=3: no key before '='"),
    ("depth=[", "depth=[: no viable alternative at input '['"),
    ("lr=0.1]", "lr=0.1]: extraneous input ']' expecting <EOF>"),
    ("~depth", "depth: every run has one; it cannot be deleted"),
    ("~activation", "activation: every run has one; it cannot be deleted"),
    ("study=..", "study: '..' is not <study>"),
    ("study='say \"x\"'", "study: 'say \"x\"' is not <study>"),
    ("study=con.", "study: 'con.' is not <study>"),
    ("study=''", "study: '' is not <study>"),
    ("study=null", "study: None is not <study>"),
    (
        "-m study=a,b depth=1",
        "study=a,b: study does not change a run's numbers; give one value",
    ),
    ("-m jobs=1,2", "jobs=1,2: jobs does not change a run's numbers; give one value"),
    (
        "-m tracking.uri=a,b",
        "tracking.uri=a,b: tracking.uri does not change a run's numbers; give one value",
    ),
    ("-m draw=[q],[dead]", "draw=[q],[dead]: draw does not change a run's numbers; give one value"),
    ("-m depth=1,2 --cfg job", "--cfg: shows one run; leave out -m, and give each key one value"),
    ("-m depth=1,2 --info all", "--info: shows one run; leave out -m, and give each key one value"),
    ("--resolve depth=1", "--resolve: goes with --cfg"),
    (
        "hydra.sweep.dir=x",
        "hydra.sweep.dir: without effect; runs are written below runs/",
    ),
    (
        "hydra.run.dir=x",
        "hydra.run.dir: without effect; runs are written below runs/",
    ),
    (
        "experiment=vanishing",
        "experiment=vanishing: is a sweep: python -m bpexp -m experiment=vanishing ...",
    ),
    (
        "data=npz data.path=a(b.npz",
        "data.path=a(b.npz: no viable alternative at input 'a(b.npz'; text with special characters "
        "is quoted: 'data.path=\"a(b.npz\"'",
    ),
    ("study='${seed}'", "study: 0 is not text; quote it: 'study=\"0\"'"),
    ("~data=digits", "data: every run has one; it cannot be deleted"),
    ("~data=0", "data: every run has one; it cannot be deleted"),
    ("~depth=4", "depth: every run has one; it cannot be deleted"),
    ("~data=0 ~experiment=0", "data: every run has one; it cannot be deleted"),
    ("~experiment=0", "~experiment=0: no such choice to delete"),
    ("~hydra=0", "~hydra=0: no such choice to delete"),
    ("~draw", "draw: every run has one; it cannot be deleted"),
    (
        "seed=9223372036854775808",
        "seed: 9223372036854775808 is not an integer of at least 0 and at most 9223372036854775807",
    ),
    ("width=65537", "width: 65537 is not an integer of at least 1 and at most 65536"),
    ("threads=2000", "threads: 2000 is not an integer of at least 1 and at most 1024"),
    ("init=uniform init.bound=1e308", "init.bound: 1e+308 is not at most 1e+30 in absolute value"),
    ("lr=1e308", "lr: 1e+308 is not <lr>"),
    ("data=npz data.path=.", ".: not a file"),
    (
        "data=npz data.path=~/x.npz",
        f"{Path.home()}/x.npz: cannot be read: No such file or directory",
    ),
    (
        "data=npz data.path=x.npz data.task=ranking",
        "data.task: 'ranking' is not one of classification, regression",
    ),
    (
        "data=mnist data.root=. data.limit=5",
        ".: no train-images-idx3-ubyte or train-images-idx3-ubyte.gz; it holds nothing",
    ),
    ("data=npz data.path=/dev/zero", "/dev/zero: not a file"),
    ("data=mnist data.root=/dev/null", "data.root: '/dev/null' is not a folder"),
    (
        "data=gaussian data.features=10000000",
        "data.features: 10000000 is not an integer of at least 1 whose arrays fit in 1 GiB",
    ),
    (
        "data=gaussian data.classes=1",
        "data.classes: 1 is not an integer from 2 to 10000000",
    ),
    ("data=gaussian data.seed=-1", "data.seed: -1 is not an integer of at least 0"),
    ("data.bits=3", "data.bits: not a parameter of the chosen data"),
    (
        "-m activation=elu,relu activation.alpha=2",
        "activation.alpha: not a parameter of the chosen activation",
    ),
    ("-m experiment=vanishing frozen=9", "frozen: 9 is not an integer of at most depth + 1 = 3"),
    (
        "-m experiment=vanishing activation=elu activation.alpha=1,-1",
        "activation.alpha: -1.0 is not a finite number of at least 0",
    ),
    (
        "-m experiment=vanishing activation=relu activation.alpha=2",
        "activation.alpha: not a parameter of the chosen activation",
    ),
    ("width=${depht}", "width: Interpolation key 'depht' not found"),
    ("-m width=${depht}", "width: Interpolation key 'depht' not found"),
    ("hydra=3", "hydra: 3 is not a group of keys"),
    ("-m hydra.sweeper=null", "hydra.sweeper: None is not a group of keys"),
    ("-m hydra.sweeper.params=3", "hydra.sweeper.params: 3 is not a group of keys"),
    ("-m init=glob(zzz*)", "no run is left of the grid: a glob matches nothing"),
    ("-m experiment=glob(zzz*)", "no run is left of the grid: a glob matches nothing"),
    ("-m depth=glob(*)", "depth=glob(*): a sweep is depth=a,b"),
    ("hydra.nothing=1", "hydra.nothing: no such key"),
    ("draw=[[dead]]", "draw: [['dead']] is not <draw>"),
    ("draw=[{a:1}]", "draw: [{'a': 1}] is not <draw>"),
    *(
        (f"tracking.uri={address}", f"tracking.uri: '{address}' is not {STORE}")
        for address in ("foo", "./mlruns", "/abs/mlruns", "file:///x", "file:x", "http:/x", "://x")
    ),
    ("tracking=off tracking.uri=x", "tracking.uri: not a parameter of the chosen tracking"),
    (
        "probe.examples=1",
        "probe.examples: 1 is not an integer of at least 2 and at most 1000000000",
    ),
    (
        "checkpoint.every=0",
        "checkpoint.every: 0 is not an integer of at least 1 and at most 1000000000, or null",
    ),
    ("-m depth=", "depth: '' is not <depth>"),
    ("-m depth=1,,2", "depth=1,,2: extraneous input ','"),
    ("depth={a:1}", "depth: {'a': 1} is not <depth>"),
    ("activation=[relu]", "activation: ['relu'] is not one of <activation>; did you mean 'relu'?"),
    ("activation=null", "activation: None is not one of <activation>"),
    ("activation.name=tanh", "activation.name: 'name' is not one of alpha, negative_slope"),
    (
        "data.name=npz",
        "data.name: 'name' is not one of activation, bits, checksum, classes, depth, examples, "
        "features, limit, noise, outputs, path, root, scale, seed, standardize, target, task, "
        "test, width",
    ),
    (
        "data=diabetes",
        "cost: cross_entropy does not fit a regression task; use cost=squared_error "
        "cost.output=identity",
    ),
    (
        "-m data=digits,teacher cost=squared_error",
        "cost: squared_error output=sigmoid does not fit a regression task; use "
        "cost=squared_error cost.output=identity",
    ),
    (
        "data=diabetes cost=squared_error cost.output=identity stop=accuracy",
        "stop: accuracy does not fit a regression task; use stop=r2",
    ),
    ("stop=r2", "stop: r2 does not fit a classification task; use stop=accuracy"),
    (
        "data=teacher data.width=0",
        "data.width: 0 is not an integer of at least 1 whose arrays fit in 1 GiB",
    ),
    (
        "data=teacher data.activation=rleu",
        "data.activation: 'rleu' is not one of <activation>; did you mean 'relu'?",
    ),
    (
        "data=teacher data.activation=sigmoid data.depth=60",
        "data.depth: 60 is not a depth at which outputs of a random sigmoid network differ",
    ),
    ("data=teacher data.noise=-1", "data.noise: -1.0 is not a number from 0 to 1e+06"),
    ("force=1", "force: 1 is not true or false"),
    ("optimizer=adam optimizer.beta1=1", "optimizer.beta1: 1.0 is not a number in [0, 1)"),
    ("stop=accuracy stop.target=2", "stop.target: 2.0 is not a number in (0, 1]"),
    ("init=orthogonal init.gain=0", "init.gain: 0.0 is not a finite number above 0"),
    ("depth\n=3", "'depth\\n=3': token recognition error at: '\\n'"),
    ("dépth=3", "dépth=3: token recognition error at: 'é'"),
    ("=", "=: no key before '='"),
    ("experiment=null", "experiment: None is not one of <experiment>"),
    ("-m experiment=../x", "experiment: '../x' is not one of <experiment>"),
    (f"study={'x' * 300}", f"study: '{'x' * 76}... is not <study>"),
    (f"study='{'中' * 100}'", f"study: '{'中' * 76}... is not <study>"),
    (f"data=npz data.path={'a' * 300}", f"{'a' * 300}: cannot be read: File name too long"),
    (f"data=mnist data.root={'a' * 5000}", f"data.root: '{'a' * 76}... is not a folder"),
]


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def zipped(name, content, *others):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in (name, *others):
            archive.writestr(member, content)
    return buffer.getvalue()


def header(shape, dtype="<f8"):
    buffer = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


class Evil:
    def __reduce__(self):
        return (open, ("executed", "w"))


X, Y = np.arange(120.0).reshape(40, 3), np.arange(40) % 4
NAN = npz(x=X * np.nan, y=Y)
TORN = npz(x=X, y=Y)[:-30]
FAR = b"\0\0\x08\x03" + b"\xff" * 12
CLAIM = gzip.compress(b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (10**5, 1000, 1000)))
OBJECTS = npz(x=np.array([Evil()] * 40, dtype=object), y=Y)

# the content of mine.npz, and the line that it must print
ARRAYS = {
    "text": (b"hello", "mine.npz: cannot be read: File is not a zip file"),
    "empty": (b"", "mine.npz: cannot be read: File is not a zip file"),
    "torn": (TORN, "mine.npz: cannot be read: File is not a zip file"),
    "no arrays": (
        zipped("a.txt", b"hello"),
        "mine.npz: holds a.txt, not x and y, or x_train, y_train, x_test, y_test",
    ),
    "no labels": (npz(x=X), "mine.npz: holds x, not x and y, or x_train, y_train, x_test, y_test"),
    "objects": (
        OBJECTS,
        "mine.npz: x.npy holds objects (a pickle, which is never read): a sparse matrix is saved "
        "as .toarray(), text as .astype(str)",
    ),
    "a long claim": (
        zipped("x.npy", header((10**9, 10**3)) + b"1", "y.npy"),
        "mine.npz: x.npy is shorter than its header says",
    ),
    "a bomb": (
        zipped("x.npy", header((2**20, 2**4)) + bytes(2**20), "y.npy"),
        "mine.npz: x.npy is shorter than its header says",
    ),
    "NaN": (
        npz(x=X * np.nan, y=Y),
        "mine.npz: training inputs are not finite floating-point numbers",
    ),
    "text in it": (npz(x=X.astype(str), y=Y), "mine.npz: x holds text, not real numbers"),
    "counts": (
        npz(x=X, y=Y[1:]),
        "mine.npz: shapes (40, 3) and (39,) are not (N, ...), and (N,) or (N, K), N >= 10",
    ),
    "set empty": (npz(x=X[:0], y=Y[:0]), "mine.npz: holds no examples"),
    "fractions": (
        npz(x=X, y=Y / 2),
        "cost: cross_entropy does not fit a regression task; use cost=squared_error "
        "cost.output=identity",
    ),
    "complex": (npz(x=X, y=Y * 1j), "mine.npz: y holds complex numbers, not labels or targets"),
    "beyond float32": (
        npz(x=X * 1e40, y=Y),
        "dtype: float32 holds numbers up to 3.4e+38, and mine.npz has 1.2e+42; scale the data, or "
        "use dtype=float64",
    ),
    "targets beyond float32": (
        npz(x=X, y=X[:, 0] * 1.5e40),
        "cost: cross_entropy does not fit a regression task; use cost=squared_error "
        "cost.output=identity",
    ),
    "constant": (
        npz(x=X, y=0.5 * np.ones(40)),
        "mine.npz: training targets are all equal: there is nothing to learn",
    ),
    "infinite": (
        npz(x=X, y=np.full(40, np.inf)),
        "mine.npz: training targets are not finite numbers",
    ),
    "one class": (npz(x=X, y=Y * 0), "mine.npz: all labels are 0: there is nothing to learn"),
}

IMAGE, LABEL = FILES[0], FILES[1]
# the content of one of the four IDX files, and the line that it must print
IMAGE_FILES = {
    "truncated": (IMAGE, idx(IMAGES)[:-1], "only 599 bytes of values where the header says 600"),
    "longer": (IMAGE, idx(IMAGES) + b"x", "more bytes of values where the header says 600"),
    "short": (IMAGE, b"\0\0\x08", "3 bytes are too short for an IDX header"),
    "empty": (IMAGE, b"", "0 bytes are too short for an IDX header"),
    "magic": (IMAGE, idx(IMAGES, magic=b"PK"), "not an IDX file: it begins with 504b0803"),
    "dtype": (IMAGE, idx(IMAGES, type_code=13), "IDX type 0x0d is not 0x08 (unsigned byte)"),
    "dimensions": (IMAGE, idx(LABELS[:20]), "1 dimensions, not 3"),
    "none": (IMAGE, idx(IMAGES[:0]), "dimensions (0, 4, 5) are empty or over 1073741824 bytes"),
    "huge": (IMAGE, FAR, f"dimensions {(2**32 - 1,) * 3} are empty or over 1073741824 bytes"),
    "counts": (LABEL, idx(LABELS[:-1]), "30 images but 29 labels"),
    "no gzip": (f"{IMAGE}.gz", b"hello, this is text", "not an IDX file: it begins with 68656c6c"),
    "torn gzip": (
        f"{IMAGE}.gz",
        gzip.compress(idx(IMAGES))[:-9],
        "cannot be read: Compressed file ended before the end-of-stream marker was reached",
    ),
    "100 GB": (
        f"{IMAGE}.gz", CLAIM, "dimensions (100000, 1000, 1000) are empty or over 1073741824 bytes",
    ),
    "bomb": (
        f"{IMAGE}.gz",
        gzip.compress(idx(IMAGES) + bytes(2**26)),
        "more bytes of values where the header says 600",
    ),
}  # fmt: skip


def test_there_are_enough_of_them():
    assert len(WORDS) + len(ARRAYS) + len(IMAGE_FILES) >= 60


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def split(words):
    """Split at spaces outside of quotes; the shell's quotes stay, Hydra's grammar knows them."""
    return re.findall(r"(?:[^ ']|'[^']*')+", words)


def bpexp(words, monkeypatch):
    """Run the command line in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["bpexp", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


def expanded(line):
    return re.sub(r"<([\w.]+)>", lambda found: ALLOWED.get(found[1], found[0]), line)


def refused(words, line, folder, monkeypatch, capsys):
    before = sorted(folder.rglob("*"))
    load_once.cache_clear()  # another test's mine.npz
    assert bpexp(words, monkeypatch) == 2
    assert capsys.readouterr() == ("", f"{line}\n")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("words", "line"), WORDS, ids=[words[:40] for words, _ in WORDS])
def test_words_that_cannot_be_meant(words, line, empty, monkeypatch, capsys):
    tracking = [] if "tracking" in words else ["tracking=off"]
    refused([*split(words), *tracking], expanded(line), empty, monkeypatch, capsys)


@pytest.mark.parametrize("case", ARRAYS)
def test_an_invalid_file_of_a_user_is_refused(case, empty, monkeypatch, capsys):
    content, line = ARRAYS[case]
    (empty / "mine.npz").write_bytes(content)
    refused(["data=npz", "data.path=mine.npz"], line, empty, monkeypatch, capsys)


@pytest.mark.parametrize("case", IMAGE_FILES)
def test_idx_files_that_are_none(case, empty, monkeypatch, capsys):
    file, content, line = IMAGE_FILES[case]
    for name in FILES:
        (empty / name).write_bytes(idx(IMAGES if "images" in name else LABELS))
    (empty / file.removesuffix(".gz")).unlink()
    (empty / file).write_bytes(content)
    named = IMAGE if file == LABEL else file  # the message about different counts names the images
    refused(["data=fashion_mnist", "data.root=."], f"{named}: {line}", empty, monkeypatch, capsys)


@pytest.mark.parametrize(
    "words", ["depth=-1", "-m lr=0.1,nan", "data=npz data.path=.", "=3", "depth=["]
)
def test_the_same_in_a_process_of_its_own(words, empty):
    command = [sys.executable, "-m", "bpexp", *words.split()]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)
    lines = dict(WORDS)
    known = lines.get(words) or lines["lr=nan"]
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{expanded(known)}\n")
    assert not list(empty.iterdir())


MEANT = [
    [
        "activation='relu','tanh'",
        "dtype='float32','float64'",
        "measure=['weight_norm'],['weight_spectrum']",
    ],
    ["experiment=glob(dead*)", "frozen=9"],
    ["experiment='he','dead_relus'", "frozen=9"],
    ["experiment=vanishing", "frozen=9", "depth=9"],
    ["experiment=vanishing", "activation=leaky", "activation.negative_slope=0.1"],
    ["experiment=frozen_prefix", "frozen=9", "quick=true"],
    ["experiment=deep_information_propagation", "init.sigma_w2=1"],
    ["frozen=9", "+hydra.sweeper.params={depth: 10}"],
    ["frozen=0,3,5", "depth=range(4,8)"],
    ["activation=leaky", "activation.negative_slope=choice(0.1,0.2)"],
    ["activation=leaky", "activation.negative_slope=${lr}"],
    ["width=${depth}"],
    ["~activation.negative_slope", "activation=leaky"],
    ["~checkpoint.seconds"],
    ["hydra.sweeper.params=null", "experiment=frozen_prefix", "depth=0"],
    ["hydra={sweeper: {params: null}}", "experiment=frozen_prefix", "depth=0"],
    ["experiment=stop_criterion", "data=digits", "~data.bits"],
]


@pytest.mark.parametrize("arguments", MEANT, ids=" ".join)
def test_what_hydra_can_compose_is_not_refused_from_the_words(arguments):
    refuse(arguments, multirun=True, trains=True, conf=ROOT / "conf", studies=ROOT / "experiments")


@pytest.mark.parametrize("mode", ["hydra.mode=MULTIRUN", "++hydra.mode='MULTIRUN'"])
def test_hydras_mode_makes_a_sweep(mode):
    refuse(
        [mode, "depth=1,2"],
        multirun=False,
        trains=True,
        conf=ROOT / "conf",
        studies=ROOT / "experiments",
    )


def test_the_grid_of_a_study_is_not_checked_without_multirun():
    words = ["experiment=deep_information_propagation", "init=glorot_normal", "~init.sigma_b2"]
    refuse(words, multirun=False, trains=False, conf=ROOT / "conf", studies=ROOT / "experiments")
    with pytest.raises(ConfigError, match="sigma_w2: not a parameter"):
        refuse(words, multirun=True, trains=True, conf=ROOT / "conf", studies=ROOT / "experiments")


STUDIES = [  # a study's text, words that it takes, words that it does not
    ("depth: 8", "frozen=9", "frozen=10"),
    ("hydra: {sweeper: {params: {depth: '8,10'}}}", "frozen=9", "frozen=10"),
    ("defaults: [initialization]", "frozen=30", ""),
    ("defaults: [{override /activation: leaky}]", "activation.negative_slope=0", "frozen=6"),
    ("defaults: [{override /activation: [relu]}]", "activation.negative_slope=0", ""),
    ("defaults: [{override /activation@activation: elu}]", "activation.alpha=2", ""),
    ("activation: {name: elu}\ndefaults: [{override /activation: relu}]", "activation.alpha=2", ""),
    ("activation: {name: elu, alpha: 1e-2}", "frozen=3", "activation.alpha=-1"),
    ("hydra: {sweeper: {params: }}", "frozen=9 depth=9", ""),
    ("depth: ${width}", "frozen=9", ""),
    ("", "frozen=2", ""),
    ("defaults: ", "frozen=2", ""),
    ("- 1", "frozen=2", ""),
    ("hydra: null", "frozen=2", ""),
    ("a: b: c", "frozen=2", ""),
    ("\udcff", "frozen=2", ""),
]


@pytest.mark.parametrize(("text", "taken", "refused"), STUDIES)
def test_a_users_study_is_checked_as_hydra_reads_it_or_not_at_all(tmp_path, text, taken, refused):
    (tmp_path / "own.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    judge = partial(refuse, multirun=True, trains=True, conf=ROOT / "conf", studies=tmp_path)
    judge(["experiment=own", *taken.split()])
    if refused:
        with pytest.raises(ConfigError):
            judge(["experiment=own", *refused.split()])


def test_the_refusal_of_a_study_that_is_not_yaml_names_it(tmp_path):
    (tmp_path / "broken.yaml").write_text("a: b: c")
    with pytest.raises(ConfigError, match=r"broken\.yaml: mapping values"):
        register_experiments(tmp_path)


@pytest.mark.parametrize("form", ["experiment", "+hydra.sweeper.params.experiment"])
def test_a_study_is_found_by_every_spelling(empty, form):
    words = ["-m", f"{form}=he", "quick=true", "forecast=only", "tracking=off"]
    command = [sys.executable, "-m", "bpexp", *words]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)
    if form.startswith("+hydra") and not hydra.__version__.startswith("1.3."):
        # 1.4 does not let a swept choice set Hydra's own keys, as a study's grid does
        assert done.returncode == 2
        assert "'hydra.sweeper' must be configured before the sweep starts" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert (empty / "runs" / "he").is_dir()


PARAMETERS = sorted(
    f"{name}.{parameter}"
    for name, key in KEYS.items()
    if isinstance(key, Group)
    for row in key.table.values()
    for parameter in signature(row).parameters
)
SMALL = {"data.limit": "40", "width": "4", "depth": "1", "epochs": "1", "tracking": "off"}
# Valid values are small, because accepted runs are trained.
IDENTITY_KEYS = st.one_of(
    st.integers(-2, 5),
    st.sampled_from([17, 2**31, 2**63, 10**30, 0.5, 1e-300, 1e29, 1e308, "nan", "inf", "-0.0"]),
    st.floats(-2, 2, width=16),
)
NAMES = st.sampled_from([row for key in KEYS.values() for row in getattr(key, "table", ())])
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)
VALUES = st.one_of(
    IDENTITY_KEYS.map(str),
    NAMES,
    st.sampled_from(
        ["", "null", "true", "float64", "best", "[1]", "{a:1}", "1,2", "range(2)", "../x"]
    ),
    TEXT,
    TEXT.map("'{}'".format),
)


@pytest.fixture
def trained(empty, monkeypatch):
    """Train accepted runs in this process, without figures; return their statuses."""
    statuses = []

    def run_sweep(configs, multirun):
        plan = make_plan(configs, empty)
        statuses.extend(train_plan(plan).values())
        shutil.rmtree(empty / "runs", ignore_errors=True)
        return Outcome([m.identity for m in plan.members], 0, [None] * len(configs))

    monkeypatch.setattr("bpexp.sweeping.hydra._run_sweep_here", run_sweep)
    return statuses


@settings(
    max_examples=int(os.environ.get("BPEXP_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    st.dictionaries(st.sampled_from([*KEYS, *PARAMETERS]), VALUES, min_size=1, max_size=2),
    st.sampled_from(["", "", "", "+", "++", "~"]),
    st.booleans(),
)
def test_any_override_runs_or_is_refused_in_one_line(trained, monkeypatch, words, sign, multirun):
    words = [f"{key}={value}" for key, value in (SMALL | words).items()]
    words[-1] = sign + words[-1]
    monkeypatch.setattr(sys, "argv", ["bpexp", *words, *(["-m"] if multirun else [])])
    err = io.StringIO()
    with contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main()
    told = err.getvalue()
    assert (stop.value.code, told.count("\n")) in ((0, 0), (2, 1)), told
    assert "FAILED" not in trained
