import asyncio

from host.build import BuildError
from host.station.arguments import arguments
from host.station.many import Many
from host.station.station import Station


def main():
    args = arguments()
    try:
        raise SystemExit(asyncio.run((Many if args.many else Station)(args).run()))
    except (BuildError, OSError) as e:
        raise SystemExit(f"station: {e}") from None


if __name__ == "__main__":
    main()
