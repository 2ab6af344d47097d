"""Updates of small RBMs: scikit-learn's PCD-1, and CD-1 in NumPy with one product a pass and steps in place.

Both are held against harmonium by what they learn from the same start: mean log-likelihoods of a 16-16 machine, enumerated, and the sum of
its squared weights, which means in place of samples would more than double, over several seeds.
"""
import pathlib, subprocess, tempfile, warnings

import numpy as np

from latency import tensors
from paired import agreed, fail, fastest
from timing import per_call

VERSIONS = ("scikit-learn", "numpy")
MACHINES = [(n, m, batch) for n, m in ((16, 16), (64, 100), (256, 256)) for batch in (1, 10, 100)] + [(784, 500, 10)]
RATE = 0.01
SEEDS, EPOCHS, BATCH, LEARNING_RATE = 6, 25, 10, 0.05


def more_versions():
    return []


class NumpyCd:
    """CD-1 in f32."""

    def __init__(self, n, m, rate, seed=0):
        self.random = np.random.Generator(np.random.SFC64(seed))
        self.w = (0.01 * self.random.standard_normal((n, m))).astype(np.float32)
        self.b, self.c, self.rate = np.zeros(n, np.float32), np.zeros(m, np.float32), np.float32(rate)

    def mean(self, x, w, b):
        y = x @ w
        y += b
        np.negative(y, out=y)
        np.exp(y, out=y)
        y += 1
        return np.reciprocal(y, out=y)

    def draw(self, p):
        return (self.random.random(p.shape, np.float32) < p).astype(np.float32)

    def update(self, v0):
        p0 = self.mean(v0, self.w, self.c)
        v1 = self.draw(self.mean(self.draw(p0), self.w.T, self.b))
        p1 = self.mean(v1, self.w, self.c)
        step = self.rate / np.float32(len(v0))
        self.w += step * (v0.T @ p0 - v1.T @ p1)
        self.b += step * (v0 - v1).sum(0)
        self.c += step * (p0 - p1).sum(0)


def scikit_learn(n, m, batch, rate, seed=0):
    from sklearn.neural_network import BernoulliRBM

    return BernoulliRBM(m, learning_rate=rate, batch_size=batch, n_iter=1, random_state=seed)


def likelihood(w, b, c, data):
    """Mean ln p, by all visible states of 16 units."""
    w, b, c = (np.asarray(x, np.float64) for x in (w, b, c))
    free = lambda v: -(v @ b) - np.logaddexp(0, v @ w + c).sum(1)
    states = ((np.arange(1 << 16)[:, None] >> np.arange(16)) & 1).astype(np.float64)
    f = -free(states)
    return -free(data).mean() - (f.max() + np.log(np.exp(f - f.max()).sum()))


def pairs():
    """Eight bits, on in three of ten, and copies of them that are wrong in one of ten."""
    random = np.random.default_rng(1)
    x = random.random((1800, 8)) < 0.3
    return np.concatenate((x, x ^ (random.random((1800, 8)) < 0.1)), 1).astype(np.float32)


def shuffled(data, seed):
    """The minibatches of all epochs."""
    random = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        order = random.permutation(len(data))
        for i in range(0, len(data), BATCH):
            yield data[order[i : i + BATCH]]


def learned_by_harmonium(method, data, options, seed):
    """The parameters that it starts from, and those that it ends with."""
    chains = f"--chains {BATCH}" if method == "pcd" else ""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/data.npy", data.astype(np.uint8))
        command = f"train --data {folder}/data.npy --hidden 16 --method {method} {chains} --batch-size {BATCH} --learning-rate {LEARNING_RATE}"
        command += f" --momentum 0 --weight-decay 0 --centering none --no-pictures --seed {seed} --threads {options.threads}"
        for epochs in (0, EPOCHS):
            run = f"{command} --epochs {epochs} --out {folder}/{epochs}"
            subprocess.run([options.harmonium, *run.split()], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        machines = [tensors(pathlib.Path(folder) / f"{epochs}/model.safetensors") for epochs in (0, EPOCHS)]
    return [(x["weights.0"], x["bias.0"], x["bias.1"]) for x in machines]


def learned_by_scikit_learn(start, data, seed):
    machine = scikit_learn(16, 16, BATCH, LEARNING_RATE, seed)
    machine.partial_fit(data[:BATCH])  # makes what is replaced
    w, b, c = start
    machine.components_, machine.intercept_visible_, machine.intercept_hidden_ = np.array(w.T, order="F"), b.copy(), c.copy()
    for batch in shuffled(data, seed):
        machine.partial_fit(batch)
    return machine.components_.T, machine.intercept_visible_, machine.intercept_hidden_


def learned_by_numpy(start, data, seed):
    machine = NumpyCd(16, 16, LEARNING_RATE, seed)
    machine.w, machine.b, machine.c = (x.copy() for x in start)
    for batch in shuffled(data, seed):
        machine.update(batch)
    return machine.w, machine.b, machine.c


def check(options):
    data = pairs()
    for method, program, learned in (("pcd", "scikit-learn", learned_by_scikit_learn), ("cd", "NumPy", learned_by_numpy)):
        figures = lambda machine: (likelihood(*machine, data), (machine[0].astype(np.float64) ** 2).sum())
        ours, theirs = [], []
        for seed in range(SEEDS):
            start, end = learned_by_harmonium(method, data, options, seed)
            ours.append(figures(end))
            theirs.append(figures(learned(start, data, seed)))
        errors = np.sqrt((np.var(ours, 0, ddof=1) + np.var(theirs, 0, ddof=1)) / SEEDS)
        ours, theirs = np.mean(ours, 0), np.mean(theirs, 0)
        of = lambda x: f"{x[0]:.3f}, {x[1]:.1f}"
        told = f"of 16-16 machines after {EPOCHS} epochs of {method.upper()}-1, {SEEDS} seeds: {program} {of(theirs)}; harmonium {of(ours)}"
        told += f"; standard errors of the difference {of(errors)}; at the start {of(figures(start))}"
        if not (np.abs(ours - theirs) < 4 * errors).all():
            fail(f"mean ln p and sum of squared weights {told}")
        agreed.append(f"  mean ln p and sum of squared weights {told}")


def batches_in_turn(update, data, batch):
    at = [0]

    def next_update():
        update(data[at[0] : at[0] + batch])
        at[0] = (at[0] + batch) % (len(data) - batch + 1)

    return next_update


def peers(folder, options):
    warnings.filterwarnings("ignore", module="sklearn")
    check(options)
    found = []

    def add(work, program, call, share):
        program, limited = fastest(program, call, options)
        found.append((work, program, options.threads, lambda: limited(lambda: 1e6 * share * per_call(call, options.seconds))))

    for n, m, batch in MACHINES:
        data = np.load(folder / f"small-{n}.npy").astype(np.float32)
        work = lambda method: f"{method} of {n}-{m}: batch {batch}"
        # The public ways: whole epochs, of which the time of an update is a share, and single updates with their checks of the input.
        fit = scikit_learn(n, m, batch, RATE)
        add(work("PCD-1"), "scikit-learn fit", lambda fit=fit, data=data: fit.fit(data), 1 / -(-len(data) // batch))
        single = scikit_learn(n, m, batch, RATE).partial_fit
        add(work("PCD-1"), "scikit-learn partial_fit", batches_in_turn(single, data, batch), 1)
        add(work("CD-1"), "NumPy", batches_in_turn(NumpyCd(n, m, RATE).update, data, batch), 1)
    return found
