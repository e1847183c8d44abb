#!/usr/bin/env bash
# netCDF4 1.7.2 and h5py 3.11.0, both with HDF5 1.14.2 of their own: a file of one dimension and one variable can be
# written by netCDF4 where it is imported before h5py, or alone; where h5py was imported first, by whichever module of a
# program, writing raises RuntimeError. With netCDF4 1.7.3 both orders write.
# Seen:
#   1.7.2 netCDF4: written
#   1.7.2 netCDF4 h5py: written
#   1.7.2 h5py netCDF4: RuntimeError NetCDF: Problem with HDF5 dimscales.
#   1.7.3 h5py netCDF4: written
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat > "$folder/write.py" <<'PYTHON'
import importlib
import sys
from importlib.metadata import version

for name in sys.argv[2:]:
    importlib.import_module(name)
import netCDF4

try:
    with netCDF4.Dataset(sys.argv[1], "w") as file:
        file.createDimension("row", 3)
        file.createVariable("x", "f8", ("row",))[:] = [1.0, 2.0, 3.0]
    said = "written"
except RuntimeError as error:
    said = f"{type(error).__name__} {error}"
print(version("netCDF4"), *sys.argv[2:], end=": ")
print(said)
PYTHON
install() { "$folder/venv/bin/pip" install -q 'numpy==1.26.4' 'h5py==3.11.0' "netCDF4==$1"; }
write() { "$folder/venv/bin/python" "$folder/write.py" "$folder/$RANDOM.nc" "$@" 2>/dev/null; }
seen=$(
    install 1.7.2 >&2
    write netCDF4
    write netCDF4 h5py
    write h5py netCDF4
    install 1.7.3 >&2
    write h5py netCDF4
)
wanted="1.7.2 netCDF4: written
1.7.2 netCDF4 h5py: written
1.7.2 h5py netCDF4: RuntimeError NetCDF: Problem with HDF5 dimscales.
1.7.3 h5py netCDF4: written"
[ "$seen" = "$wanted" ] || { echo "it changed: $seen"; exit 1; }
echo "as before: $seen"
