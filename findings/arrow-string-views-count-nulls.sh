#!/usr/bin/env bash
# pyarrow 26.0.1, polars 2.1.0: value_counts and unique of a column of the type string_view give the empty text for
# null; of string and large_string they give null, and so does dictionary_encode of string_view. polars hands texts over
# as string_view, so that a table's missing words become a level "" of their own. Casting to large_string first mends it.
# Seen:
#   string [('a', 1), ('b', 1), (None, 2)] ['a', 'b', None]
#   large_string [('a', 1), ('b', 1), (None, 2)] ['a', 'b', None]
#   string_view [('', 2), ('a', 1), ('b', 1)] ['', 'a', 'b']
#   of polars: string_view 2 nulls [('', 2), ('a', 1), ('b', 1)]
#   cast [('a', 1), ('b', 1), (None, 2)]
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q 'pyarrow==26.0.1' 'polars==2.1.0'
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc


def counts(column):
    found = [(entry["values"], entry["counts"]) for entry in pc.value_counts(column).to_pylist()]
    return sorted(found, key=lambda pair: (pair[0] is None, pair[0]))


def values(column):
    return sorted(pc.unique(column).to_pylist(), key=lambda value: (value is None, value))


words = ["a", None, "b", None]
for kind in (pa.string(), pa.large_string(), pa.string_view()):
    column = pa.array(words, kind)
    print(kind, counts(column), values(column))
column = pa.table(pl.DataFrame({"w": words})).column("w")
print("of polars:", column.type, column.null_count, "nulls", counts(column))
print("cast", counts(column.cast(pa.large_string())))
PYTHON
)
wanted="string [('a', 1), ('b', 1), (None, 2)] ['a', 'b', None]
large_string [('a', 1), ('b', 1), (None, 2)] ['a', 'b', None]
string_view [('', 2), ('a', 1), ('b', 1)] ['', 'a', 'b']
of polars: string_view 2 nulls [('', 2), ('a', 1), ('b', 1)]
cast [('a', 1), ('b', 1), (None, 2)]"
[ "$seen" = "$wanted" ] || { echo "it changed: $seen"; exit 1; }
echo "as before: $seen"
