"""Find the PKCS#11 library and the surroundings it runs in."""

import os
from collections.abc import Mapping
from pathlib import Path

SOFTHSM = "libsofthsm2.so"

_PROJECT_TOKEN = Path(__file__).resolve().parents[2] / ".token"
_PLACES = ("/usr/lib/softhsm", "/usr/lib", "/usr/lib64", "/usr/lib64/pkcs11", "/usr/local/lib", "/usr/local/lib/softhsm")


def find_module(name: str = SOFTHSM, home: Path | None = None) -> Path | None:
    """Find a PKCS#11 library by path (relative to the home) or bare file name; None when it is not on this machine.

    `$PKCS11_MODULE` comes first where it has the same file name, or where SoftHSM is asked for.
    """
    if "/" in name:
        path = (home or Path()) / name
        return path if path.is_file() else None
    chosen = os.environ.get("PKCS11_MODULE", "")
    if chosen and (name == SOFTHSM or Path(chosen).name == name) and Path(chosen).is_file():
        return Path(chosen)
    beside = sorted(_PROJECT_TOKEN.rglob(name)) if _PROJECT_TOKEN.is_dir() else []
    places = [Path(place) for place in _PLACES]
    places += [each / part for each in sorted(Path("/usr/lib").glob("*-linux-gnu*")) for part in ("", "softhsm", "pkcs11")]
    return next((each for each in [*beside, *(place / name for place in places)] if each.is_file()), None)


def surroundings(home: Path) -> Mapping[str, str]:
    """Give the environment of a card's process: a home with its own `softhsm2.conf` has its own soft tokens."""
    configuration = home / "softhsm2.conf"
    own = {"SOFTHSM2_CONF": str(configuration.resolve())} if configuration.is_file() else {}
    return {**os.environ, **own}


def write_softhsm_configuration(home: Path) -> None:
    """Give a home its own soft tokens, under `tokens/`; the home may be moved afterwards."""
    (home / "tokens").mkdir(mode=0o700, parents=True, exist_ok=True)
    # Relative: the card's process runs in the home.
    text = "directories.tokendir = tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    (home / "softhsm2.conf").write_text(text, "utf-8")
