"""Machines as rbms 0.6 and RestrictedBoltzmannMachines.jl save them, and their free energies.

python make.py, with h5py and numpy. Beside each file stand states and the free energies that the
formulas of the program give for them, and by how much those here are higher.
"""

import json

import h5py
import numpy as np

rng = np.random.default_rng(7)
told = {}


def tell(name, states, free_energies, higher=0.0):
    told[name] = dict(
        states=np.asarray(states, float).reshape(len(states), -1).tolist(),
        free_energies=np.asarray(free_energies, float).tolist(),
        higher=float(higher),
    )


def softplus(x):
    return np.logaddexp(0, x)


def log2cosh(x):
    return np.logaddexp(x, -x)


def bits(rows, n):
    return rng.integers(0, 2, (rows, n))


def one_hot(codes, q):
    return np.eye(q)[codes]


# rbms: `save_model` after some updates.
def rbms(name, model_type, w, b, c, dtype="f4", before=()):
    """The file of a run whose last parameters are these, after others."""
    w, b, c = (np.asarray(x, dtype) for x in (w, b, c))
    state = np.random.RandomState(0).get_state()
    with h5py.File(f"{name}.h5", "w") as f:
        for update in [*before, 20]:
            group = f.create_group(f"update_{update}")
            params = group.create_group("params")
            share = 1 if update == 20 else 0.5
            for key, x in dict(weight_matrix=w, vbias=b, hbias=c).items():
                params[key] = x * np.asarray(share, dtype)
                group[key] = params[key]
            group["torch_rng_state"] = np.zeros(16, "u1")
            for k in range(5):
                group[f"numpy_rng_arg{k}"] = state[k] if k != 1 else state[k][:4]
            group["time"] = 1.5
            group.create_group("flags")["checkpoint"] = True
            group["save_checkpoint"] = True
        f["parallel_chains"] = np.zeros((3, b.shape[0]), dtype)
        f["model_type"] = model_type
        for key, x in dict(batch_size=20, gibbs_steps=10, learning_rate=0.01).items():
            f[f"hyperparameters/{key}"] = x
    return tuple(x.astype(float) for x in (w, b, c))


w, b, c = rbms(
    "bits", "BBRBM", rng.normal(0, 1, (6, 4)), rng.normal(0, 1, 6), rng.normal(0, 1, 4), before=(2, 10)
)
v = bits(5, 6)
tell("bits", v, -v @ b - softplus(c + v @ w).sum(1))
tell("bits.h5:/update_2", v, -v @ b / 2 - softplus((c + v @ w) / 2).sum(1))

w, b, c = rbms(
    "potts", "PBRBM", rng.normal(0, 1, (5, 3, 4)), rng.normal(0, 1, (5, 3)), rng.normal(0, 1, 4), "f8"
)
v = one_hot(rng.integers(0, 3, (6, 5)), 3)
field = np.einsum("sia,iaj->sj", v, w)
tell("potts", v, -np.einsum("sia,ia->s", v, b) - softplus(c + field).sum(1))

w, b, c = rbms("spins", "IIRBM", rng.normal(0, 1, (6, 4)), rng.normal(0, 1, 6), rng.normal(0, 1, 4))
v = 2 * bits(5, 6) - 1
tell("spins", v, -v @ b - log2cosh(c + v @ w).sum(1))

for name, model_type, v in [
    ("bits_and_reals", "BGRBM", bits(5, 6)),
    ("spins_and_reals", "IGRBM", 2 * bits(5, 6) - 1),
]:
    w, b, c = rbms(name, model_type, rng.normal(0, 2, (6, 4)), rng.normal(0, 1, 6), rng.normal(0, 2, 4))
    n, m = w.shape
    # The logarithm of the integral of `exp(-E)` over `h`; IGRBM has another constant.
    integral = m / 2 * np.log(2 * np.pi / n)
    t = c + v @ w
    tell(name, v, -v @ b - (t * t).sum(1) / (2 * n) - integral, (c * c).sum() / (2 * n))

L, q = 3, 4
with h5py.File("coupled_potts.h5", "w") as f:
    f["update_1/params/weight_matrix"] = np.zeros((L, q, L, q), "f4")
    f["update_1/params/bias"] = np.zeros((L, q), "f4")
    f["model_type"] = "PBM"


# RestrictedBoltzmannMachines.jl: `save_rbm`. Arrays here have the axes of Julia.
def julia(name, machine, visible, hidden, w, **more):
    """Layers are a type and one array a parameter."""
    with h5py.File(f"{name}.h5", "w") as f:

        def text(key, value):
            # As HDF5.jl stores a string: of its length, with no room for the final zero.
            kind = h5py.h5t.C_S1.copy()
            kind.set_size(len(value))
            kind.set_cset(h5py.h5t.CSET_UTF8)
            space = h5py.h5s.create(h5py.h5s.SCALAR)
            data = h5py.h5d.create(f.id, key.encode(), kind, space)
            data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(value.encode(), f"S{len(value)}"), kind)

        def array(key, x):
            f[key] = np.ascontiguousarray(np.asarray(x).T)

        text("rbm_hdf5_file_format_version", "1.0.0")
        text("rbm_type", machine)
        array("weights", w)
        for side, (kind, *parameters) in dict(visible=visible, hidden=hidden).items():
            array(f"{side}_par", np.stack(parameters))
            text(f"{side}_type", kind)
        for key, x in more.items():
            array(key, x)


def in_memory_of_julia(states):
    """One row a state of axes `[example, ..]`: the first of Julia's axes is the fastest."""
    return [np.asarray(x).flatten(order="F") for x in states]


# Energies `-t v`, of pixels of 2 x 3; spins of 2 x 2 as hidden units.
t, u = rng.normal(0, 1, (2, 3)), rng.normal(0, 1, (2, 2))
w = rng.normal(0, 1, (2, 3, 2, 2))
julia("binary", "RBM", ("Binary", t), ("Spin", u), w)
v = bits(5, 6).reshape(5, 2, 3)
field = u + np.einsum("sik,ikjl->sjl", v, w)
tell("binary", in_memory_of_julia(v), -(v * t).sum((1, 2)) - log2cosh(field).sum((1, 2)))

# 3 colors at 4 sites; energies `g h^2 / 2 - u h` of reals, in single precision.
t, u, g = rng.normal(0, 1, (3, 4)), rng.normal(0, 1, 2), np.array([0.5, -3.0])
w = rng.normal(0, 1, (3, 4, 2))
t, u, g, w = (np.asarray(x, "f4") for x in (t, u, g, w))
julia("potts_and_reals", "RBM", ("Potts", t), ("Gaussian", u, g), w)
t, u, g, w = (x.astype(float) for x in (t, u, g, w))
v = one_hot(rng.integers(0, 3, (6, 4)), 3).transpose(0, 2, 1)
field = u + np.einsum("sai,aij->sj", v, w)


def cgf(field, g):
    return (field**2 / abs(2 * g) - np.log(abs(g) / np.pi / 2) / 2).sum(-1)


tell(
    "potts_and_reals",
    in_memory_of_julia(v),
    -(v * t).sum((1, 2)) - cgf(field, g),
    (u**2 / abs(2 * g)).sum(),
)

# Offsets of both sides: `v - p` and `h - q`; 2 hidden groups of 3 colors.
t, u, w = rng.normal(0, 1, 5), rng.normal(0, 1, (3, 2)), rng.normal(0, 1, (5, 3, 2))
p, q = rng.normal(0, 0.5, 5), rng.normal(0, 0.5, (3, 2))
julia("centered", "CenteredRBM", ("Spin", t), ("Potts", u), w, offset_v=p, offset_h=q)
v = 2 * bits(5, 5) - 1
sent = np.einsum("si,iaj->saj", v - p, w)
tell(
    "centered",
    v,
    -v @ t - np.log(np.exp(u + sent).sum(1)).sum(1) + (sent * q).sum((1, 2)),
    np.einsum("i,iaj,aj->", p, w, q),
)

# Offsets and scales; rectified hidden units of energy `g h^2 / 2 - u h`, whose integral from 0 is
# taken on a grid.
n, m = 4, 3
t, r = rng.normal(0, 1, n), rng.uniform(0.5, 2, n)
u, g, w = rng.normal(0, 1, m), rng.uniform(0.5, 2, m), rng.normal(0, 0.2, (n, m))
p, q = rng.normal(0, 0.5, n), rng.normal(0, 0.5, m)
s, d = rng.uniform(0.5, 2, n), rng.uniform(0.5, 2, m)
julia(
    "standardized",
    "StandardizedRBM",
    ("Gaussian", t, r),
    ("ReLU", u, g),
    w,
    offset_v=p,
    offset_h=q,
    scale_v=s,
    scale_h=d,
)
v = rng.normal(0, 1, (5, n))
sent = (v - p) / s @ w / d
h = np.linspace(0, 30, 200_001)
density = np.exp((u + sent)[..., None] * h - g[:, None] * h * h / 2)
integral = np.log((density.sum(-1) - density[..., 0] / 2) * h[1])
plain = w / s[:, None] / d
tell(
    "standardized",
    v,
    (v * (v * r / 2 - t)).sum(1) - integral.sum(1) + sent @ q,
    p @ plain @ q + ((t - plain @ q) ** 2 / (2 * r)).sum() - np.log(g).sum() / 2,
)

two = np.zeros((5, 2))
julia("two_slopes", "RBM", ("Binary", np.zeros(5)), ("xReLU", *np.ones((4, 2))), two)
julia("wide", "RBM", ("ReLU", np.zeros(5), np.full(5, 2.0)), ("Binary", np.zeros(2)), two)

with open("free_energies.json", "w") as f:
    json.dump(told, f)
