"""Files of other programs that the tests of readers read: python make.py, with h5py, numpy, scipy."""

import h5py
import numpy as np
import scipy.sparse as sp

TYPES = "bool u1 i1 u2 i2 u4 i4 u8 i8 f4 f8 >f4 >u2".split()
table = np.array([[0, 1, 1], [1, 0, 1]])
with h5py.File("types.h5", "w", libver="earliest") as f:
    for name in TYPES:
        f[name.replace(">", "big_")] = table.astype(name)
    f["half"] = table.astype("f2")
    f["words"] = np.array([["a", "b"]], dtype=object)

numbers = np.arange(36).reshape(6, 2, 3) / 4
with h5py.File("digits.h5", "w", libver="latest") as f:
    options = dict(chunks=(4, 2, 2), compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("X", data=numbers.astype("f4"), **options)
    f["y"] = ["cat", "dog", "cat", "eel", "dog", "dog"]
    f["x_test"] = numbers[:2].astype("f8")
    f["y_test"] = np.array(["eel", "cat"], dtype="S3")

with h5py.File("only.h5", "w") as f:
    f["group/inner/values"] = (np.arange(12).reshape(4, 3) * 20).astype("u1")
    f["group/vector"] = np.arange(4)
    f["group/inner/back"] = f["group"]

# Values that no byte of the file is behind.
with h5py.File("empty.h5", "w") as f:
    f.create_dataset("x", shape=(1 << 20, 1 << 14), dtype="f8", chunks=(64, 64))

dense = np.zeros((5, 7))
dense[[0, 0, 2, 4, 4, 4], [1, 6, 3, 0, 5, 6]] = [1, 0.5, -2, 1, 1, 3]
for name in ["csr", "csc", "coo", "bsr"]:
    sp.save_npz(f"{name}.npz", getattr(sp, f"{name}_matrix")(dense))
# Indices in falling order, and a zero that is stored.
turned = sp.csr_matrix(([2.0, 0.0, 1.0], [3, 2, 0], [0, 3, 3]), shape=(2, 4))
sp.save_npz("turned.npz", turned)
