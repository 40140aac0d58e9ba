"""What the simulation took for granted, as a table that says what was measured. Pure."""

from bench.simulate.runs import Report


def assumptions(report: Report) -> list[tuple[str, str, str]]:
    """Return the rows of the table: what, its value, and where that is from."""
    inputs, bench, machine = report.inputs, report.benchmark, report.machine
    stockouts = ", ".join(f"{out.begin_hour:g} h for {out.minutes:g} min" for out in inputs.stockouts)
    measured, assumed = "measured", "**assumed**"
    return [
        ("a "
         "video", f"{bench.video_seconds} s, {bench.frames} frames, {bench.clips} clips, {bench.characters} "
         "characters", f"{measured}: `examples/ten_questions.json`"),
        ("CPU of a render, "
         "libx264", f"{bench.cpu_seconds:.0f} CPU s ({bench.wall_seconds:.0f} s on two cores)",
         f"{measured}: `trivia render --direct`, two cores of an AMD EPYC"),
        ("after the last clip", f"{bench.finishing_seconds} s", f"{measured}: the manifest's stages"),
        ("NVENC on a T4", f"{machine.nvenc_fps:.0f} frames a second for the whole GPU",
         f"{assumed}; `--nvenc-fps`"),
        ("n1-standard-4, in cores of the benchmark", f"{machine.core_equivalents:g}", f"{assumed}"),
        ("waiting for speech and bucket", f"{machine.waiting_seconds:g} s a video", f"{assumed}"),
        ("a video with NVENC", f"{report.renderings['nvenc'][0]:.1f} s", report.renderings["nvenc"][1]),
        ("a video with libx264", f"{report.renderings['cpu'][0]:.1f} s", report.renderings["cpu"][1]),
        ("spread of render times", f"log-normal, {inputs.seconds_spread:.0%} of the mean", f"{assumed}"),
        ("start of a flow run", f"{inputs.run_start_seconds:g} s, once a shard",
         f"{measured}: 2.9 to 4.0 CPU s"),
        ("poll of an idle worker", f"every {inputs.poll_seconds:g} s", "Prefect's default"),
        ("jobs over the day", f"mean · (1 + {inputs.curve_amplitude:g} · cos), peak at "
         f"{inputs.peak_hour:g} h; Poisson with its total given", f"{assumed}; `--amplitude`"),
        ("bursts", f"{inputs.bursts} a day of {inputs.burst_jobs[0]:,} to {inputs.burst_jobs[1]:,} jobs",
         f"{assumed}"),
        ("other "
         "jobs", f"{inputs.single_share:.0%} one by one, the rest in batches of {inputs.batch_shards[0]} to "
         f"{inputs.batch_shards[1]} shards", f"{assumed}"),
        ("shards", f"{inputs.shard_size} jobs, one machine, one after the other", "`trivia batch`"),
        ("start of a "
         "machine", f"{inputs.boot_seconds[0]:.0f} to {inputs.boot_seconds[1]:.0f} s", f"{assumed}"),
        ("machines that never serve", f"{inputs.dud_share:.1%}", f"{assumed}"),
        ("preemptions", f"after {inputs.lifetime_hours:g} h on average, exponential; finished clips are kept",
         f"{assumed}"),
        ("a preempted run is offered again", f"after {inputs.hand_back_seconds:g} s, in its old place",
         f"{measured} (10 s); Prefect's order"),
        ("stockouts", stockouts, f"{assumed}"),
        ("utilisation that a busy machine tells", f"{inputs.busy_utilisation_percent:.0f} %", f"{assumed}"),
        ("machine with T4, spot", f"${report.money.usd_per_hour['nvenc']:.4f} an hour",
         f"price table of {report.money.as_of}, {report.money.region}"),
        ("machine without, spot", f"${report.money.usd_per_hour['cpu']:.4f} an hour", "price table"),
        ("speech", f"${report.money.speech_usd_per_million[report.voice_family]:g} a million characters "
         f"({report.voice_family})", "price table"),
        ("speech found in the cache", f"{report.speech_reused:.0%} of the characters",
         f"{assumed}; `--speech-reused`"),
    ]  # fmt: skip


def left_out() -> str:
    """Say what the simulation leaves out."""
    return (
        "Left out: the limits of Prefect's server, quotas of the voice, traffic, storage, jobs that fail, "
        "priorities, and workers that die without a word. The day begins with one machine and an empty queue."
    )
