"""An RBM in plain NumPy, f64, that shares nothing with harmonium but its published definitions: it trains by CD-2 with momentum
and decay and writes what harmonium must reproduce. Run it with `python numpy_rbm.py` to renew numpy_rbm.npz (NumPy 1.21 or later)."""
import numpy as np

M64, M128 = (1 << 64) - 1, (1 << 128) - 1


def philox(c, k, rounds=7):
    """Philox4x32 (Salmon et al. 2011) of one counter."""
    c, k = list(c), list(k)
    for _ in range(rounds):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def draws(seed, site, step, shape):
    """The uniforms of the Bernoulli draws of rows and columns, as src/rng.rs defines them."""
    u = np.empty(shape)
    block = lambda column, row: philox([column, row, step & 0xFFFFFFFF, step >> 32 | site << 16], [seed & 0xFFFFFFFF, seed >> 32])
    for row in range(shape[0]):
        for column in range(shape[1]):
            first = block(column // 4, row // 4)[column % 4] >> 8 * (row % 4) & 0xFF
            low, high = block(column // 2 + 2**31, row)[column % 2 * 2 :][:2]
            u[row, column] = (first + (low + high * 2**32 >> 11) / 2**53) / 2**8
    return u


def order(seed, epoch, n):
    """The shuffle of an epoch: PCG XSL RR 128/64 seeded by Philox, Lemire's bounded integers, Fisher-Yates."""
    stream = (1 << 32) + epoch
    words = [w for half in (0, 1) for w in philox([stream & 0xFFFFFFFF, stream >> 32, half, 0xFFFFFFFF], [seed & 0xFFFFFFFF, seed >> 32], 10)]
    number = lambda w: sum(x << 32 * i for i, x in enumerate(w))
    mult, inc = 0x2360ED051FC65DA44385DF649FCCF645, number(words[4:]) | 1
    state = ((number(words[:4]) + inc) * mult + inc) & M128

    def below(bound):
        nonlocal state
        while True:
            state = (state * mult + inc) & M128
            x, r = (state >> 64 ^ state) & M64, state >> 122
            product = ((x >> r | x << (64 - r)) & M64) * bound
            if product & M64 >= (1 << 64) % bound:
                return product >> 64

    items = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(i + 1)
        items[i], items[j] = items[j], items[i]
    return items


sigmoid = lambda x: 1 / (1 + np.exp(-x))
POSITIVE, CHAIN, SEED, BATCH, RATE, MOMENTUM, DECAY, STEPS = 3, 4, 12345678901, 10, 0.1, 0.5, 1e-3, 2
rng = np.random.default_rng(0)
data = (rng.random((25, 20)) < np.linspace(0.1, 0.9, 20)).astype(np.uint8)
w0 = (0.1 * rng.standard_normal((20, 13))).astype(np.float32)
w, b, c = w0.astype(float), np.zeros(20), np.zeros(13)
dw, db, dc, update = 0.0, 0.0, 0.0, 0
for epoch in range(3):
    shuffled = order(SEED, epoch, 25)
    for start in range(0, 25, BATCH):
        v0 = data[shuffled[start : start + BATCH]].astype(float)
        p0 = sigmoid(v0 @ w + c)
        h = draws(SEED, POSITIVE, update, p0.shape) < p0
        for k in range(STEPS):
            half = 2 * STEPS * update + 2 * k
            if k > 0:
                ph = sigmoid(v @ w + c)
                h = draws(SEED, CHAIN, half, ph.shape) < ph
            pv = sigmoid(h @ w.T + b)
            v = draws(SEED, CHAIN, half + 1, pv.shape) < pv
        p1, n = sigmoid(v @ w + c), len(v0)
        dw = MOMENTUM * dw + RATE * ((v0.T @ p0 - v.T @ p1) / n - DECAY * w)
        db = MOMENTUM * db + RATE * (v0 - v).mean(0)
        dc = MOMENTUM * dc + RATE * (p0 - p1).mean(0)
        w, b, c, update = w + dw, b + db, c + dc, update + 1
free = -(data @ b) - np.logaddexp(0, data @ w + c).sum(1)
np.savez("numpy_rbm.npz", data=data, w0=w0, w=w, b=b, c=c, free=free)
