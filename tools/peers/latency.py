"""Hidden means and free energies of a few rows of bits in f32: NumPy and PyTorch. Their rows are f32 already, other ones at each call."""
import json, struct, threading

import numpy as np

from paired import agreed, fail, fastest
from timing import per_call

VERSIONS = ("numpy", "torch")
COUNTS = (1, 8, 64)
CALLERS, CALLS = 4, 500


def more_versions():
    return []


def tensors(path):
    """The tensors of a safetensors file by name, as f32."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    at = lambda x: np.frombuffer(data[8 + size + x["data_offsets"][0] : 8 + size + x["data_offsets"][1]], "<f4").reshape(x["shape"])
    return {name: at(x) for name, x in header.items() if name != "__metadata__" and x["dtype"] == "F32"}


def numpy_calls(machine):
    w, b, c = machine["weights.0"], machine["bias.0"], machine["bias.1"]

    def means(v):
        return 1 / (1 + np.exp(-(v @ w + c)))

    def free(v):
        return -(v @ b) - np.log1p(np.exp(v @ w + c)).sum(1)

    return lambda x: x, means, free


def torch_calls(machine):
    import torch

    torch.set_grad_enabled(False)
    w, b, c = (torch.from_numpy(machine[name].copy()) for name in ("weights.0", "bias.0", "bias.1"))

    def means(v):
        return torch.addmm(c, v, w).sigmoid_()

    def free(v):
        return -torch.nn.functional.softplus(torch.addmm(c, v, w)).sum(1).add_(v @ b)

    return torch.from_numpy, means, free


def in_turn(call, parts):
    """A call on the next of the parts each time."""
    state = [0]

    def next_call():
        state[0] = (state[0] + 1) % len(parts)
        call(parts[state[0]])

    return next_call


def at_once(call, parts):
    """Calls of as many threads as there are callers."""

    def caller(first):
        for k in range(CALLS):
            call(parts[(first + k * CALLERS) % len(parts)])

    def run():
        callers = [threading.Thread(target=caller, args=(first,)) for first in range(CALLERS)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()

    return run


def peers(folder, options):
    machine = tensors(folder / "latency.safetensors")
    rows = np.load(folder / "latency-rows.npy").astype(np.float32)
    expected = np.load(folder / "latency-means.npy"), np.load(folder / "latency-free-energies.npy")[:, 0]
    n, m = machine["weights.0"].shape
    found = []

    def add(work, program, call, share=1):
        program, limited = fastest(program, call, options)
        found.append((work, program, options.threads, lambda: limited(lambda: 1e6 * share * per_call(call, options.seconds))))

    for program, (convert, means, free) in (("NumPy", numpy_calls(machine)), ("PyTorch", torch_calls(machine))):
        x = convert(rows)
        apart = np.abs(np.asarray(means(x)) - expected[0]).max()
        apart_free = np.abs(np.asarray(free(x)) / expected[1] - 1).max()
        if not (apart < 1e-5 and apart_free < 1e-5):
            fail(f"means of {program} are {apart} from harmonium's, free energies {apart_free} of themselves")
        agreed.append(f"  {program}: means within {apart:.1e}, free energies within {apart_free:.1e} of themselves, of {len(rows)} rows")
        for count in COUNTS:
            parts = [convert(rows[i : i + count].copy()) for i in range(0, len(rows), count)]
            plural = "" if count == 1 else "s"
            for what, call in (("means", means), ("free energies", free)):
                add(f"{what} of {count} row{plural} of {n} bits: {m} hidden units", program, in_turn(call, parts))
            if count == 1:
                work = f"means of 1 row: {CALLERS} callers at once"
                add(work, program, at_once(means, parts), 1 / (CALLERS * CALLS))
    return found
