"""Gibbs sampling of spins: dwave-samplers (one thread, any couplings), thrml (JAX, blocks of a torus), ferrotherm (one thread; 64 replicas
a word where all couplings are of one size).

Each is held against harmonium by energies and magnetizations of independent chains after as many sweeps from random states.
"""
import json, pathlib, shutil, subprocess, sys, time

import numpy as np

from paired import absent, agreed, fail

VERSIONS = ("dwave-samplers", "thrml", "jax", "numpy")
CHAINS = (64, 1024)
CHECKED, SWEEPS = 256, 50
READS = 16
TORI = ("torus 64 x 64", "torus 64 x 64 of equal couplings")
RANDOM = tuple(f"degree {degree} of 4096 spins" for degree in (3, 6, 20))
DENSE = tuple(f"dense of {spins} spins" for spins in (200, 1000))
here = pathlib.Path(__file__).resolve().parent
ferrotherm_version = []


def more_versions():
    return [f", ferrotherm {version}" for version in ferrotherm_version]


class Spins:
    """E = -sum J_ij s_i s_j - sum f_i s_i."""

    def __init__(self, path):
        self.path = path
        i, j, x = np.loadtxt(path, unpack=True)
        i, j, pair = i.astype(int), j.astype(int), i != j
        self.pairs, self.couplings = np.stack((i[pair], j[pair])), x[pair]
        self.fields = np.zeros(i.max() + 1)
        self.fields[i[~pair]] = x[~pair]

    def __len__(self):
        return len(self.fields)

    def figures(self, s):
        """Mean energy and magnetization a spin, and their standard errors, of independent states, a row each."""
        s = s.astype(np.float64)
        coupled = np.zeros(len(s))
        for k in range(0, len(self.couplings), 1 << 14):
            (i, j), x = self.pairs[:, k : k + (1 << 14)], self.couplings[k : k + (1 << 14)]
            coupled += (s[:, i] * s[:, j]) @ x
        both = np.stack((-(coupled + s @ self.fields), s.sum(1))) / len(self)
        return both.mean(1), both.std(1, ddof=1) / np.sqrt(len(s))


def held_against(name, program, ours, theirs):
    apart = np.abs(ours[0] - theirs[0]) / np.sqrt(ours[1] ** 2 + theirs[1] ** 2)
    values = lambda x: f"{x[0][0]:.5f} +- {x[1][0]:.5f}, {x[0][1]:+.5f} +- {x[1][1]:.5f}"
    told = f"{name}: energy and magnetization a spin, {program}: {values(theirs)}; harmonium: {values(ours)}"
    if not (apart < 5).all():
        fail(told)
    agreed.append("  " + told)


def of_harmonium(spins, options):
    out = spins.path.with_suffix(".npy")
    command = [options.harmonium, "sample", str(spins.path), "--count", str(CHECKED), "--burn-in", "0", "--steps", str(SWEEPS), "--out", str(out)]
    subprocess.run([*command, "--seed", "11", "--threads", str(options.threads)], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return spins.figures(2 * np.load(out).astype(np.int8) - 1)


class Dwave:
    """`sample` of the simulated annealer at one temperature, by its own clock of sampling alone. Chains come one after the other."""

    def __init__(self, spins, criteria):
        import dimod
        from dwave.samplers import SimulatedAnnealingSampler

        self.n, self.sampler, self.criteria = len(spins), SimulatedAnnealingSampler(), criteria
        costs = {(int(i), int(j)): -float(x) for (i, j), x in zip(spins.pairs.T, spins.couplings)}
        self.model = dimod.BinaryQuadraticModel(dict(enumerate(-spins.fields)), costs, dimod.SPIN)

    def sample(self, reads, sweeps, seed):
        return self.sampler.sample(
            self.model,
            num_reads=reads,
            num_sweeps_per_beta=sweeps,
            beta_schedule_type="custom",
            beta_schedule=[1.0],
            proposal_acceptance_criteria=self.criteria,
            seed=seed,
        )

    def states(self):
        found = self.sample(CHECKED, SWEEPS, 5)
        states = found.record.sample[:, np.argsort(list(found.variables))]
        return np.repeat(states, found.record.num_occurrences, 0)

    def measure(self):
        taken = self.sample(READS, SWEEPS, 7).info["timing"]["sampling_ns"]
        return taken / (READS * SWEEPS * self.n)


class Thrml:
    """Block Gibbs of the two colors of a torus, jitted, chains by vmap."""

    def __init__(self, spins):
        import jax
        import jax.numpy as jnp
        import thrml
        from thrml.models import IsingEBM, IsingSamplingProgram

        self.jax, self.thrml, self.n = jax, thrml, len(spins)
        side = int(np.sqrt(self.n))
        nodes = [thrml.SpinNode() for _ in range(self.n)]
        edges = [(nodes[i], nodes[j]) for i, j in spins.pairs.T]
        as_f32 = lambda x: jnp.asarray(x, jnp.float32)
        model = IsingEBM(nodes, edges, as_f32(spins.fields), as_f32(spins.couplings), as_f32(1.0))
        colors = [[i for i in range(self.n) if (i // side + i % side) % 2 == color] for color in (0, 1)]
        blocks = [thrml.Block([nodes[i] for i in color]) for color in colors]
        self.program, self.all = IsingSamplingProgram(model, blocks, []), [thrml.Block(nodes)]
        self.sizes, self.compiled = [len(color) for color in colors], {}

    def sample(self, chains, sweeps, seed):
        jax = self.jax
        schedule = self.thrml.SamplingSchedule(n_warmup=sweeps - 1, n_samples=1, steps_per_sample=1)

        def one(key, start):
            return self.thrml.sample_states(key, self.program, schedule, start, [], self.all)[0][0]

        if (chains, sweeps) not in self.compiled:
            self.compiled[chains, sweeps] = jax.jit(jax.vmap(one))
        keys = jax.random.split(jax.random.PRNGKey(seed), chains + 2)
        start = [jax.random.bernoulli(key, 0.5, (chains, size)) for key, size in zip(keys, self.sizes)]
        jax.block_until_ready((keys, start))
        begin = time.perf_counter()
        states = self.compiled[chains, sweeps](keys[2:], start).block_until_ready()
        return states, time.perf_counter() - begin

    def states(self):
        return 2 * np.asarray(self.sample(CHECKED, SWEEPS, 5)[0]).astype(np.int8) - 1

    def measure(self, chains):
        sweeps = max(20, SWEEPS * 64 // chains)
        if (chains, sweeps) not in self.compiled:
            self.sample(chains, sweeps, 0)
        return 1e9 * self.sample(chains, sweeps, 7)[1] / (chains * self.n * sweeps)


def built_ferrotherm():
    """The program of the crate in ferrotherm/, or None where it does not compile."""
    target = pathlib.Path(sys.prefix) / "ferrotherm"
    if not shutil.which("cargo"):
        return None
    # A crate may ask for a newer compiler than it needs.
    command = ["cargo", "build", "--release", "--quiet", "--locked", "--ignore-rust-version", "--target-dir", str(target)]
    built = subprocess.run(command, cwd=here / "ferrotherm", stderr=subprocess.PIPE, text=True)
    return target / "release/ferrotherm-peer" if built.returncode == 0 else None


def ferrotherm(program, spins, sampler, seconds):
    command = [str(program), str(spins.path), sampler, str(CHECKED), str(SWEEPS), str(seconds)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def peers(folder, options):
    found = []
    program = built_ferrotherm()
    ferrotherm_version.clear()
    if program is None:
        absent.append("  ferrotherm does not compile here; its figure of 2026-11-29, one thread, 64 replicas a word: 1.35 ns a spin update")
    for name in (*TORI, *RANDOM, *DENSE):
        spins = Spins(folder / f"{name.replace(' ', '-')}.ising")
        ours = of_harmonium(spins, options)
        for criteria in ("Gibbs", "Metropolis"):
            dwave, label = Dwave(spins, criteria), f"dwave-samplers {criteria}"
            held_against(name, label, ours, spins.figures(dwave.states()))
            for chains in CHAINS:
                found.append((f"{name}: {chains} chains", label, 1, dwave.measure))
        if name in TORI:
            thrml = Thrml(spins)
            held_against(name, "thrml", ours, spins.figures(thrml.states()))
            for chains in CHAINS:
                found.append((f"{name}: {chains} chains", "thrml", options.threads, lambda x=thrml, n=chains: x.measure(n)))
        if program is None or name in DENSE:
            continue
        for sampler in ("sampler", "multispin") if name == TORI[1] else ("sampler",):
            told = ferrotherm(program, spins, sampler, 0)
            ferrotherm_version[:] = [told["version"]]
            theirs = tuple(np.array([told["energy"][k], told["magnetization"][k]]) for k in (0, 1))
            held_against(name, f"ferrotherm {sampler}", ours, theirs)
            work = f"{name}: {64 if sampler == 'multispin' else CHAINS[0]} chains"
            run = lambda x=spins, s=sampler: ferrotherm(program, x, s, options.seconds)["ns"]
            found.append((work, f"ferrotherm {sampler}", 1, run))
    return found
