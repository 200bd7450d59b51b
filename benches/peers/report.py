"""What was measured, as a file of `chiasm bench` (`chiasm-bench/1`, kind `peers`) and as a table for people."""

import numpy as np

RESAMPLES = 2000
COVERAGE = 0.99
#: The whole worker without what a site can leave out.
LEAST = "chiasm, no record, no overlay"


def summary(samples):
    """The numbers that `chiasm bench` writes; percentiles are numpy's."""
    values = np.asarray(samples, dtype=float)
    names = {"median": 50, "p90": 90, "p95": 95, "p99": 99}
    return {"count": len(values), "least": float(values.min()), "mean": float(values.mean()), "most": float(values.max())} | {
        name: float(np.percentile(values, share)) for name, share in names.items()
    }


def ratio(ours, theirs, better):
    """How many times as fast we are: the ratio of medians with a bootstrap interval of two levels, rounds and their samples
    (`worker/src/bench/statistics.rs` does the same)."""
    random = np.random.default_rng(1)

    def of(mine, other):
        mine, other = np.median(mine), np.median(other)
        return other / mine if better == "less" else mine / other

    def drawn(rounds):
        chosen = [rounds[index] for index in random.integers(0, len(rounds), len(rounds))]
        return np.concatenate([random.choice(one, len(one)) for one in chosen])

    values = [of(drawn(ours), drawn(theirs)) for _ in range(RESAMPLES)]
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return {"value": float(of(np.concatenate(ours), np.concatenate(theirs))), "low": float(low), "high": float(high)}


def bound(own, limits, flop):
    """The least that the work takes on this machine, and what sets it."""
    copy = limits["copy_gb_s"] * 1e9
    kind, name = own["kind"], own["question"]
    if kind == "score":
        batch = int(name.rsplit(" ", 1)[1])
        return {"ms": 1e3 * batch * flop / (limits["sgemm_gflop_s"] * 1e9), "by": "FLOP"}
    if kind == "decode":
        return {"ms": 1e3 * 2048 * 2048 * (2 + 2) / copy, "by": "bytes: 2 read, 2 written a pixel"}
    if kind == "series":
        return {"ms": 1e3 * 135 * 512 * 512 * (2 + 2) / copy, "by": "bytes: 2 read, 2 written a pixel"}
    if kind == "volume":
        return {"ms": 1e3 * 135 * 512 * 512 * (2 + 4) / copy, "by": "bytes: 2 read, 4 written a voxel"}
    if kind == "evaluate":
        return {"ms": 1e3 * 100_000 * 9 / copy, "by": "bytes: each case read once"}
    return {"studies_per_s": 1e3 / limits["fsync_ms"], "by": "one fsync a study"}


def file(measured, about, settings, limits, taken, command):
    figures, detail = [], []
    for own in measured:
        better = "more" if own["unit"] == "studies/s" else "less"
        for side, rounds in own["rounds"].items():
            flat = [sample for one in rounds for sample in one]
            figures.append({"name": f"{own['question']}, {side}", "unit": own["unit"], "better": better, "rounds": rounds,
                            "summary": summary(flat)})
        ours = own["rounds"]["chiasm"]
        least = own["rounds"].get(LEAST)
        others = {side: rounds for side, rounds in own["rounds"].items() if side not in ("chiasm", LEAST)}
        detail.append({
            "question": own["question"], "kind": own["kind"], **{key: own[key] for key in ("work", "cores") if key in own},
            "times_as_fast": {side: ratio(ours, rounds, better) for side, rounds in own["rounds"].items() if side != "chiasm"},
            **({"least_times_as_fast": {side: ratio(least, rounds, better) for side, rounds in others.items()}} if least else {}),
            "difference": own["difference"], "same": own["same"],
            "bound": bound(own, limits, about["densenet121_flop"]),
        })
    return {
        "schema": "chiasm-bench/1", "kind": "peers", "taken": taken, "command": command,
        "program": about["program"], "machine": about["machine"], "device": "CPU", "settings": settings, "figures": figures,
        "detail": {"bounds": limits, "questions": detail, "coverage": COVERAGE},
    }


def decoding(file):
    """Of each work that was decoded, how we are beside the fastest of the others on one core, and on all where that was asked."""
    asked = {}
    for own in file["detail"]["questions"]:
        if "cores" in own:
            side = min(own["times_as_fast"], key=lambda side: own["times_as_fast"][side]["value"])
            fast = own["times_as_fast"][side]
            text = f"{fast['value']:.2f} ({fast['low']:.2f} to {fast['high']:.2f}), {side}"
            asked.setdefault(own["work"], {})["one" if own["cores"] == 1 else "all"] = text
    if not asked:
        return []
    all_cores = file["settings"]["decode_cores"][-1]
    return [
        "",
        "Every side of a decoding question runs on the same core, or on all of them with a thread of OpenJPEG for each. gdcm's JPEG 2000 "
        "has as many threads as the machine has cores in both.",
        "",
        f"| decoding | one core: so many times as fast as the fastest other side (99 %) | all {all_cores} cores |",
        "|---|---|---|",
        *(f"| {work} | {by.get('one', '')} | {by.get('all', '')} |" for work, by in asked.items()),
    ]


def markdown(file):
    machine, versions, limits = file["machine"], file["settings"]["versions"], file["detail"]["bounds"]
    by_name = {own["name"]: own for own in file["figures"]}
    lines = [
        f"# Beside other programs, {file['taken'][:10]}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}, "
        f"{machine['kernel']}; load {machine['load_before']} before. chiasm {file['program']['version']}, "
        f"commit {file['program']['commit'] or 'not stated'}, {file['program']['burn']}.",
        "",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "",
        f"Bounds, the best measured before and between the questions: copy {limits['copy_gb_s']:.1f} GB/s, matrix product {limits['sgemm_gflop_s']:.0f} "
        f"GFLOP/s (numpy's BLAS), fsync of 4 KiB {limits['fsync_ms']:.2f} ms.",
        "",
        "| work | side | median | p90 | chiasm is so many times as fast (99 %) | bound | of bound | gave the same |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for own in file["detail"]["questions"]:
        for side, same in own["same"].items():
            figure = by_name[f"{own['question']}, {side}"]
            median, unit = figure["summary"]["median"], figure["unit"]
            fast = own["times_as_fast"].get(side)
            text = f"{fast['value']:.2f} ({fast['low']:.2f} to {fast['high']:.2f})" if fast else ""
            least = own["bound"].get("ms")
            limit = f"{least:.2f} ms" if least else f"{own['bound']['studies_per_s']:.0f}/s"
            part = least / median if least else median / own["bound"]["studies_per_s"]
            lines.append(f"| {own['question']} | {side} | {median:.2f} {unit} | {figure['summary']['p90']:.2f} | {text} | "
                         f"{limit} | {100 * part:.0f} % | {'yes' if same else 'no: ' + format(own['difference'][side], '.2g')} |")
    lines += decoding(file)
    for own in file["detail"]["questions"]:
        for side, fast in own.get("least_times_as_fast", {}).items():
            lines += ["", f"{LEAST}: {fast['value']:.2f} ({fast['low']:.2f} to {fast['high']:.2f}) times as fast as {side}."]
    kinds = {own["kind"]: own["bound"]["by"] for own in file["detail"]["questions"]}
    lines += ["", "Bounds: " + "; ".join(f"{kind} by {by}" for kind, by in kinds.items()) + ".", ""]
    return "\n".join(lines)
