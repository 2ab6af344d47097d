"""harmonium beside its peers: the same work on the same data, the same threads, runs in turns, medians.

rbm, deep              epochs and sweeps beside PyTorch, JAX and scikit-learn on the bundled MNIST, in GCU/s (epochs.py)
latency, small, graph  calls on single rows beside NumPy and PyTorch, updates of small machines beside scikit-learn and NumPy, spin updates
                       beside dwave-samplers, thrml and ferrotherm: each on the files of `harmonium bench --inputs`, each held against
                       harmonium's results before it is timed (paired.py)
"""
import argparse, importlib, os

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--harmonium", required=True)
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--rounds", type=int, default=5)
arguments.add_argument("--seconds", type=float, default=0.2, help="of a measurement of latency, small and graph in a round")
arguments.add_argument("--only", nargs="+", action="extend", choices=("rbm", "deep", "latency", "small", "graph"))
arguments.add_argument("--out", default=".")
options = arguments.parse_args()
# Before NumPy and JAX are there.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(options.threads)
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={options.threads}"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: options.threads]))

chosen = options.only or ["rbm", "deep", "latency", "small", "graph"]
epochs_chosen = [name for name in chosen if name in ("rbm", "deep")]
if epochs_chosen:
    import epochs

    epochs.compare(epochs_chosen, options)
for name in ("latency", "small", "graph"):
    if name in chosen:
        import paired

        paired.compare(importlib.import_module(name), options)
