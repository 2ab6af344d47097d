"""How long calls take, as `harmonium bench` measures its own."""
import statistics, time

RUNS = 15


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def per_call(call, seconds):
    """Median seconds of a call: a warm-up of a tenth of `seconds`, then runs of as many calls as a fifteenth takes."""
    calls, begin = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - begin < 0.1 * seconds:
        call()
        calls += 1
    one = (time.perf_counter() - begin) / calls
    repeats = max(1, int(seconds / RUNS / one))

    def run():
        for _ in range(repeats):
            call()

    runs, begin = [], time.perf_counter()
    while len(runs) < 3 or time.perf_counter() - begin < seconds:
        runs.append(timed(run) / repeats)
    return statistics.median(runs)
