"""`vestibule COMMAND`: run | replay | demo | check | tail | web | report | forget."""

import argparse
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

from vestibule import config, log
from vestibule.errors import ConfigError, VestibuleError
from vestibule.sections import LogConfig

_MOST_JOBS = 256


def main(argv: list[str] | None = None) -> int:
    """Run one command; errors of the user's making are one line on standard error and exit code 1."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except VestibuleError as error:
        print(f"vestibule: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("vestibule: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vestibule", description="Tells a clothing store's staff what an arriving customer is wearing."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="the daemon: watch the cameras and publish")
    run.set_defaults(run=_run)
    replay = commands.add_parser("replay", help="send recorded video through the daemon's pipeline")
    replay.set_defaults(run=_replay)
    check = commands.add_parser("check", help="try the configuration, models, cameras and broker, a line each")
    check.set_defaults(run=_check)
    tail = commands.add_parser("tail", help="print alerts and claims as they arrive, as a staff app would")
    tail.set_defaults(run=_tail)
    for command in (run, replay, check, tail):
        command.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration, TOML")

    check.add_argument("--migrate", action="store_true", help="first rewrite a file of an earlier version, keeping it")
    replay.add_argument("files", nargs="+", type=Path, metavar="FILE", help="video; several run one after the other")
    replay.add_argument("--camera", metavar="ID", help="whose line and zones apply (the first by default)")
    replay.add_argument(
        "--with",
        action="append",
        default=[],
        type=_recording,
        dest="beside",
        metavar="ID=FILE",
        help="another camera's video that begins with FILE, for stays; may be repeated",
    )
    replay.add_argument(
        "--start", type=_moment, default=0.0, metavar="TIME", help="when the recording began: ISO-8601 or Unix seconds"
    )
    replay.add_argument("--out", type=Path, metavar="FILE", help="write the events as JSON lines")
    replay.add_argument("--ledger", type=Path, metavar="FILE", help="add the visits to a ledger, for `report`")
    replay.add_argument("--publish", action="store_true", help="publish to the configured broker")
    replay.add_argument("--realtime", action="store_true", help="at the recording's own pace")
    replay.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="so many files side by side (1)")
    replay.add_argument("--ray", action="store_true", help="side by side on a Ray cluster (RAY_ADDRESS)")
    replay.add_argument("--annotate", type=Path, metavar="FILE", help="write a video with what was seen drawn on it")

    _add_web(commands)
    _add_report(commands)
    _add_forget(commands)
    demo = commands.add_parser("demo", help="replay the shipped clip against a broker of its own")
    demo.add_argument("--clip", type=Path, metavar="FILE", help="your own footage instead")
    demo.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where all it makes goes (out)")
    demo.set_defaults(run=_demo)
    return parser


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of files from 1 to {_MOST_JOBS}")
    return int(text)


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    report = commands.add_parser("report", help="customers, what they wear, alerts and claims, out of the ledger")
    report.add_argument("--config", type=Path, metavar="FILE", help="configuration, TOML: its ledger, its store")
    report.add_argument("--ledger", type=Path, metavar="FILE", help="another ledger; enough without a configuration")
    report.add_argument("--site", metavar="ID", help="which store, if the ledger holds several")
    report.add_argument("--from", dest="first", type=_day, metavar="DAY", help="first day, 2026-11-01 (a week before)")
    report.add_argument("--to", dest="last", type=_day, metavar="DAY", help="last day (that of the newest visit)")
    report.add_argument("--camera", metavar="ID", help="what this one saw (all)")
    report.add_argument("--format", dest="form", choices=("table", "csv", "json", "html"), default="table")
    report.add_argument("--out", type=Path, metavar="FILE", help="write there instead of on standard output")
    report.set_defaults(run=_report)


def _add_forget(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    forget = commands.add_parser("forget", help="delete for good what is kept of customers who came before a time")
    forget.add_argument(
        "--before",
        type=_moment,
        required=True,
        metavar="TIME",
        help="ISO-8601 (UTC without an offset) or Unix seconds",
    )
    forget.add_argument("--config", type=Path, metavar="FILE", help="configuration, TOML: everything that it keeps")
    forget.add_argument("--ledger", type=Path, metavar="FILE", help="another ledger; only that without a configuration")
    forget.set_defaults(run=_forget)


def _add_web(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    web = commands.add_parser("web", help="serve the page on which staff see alerts and claim them; pair their phones")
    web.add_argument("--config", type=Path, metavar="FILE", help="configuration, TOML")
    web.set_defaults(run=_web, action=None)
    actions = web.add_subparsers(metavar="ACTION")
    pair = actions.add_parser("pair", help="show a code that pairs one phone")
    pair.add_argument("--name", metavar="NAME", help="whose it is (the person is asked if not given)")
    devices = actions.add_parser("devices", help="list the paired phones")
    revoke = actions.add_parser("revoke", help="unpair one, at once")
    revoke.add_argument("device", metavar="ID", help="as `devices` lists it")
    for name, action in (("pair", pair), ("devices", devices), ("revoke", revoke)):
        # The same once more, so that it may stand behind the action; not given there, it leaves the other as it is.
        action.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help=argparse.SUPPRESS)
        action.set_defaults(action=name)


def _moment(text: str) -> float:
    """Parse Unix seconds or ISO-8601; a time without an offset is UTC."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither ISO-8601 nor Unix seconds") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _recording(text: str) -> tuple[str, Path]:
    camera_id, equals, path = text.partition("=")
    if not camera_id or not equals or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not ID=FILE, as in hall=hall.mp4")
    return camera_id, Path(path)


def _day(text: str) -> date:
    """Parse a day; parts of days are not reported, lest two reports be subtracted from each other."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; name a whole one, such as 2026-11-01") from error


def _load(path: Path) -> config.Settings:
    settings = config.load(path)
    log.configure(settings.log, settings.secrets())
    return settings


# Each command imports what it needs: `tail` starts without the networks' runtimes.


def _run(args: argparse.Namespace) -> int:
    from vestibule.service import run  # noqa: PLC0415

    return run(_load(args.config), args.config)


def _replay(args: argparse.Namespace) -> int:
    from vestibule.replay import ReplayOptions, replay  # noqa: PLC0415

    options = ReplayOptions(
        files=tuple(args.files),
        camera_id=args.camera,
        beside=tuple(args.beside),
        start_s=args.start,
        out=args.out,
        ledger=args.ledger,
        publish=args.publish,
        realtime=args.realtime,
        annotate=args.annotate,
        jobs=args.jobs,
        ray=args.ray,
    )
    summary = replay(_load(args.config), options)
    print(
        f"{summary.frames} frames ({summary.media_s:.1f} s) in {summary.wall_s:.1f} s: "
        f"{summary.visits} visits, {len(summary.alerts)} alerts",
        file=sys.stderr,
    )
    return 0


def _check(args: argparse.Namespace) -> int:
    from vestibule.check import check  # noqa: PLC0415

    log.configure(LogConfig(level="error"), [])
    if args.migrate:
        from vestibule.migration import migrate  # noqa: PLC0415

        print(f"ok     configuration: {migrate(args.config)}")
    return check(args.config, sys.stdout)


def _tail(args: argparse.Namespace) -> int:
    from vestibule import tail  # noqa: PLC0415

    return tail.run(_load(args.config))


def _web(args: argparse.Namespace) -> int:
    from vestibule.web import commands, service  # noqa: PLC0415

    if args.config is None:
        raise ConfigError("web: --config FILE is missing; start from config.example.toml")
    settings = config.load(args.config)
    log.configure(settings.log, [])
    match args.action:
        case "pair":
            return commands.pair(settings, args.name, sys.stdout)
        case "devices":
            return commands.devices(settings, sys.stdout)
        case "revoke":
            return commands.revoke(settings, args.device, sys.stdout)
        case _:
            password = settings.mqtt.password()  # of the others' the page needs none, and may not read them
            log.configure(settings.log, [] if password is None else [password])
            return service.run(settings)


def _report(args: argparse.Namespace) -> int:
    from vestibule.report import ReportOptions, report  # noqa: PLC0415

    if args.config is None and args.ledger is None:
        raise ConfigError("report: name a configuration with --config, or a ledger with --ledger")
    options = ReportOptions(
        ledger=args.ledger,
        site=args.site,
        first=args.first,
        last=args.last,
        camera=args.camera,
        form=args.form,
        out=args.out,
    )
    settings = None if args.config is None else _load(args.config)
    return report(settings, options, today=datetime.now(UTC).date(), stream=sys.stdout)


def _forget(args: argparse.Namespace) -> int:
    from vestibule.forget import forget  # noqa: PLC0415

    if args.config is None and args.ledger is None:
        raise ConfigError("forget: name a configuration with --config, or a ledger with --ledger")
    settings = None if args.config is None else config.load(args.config)
    return forget(settings, args.ledger, args.before, now_s=time.time(), out=sys.stdout)


def _demo(args: argparse.Namespace) -> int:
    from vestibule.demo import demo  # noqa: PLC0415

    log.configure(LogConfig(level="warning"), [])
    return demo(args.clip, args.out)


if __name__ == "__main__":
    sys.exit(main())
