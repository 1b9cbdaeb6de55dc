"""Makes DIST/sqlite_hybrid_cache-VERSION-py3-none-PLATFORM.whl; needs nothing but Python.

From the Makefile: VERSION, BUILD, DIST, MACHINE, LIBRARY, XXHASH, SOURCE_DATE_EPOCH. The tag promises no more than the
library keeps: on Linux the oldest glibc that has every symbol version it asks for.
"""

import base64
import hashlib
import os
import re
import subprocess
import time
import zipfile
from pathlib import Path

VERSION, DIST, MACHINE = (os.environ[name] for name in ("VERSION", "DIST", "MACHINE"))
LIBRARY = Path(os.environ["LIBRARY"])
HERE = Path("ext/packaging")
NAME = "sqlite_hybrid_cache"


def platform():
    machine = MACHINE.split("-")[0]
    if LIBRARY.suffix == ".dll":
        return {"x86_64": "win_amd64", "aarch64": "win_arm64"}.get(machine, "win32")
    if LIBRARY.suffix == ".dylib":
        return "macosx_11_0_arm64" if machine in ("arm64", "aarch64") else "macosx_10_15_x86_64"
    if "musl" in MACHINE:
        return f"musllinux_1_1_{machine}"
    asked = re.findall(rb"GLIBC_2\.(\d+)", LIBRARY.read_bytes())
    return f"manylinux_2_{max([17, *map(int, asked)])}_{machine}"


METADATA = f"""Metadata-Version: 2.1
Name: sqlite-hybrid-cache
Version: {VERSION}
Summary: Two-tier key-value cache inside SQLite, as a loadable extension
License: MIT
Requires-Python: >=3.7
Classifier: Topic :: Database
License-File: LICENSE
License-File: LICENSE-xxHash

"""


def main():
    tag = f"py3-none-{platform()}"
    info = f"{NAME}-{VERSION}.dist-info"
    module = (HERE / "python" / f"{NAME}.py").read_text().replace("@VERSION@", VERSION)
    licence = subprocess.run(
        ["sh", HERE / "xxhash_licence.sh", os.environ["XXHASH"]], check=True, capture_output=True
    ).stdout
    files = {
        f"{NAME}/__init__.py": module.encode(),
        f"{NAME}/hybrid_cache{LIBRARY.suffix}": LIBRARY.read_bytes(),
        f"{info}/METADATA": (METADATA + module.split('"""')[1]).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: make wheel\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        f"{info}/LICENSE": Path("LICENSE").read_bytes(),
        f"{info}/LICENSE-xxHash": licence,
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()

    moment = time.gmtime(max(int(os.environ["SOURCE_DATE_EPOCH"]), 315532800))[:6]  # zip begins in 1980
    path = Path(DIST) / f"{NAME}-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            wheel.writestr(entry, data)
    print(path)


main()
