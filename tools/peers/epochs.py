"""Epochs and Gibbs sweeps of an RBM, and of deep machines, beside PyTorch, JAX and scikit-learn, in GCU/s.

Each peer is written as its experts would: one fused matrix product with bias a pass, in-place updates, no copies, whole epochs jitted
where the library can. Work: RBM 784-500 on MNIST thresholded at 0.5, 60,000 examples, batches of 100, plain SGD; the deep machines of
deep.py and of `harmonium bench --only deep`, a tenth of an epoch times ten. Ratios are medians over the rounds.
"""
import csv, gzip, json, pathlib, statistics, subprocess, sys, tempfile

import numpy as np

from timing import timed

N, M, BATCH, RATE, CHAINS, SWEEPS = 784, 500, 100, 0.05, 1000, 50
root = pathlib.Path(__file__).resolve().parents[2]
with gzip.open(root / "data/mnist/train-images-idx3-ubyte.gz") as file:
    images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, N)
data = (images > 127).astype(np.float32)
start = (0.01 * np.random.default_rng(0).standard_normal((N, M))).astype(np.float32)
EPOCH = 5 * len(data) * N * M
GIBBS = 2 * CHAINS * SWEEPS * N * M
LOWER, UPPER = 784 * 500, 500 * 1000
UPDATES = {  # connection updates, as `harmonium bench` counts them
    "CD-1 epoch": EPOCH,
    "smoothed CD-1 epoch": EPOCH,
    "PCD-1 epoch": EPOCH,
    "Gibbs sweeps": GIBBS,
    "up-down epoch": len(data) * (6 * (784 * 500 + 500 * 500) + 9 * 510 * 2000),
    "Algorithm 20.1 epoch": len(data) * (2 * LOWER + 21 * UPPER + 12 * (LOWER + UPPER)),
    "DBM Gibbs sweeps": 2 * CHAINS * SWEEPS * (LOWER + UPPER),
}
TENTHS = ("up-down epoch", "Algorithm 20.1 epoch")  # timed on a tenth of the examples

def torch_peers(threads):
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    x = torch.from_numpy(data)
    order = torch.randperm(len(x))

    def draw_uniform(p):
        return (torch.rand_like(p) < p).float()

    def cd(draw, w, b, c, v0):
        p0 = torch.sigmoid(torch.addmm(c, v0, w))
        v1 = draw(torch.sigmoid(torch.addmm(b, draw(p0), w.t())))
        p1 = torch.sigmoid(torch.addmm(c, v1, w))
        step = RATE / len(v0)
        w.addmm_(v0.t(), p0, alpha=step).addmm_(v1.t(), p1, alpha=-step)
        b.add_((v0 - v1).sum(0), alpha=step)
        c.add_((p0 - p1).sum(0), alpha=step)

    def smoothed(draw, w, b, c, v0):
        p0 = torch.sigmoid(torch.addmm(c, v0, w))
        v1 = torch.sigmoid(torch.addmm(b, draw(p0), w.t()))
        p1 = torch.sigmoid(torch.addmm(c, v1, w))
        step = RATE / len(v0)
        w.addmm_(v0.t(), p0, alpha=step).addmm_(v1.t(), p1, alpha=-step)
        b.add_((v0 - v1).sum(0), alpha=step)
        c.add_((p0 - p1).sum(0), alpha=step)

    chains = (torch.rand(BATCH, N) < 0.5).float()

    def pcd(draw, w, b, c, v0):
        p0 = torch.sigmoid(torch.addmm(c, v0, w))
        h = draw(torch.sigmoid(torch.addmm(c, chains, w)))
        chains.copy_(draw(torch.sigmoid(torch.addmm(b, h, w.t()))))
        p1 = torch.sigmoid(torch.addmm(c, chains, w))
        step = RATE / len(v0)
        w.addmm_(v0.t(), p0, alpha=step).addmm_(chains.t(), p1, alpha=-step)
        b.add_((v0 - chains).sum(0), alpha=step)
        c.add_((p0 - p1).sum(0), alpha=step)

    def epoch(step, draw):
        def run():
            w, b, c = torch.from_numpy(start.copy()), torch.zeros(N), torch.zeros(M)
            for i in range(0, len(x), BATCH):
                step(draw, w, b, c, x[order[i : i + BATCH]])
            assert torch.isfinite(w).all()

        return run

    def gibbs(draw):
        w, b, c = torch.from_numpy(10 * start), torch.zeros(N), torch.zeros(M)

        def run():
            v = (torch.rand(CHAINS, N) < 0.5).float()
            for _ in range(SWEEPS):
                v = draw(torch.sigmoid(torch.addmm(b, draw(torch.sigmoid(torch.addmm(c, v, w))), w.t())))
            assert torch.isfinite(v).all()

        return run

    for name, draw in (("rand < p", draw_uniform), ("bernoulli", torch.bernoulli)):
        yield "CD-1 epoch", f"PyTorch eager, {name}", epoch(cd, draw)
        yield "smoothed CD-1 epoch", f"PyTorch eager, {name}", epoch(smoothed, draw)
        yield "PCD-1 epoch", f"PyTorch eager, {name}", epoch(pcd, draw)
        yield "Gibbs sweeps", f"PyTorch eager, {name}", gibbs(draw)
    compiled = {f.__name__: torch.compile(f) for f in (cd, smoothed, pcd)}
    yield "CD-1 epoch", "PyTorch compiled", epoch(compiled["cd"], draw_uniform)
    yield "smoothed CD-1 epoch", "PyTorch compiled", epoch(compiled["smoothed"], draw_uniform)
    yield "PCD-1 epoch", "PyTorch compiled", epoch(compiled["pcd"], draw_uniform)


def jax_peers():
    import jax
    import jax.numpy as jnp

    batches = jnp.asarray(data).reshape(-1, BATCH, N)

    def draw(key, p):
        return (jax.random.uniform(key, p.shape) < p).astype(jnp.float32)

    def step(sampled, carry, v0):
        w, b, c, key = carry
        key, k1, k2 = jax.random.split(key, 3)
        p0 = jax.nn.sigmoid(v0 @ w + c)
        v1 = jax.nn.sigmoid(draw(k1, p0) @ w.T + b)
        v1 = draw(k2, v1) if sampled else v1
        p1 = jax.nn.sigmoid(v1 @ w + c)
        r = RATE / BATCH
        return (w + r * (v0.T @ p0 - v1.T @ p1), b + r * (v0 - v1).sum(0), c + r * (p0 - p1).sum(0), key), None

    def epoch(sampled):
        whole = jax.jit(lambda carry, x: jax.lax.scan(lambda a, v: step(sampled, a, v), carry, x)[0])

        def run():
            carry = (jnp.asarray(start), jnp.zeros(N), jnp.zeros(M), jax.random.PRNGKey(0))
            w = whole(carry, batches)[0].block_until_ready()
            assert bool(jnp.isfinite(w).all())

        return run

    @jax.jit
    def sweeps(w, v, key):
        def sweep(carry, _):
            v, key = carry
            key, k1, k2 = jax.random.split(key, 3)
            h = draw(k1, jax.nn.sigmoid(v @ w))
            return (draw(k2, jax.nn.sigmoid(h @ w.T)), key), None

        return jax.lax.scan(sweep, (v, key), None, SWEEPS)[0][0]

    yield "CD-1 epoch", "JAX, epoch jitted", epoch(True)
    yield "smoothed CD-1 epoch", "JAX, epoch jitted", epoch(False)
    w, v = jnp.asarray(10 * start), jnp.ones((CHAINS, N))
    yield "Gibbs sweeps", "JAX, sweeps jitted", lambda: sweeps(w, v, jax.random.PRNGKey(1)).block_until_ready()


def deep_peers(threads):
    import torch
    import deep

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    with gzip.open(root / "data/mnist/train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)[: len(data) // 10]
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(labels.astype(np.int64)), 10).float()
    yield from deep.peers(torch.from_numpy(data[: len(data) // 10]), one_hot, BATCH, CHAINS, SWEEPS)


def sklearn_peers():
    from sklearn.neural_network import BernoulliRBM

    yield "PCD-1 epoch", "scikit-learn", lambda: BernoulliRBM(M, learning_rate=RATE, batch_size=BATCH, n_iter=1).fit(data)


def harmonium_epoch(options, *method):
    """Seconds of an epoch, from the metrics that a run writes: the median of three after the first."""
    with tempfile.TemporaryDirectory() as out:
        command = [options.harmonium, "train", "--binarize", "threshold", "--epochs", "4", "--learning-rate", str(RATE)]
        command += [*method, "--threads", str(options.threads), "--out", out]
        subprocess.run(command, check=True, capture_output=True)
        with open(f"{out}/metrics.csv") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return statistics.median(np.diff(seconds))


def harmonium_bench(options, section):
    command = [options.harmonium, "bench", "--quick", "--only", section, "--json", "--seconds", "0.3", "--threads", str(options.threads)]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["measurements"]
    find = lambda name: [row for row in rows if row["name"].startswith(name) and row["threads"] == options.threads][0]
    return lambda name: find(name)["seconds"], find("f32 FMA peak")["gcu_per_second"]


def harmonium_rbm(options, peaks):
    for work, method in {
        "CD-1 epoch": ["--method", "cd"],
        "smoothed CD-1 epoch": ["--method", "cd", "--reconstruction", "smoothed"],
        "PCD-1 epoch": ["--method", "pcd"],
    }.items():
        yield work, "harmonium", harmonium_epoch(options, *method)
    seconds, peak = harmonium_bench(options, "sampling")
    yield "Gibbs sweeps", "harmonium", SWEEPS * seconds(f"Gibbs sweep: {CHAINS}")
    peaks.append(peak)


def harmonium_deep(options, peaks):
    seconds, peak = harmonium_bench(options, "deep")
    yield "up-down epoch", "harmonium", 10 * seconds("up-down epoch")
    yield "Algorithm 20.1 epoch", "harmonium", 10 * seconds("Algorithm 20.1 epoch:")
    yield "Algorithm 20.1 epoch", "harmonium, mean field to 0.001", 10 * seconds("Algorithm 20.1 epoch to 0.001")
    yield "DBM Gibbs sweeps", "harmonium", SWEEPS * seconds(f"Gibbs sweep of {CHAINS} chains")
    peaks.append(peak)


GROUPS = {
    "rbm": (lambda threads: [*torch_peers(threads), *jax_peers(), *sklearn_peers()], harmonium_rbm),
    "deep": (lambda threads: [*deep_peers(threads)], harmonium_deep),
}


def compare(chosen, options):
    """Runs the groups of these names and writes peers.txt and peers.png."""
    groups = [(peers(options.threads), own) for name, (peers, own) in GROUPS.items() if name in chosen]
    results, peaks = {}, []
    for peers, _ in groups:
        for work, name, run in peers:  # compilation and first touches are not counted
            run()
    for round in range(options.rounds):
        print(f"round {round + 1} of {options.rounds}", file=sys.stderr)
        for peers, own in groups:
            for work, name, run in peers:
                results.setdefault((work, name), []).append((10 if work in TENTHS else 1) * timed(run))
            for work, name, seconds in own(options, peaks):
                results.setdefault((work, name), []).append(seconds)
    table(results, max(peaks), options)


def table(results, peak, options):
    works = [work for work in UPDATES if (work, "harmonium") in results]
    lines = [f"{options.threads} threads, medians of {options.rounds} runs in turns; f32 FMA peak {peak:.0f} G multiply-adds/s", ""]
    lines.append(f"{'work':<22}{'program':<32}{'s':>8}{'min':>8}{'max':>8}{'GCU/s':>8}{'of peak':>9}{'harmonium is faster by':>25}")
    rates = []
    for work in works:
        for name, seconds in sorted((k[1], v) for k, v in results.items() if k[0] == work):
            median = statistics.median(seconds)
            ratio = statistics.median(peer / ours for peer, ours in zip(seconds, results[work, "harmonium"]))
            rate = UPDATES[work] / median / 1e9
            rates.append((work, name, rate))
            lines.append(
                f"{work:<22}{name:<32}{median:8.3f}{min(seconds):8.3f}{max(seconds):8.3f}{rate:8.1f}{rate / peak:9.0%}"
                f"{ratio:24.1f}x"
            )
    text = "\n".join(lines) + "\n"
    print(text, end="")
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "peers.txt").write_text(text)

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = -(-len(works) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(13, 4 * rows), constrained_layout=True)
    for axis in axes.flat[len(works) :]:
        axis.axis("off")
    for axis, work in zip(axes.flat, works):
        rows = sorted(((name, rate) for w, name, rate in rates if w == work), key=lambda x: x[1])
        bars = axis.barh([r[0] for r in rows], [r[1] for r in rows], color=["#b2182b" if r[0].startswith("harmonium") else "#92a5b8" for r in rows])
        axis.bar_label(bars, fmt="%.0f", padding=3)
        axis.axvline(peak, color="black", linestyle="--", linewidth=1)
        axis.text(peak, -0.62, " f32 FMA peak", fontsize=8, va="center")
        axis.set(title=work, xlabel="GCU/s (10^9 connection updates a second)", ylim=(-0.9, len(rows) - 0.4))
        axis.set_xlim(right=1.12 * max(peak * 1.1, max(r[1] for r in rows)))
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"RBM 784-500, DBN 784-500-500-2000 with 10 labels, DBM 784-500-1000; {options.threads} threads")
    figure.savefig(out / "peers.png", dpi=110)
