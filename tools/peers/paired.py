"""A group of works whose figures are times in a unit of their own: harmonium and each peer on the same files, in turns.

A group is a module of this folder. Its `peers(folder, options)` reads what `harmonium bench --inputs` wrote, holds each peer against
harmonium, ends the program where one computes something else, and returns the peers: (work, program, threads, measure), where work is
the name of harmonium's measurement and measure() tells the time in its unit. `VERSIONS` are the packages to name, `agreed` collects a
line about each comparison, `absent` one about each peer that is not here.
"""
import importlib.metadata, json, pathlib, statistics, subprocess, sys, tempfile

from timing import per_call

agreed, absent = [], []


def fail(text):
    sys.exit(f"peers: {text}: nothing is timed")


def bench(group, options, *more):
    command = [options.harmonium, "bench", "--only", group, *more]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def versions(names):
    """Packages with their versions, and the library behind NumPy's products."""
    import threadpoolctl

    behind = {}
    for pool in threadpoolctl.threadpool_info():
        if pool["user_api"] == "blas" and "numpy" in pool["filepath"]:
            behind["numpy"] = f" ({pool['internal_api']} {pool['version']}, {pool['architecture']})"
    return ", ".join(f"{name} {importlib.metadata.version(name)}{behind.get(name, '')}" for name in names)


def on_threads(threads, call):
    """What call() returns where NumPy's products and PyTorch have this many threads."""
    import threadpoolctl

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    with threadpoolctl.threadpool_limits(threads, user_api="blas"):
        return call()


def fastest(program, call, options):
    """The name of the program with the faster of one thread and all, and what runs a measurement on as many: small products may wait
    longer for a second thread than it spares."""
    if options.threads == 1:
        return program, lambda measure: on_threads(1, measure)
    taken = {threads: on_threads(threads, lambda: per_call(call, options.seconds)) for threads in (1, options.threads)}
    best = min(taken, key=taken.get)
    return program if best > 1 else f"{program}, 1 thread", lambda measure: on_threads(best, measure)


def compare(module, options):
    group = module.__name__
    agreed.clear(), absent.clear()
    results, units = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        bench(group, options, "--inputs", str(folder))
        peers = module.peers(folder, options)
        for round in range(options.rounds):
            print(f"{group}: round {round + 1} of {options.rounds}", file=sys.stderr)
            for work, program, threads, measure in peers:
                results.setdefault((work, threads, program), []).append(measure())
            report = json.loads(bench(group, options, "--json", "--seconds", str(options.seconds), "--threads", str(options.threads)))
            for row in report["measurements"]:
                units[row["name"]] = row["unit"]
                results.setdefault((row["name"], row["threads"], "harmonium"), []).append(row["median"])
    unknown = {key for key in results if (key[0], key[1], "harmonium") not in results}
    assert not unknown, f"harmonium has no measurement of these names: {unknown}"
    text = table(module, report, results, units, options)
    print(text, end="")
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"peers-{group}.txt").write_text(text)


def table(module, report, results, units, options):
    lines = [
        f"{module.__name__}: {options.threads} threads, medians of {options.rounds} rounds in turns, ratios within a round",
        f"{report['cpu']}, {report['cores']} cores; harmonium {report['version']}, {report['instruction_set']}",
        f"beside {versions(module.VERSIONS)}{''.join(module.more_versions())}",
        "",
        "Checked before anything was timed:",
        *agreed,
        *absent,
        "",
        f"{'work':<54}{'threads':>8}  {'program':<34}{'median':>11}{'min':>11}{'max':>11}  {'unit':<19}harmonium is faster by",
    ]
    for work in dict.fromkeys(key[0] for key in results if key[2] == "harmonium"):
        own = sorted((key for key in results if key[0] == work), key=lambda key: (key[1], key[2] != "harmonium"))
        for key in own:
            _, threads, program = key
            ratio = statistics.median(a / b for a, b in zip(results[key], results[work, threads, "harmonium"]))
            faster = "" if program == "harmonium" else f"{ratio:.1f}x"
            figures = "".join(f"{x:11.3f}" for x in (statistics.median(results[key]), min(results[key]), max(results[key])))
            lines.append(f"{work:<54}{threads:>8}  {program:<34}{figures}  {units[work]:<19}{faster:>10}".rstrip())
    return "\n".join(lines) + "\n"
