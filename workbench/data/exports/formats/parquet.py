"""Parquet: the canonical columns as they lie on the shelf."""

from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.core.errors import UserError
from workbench.data.exports.export import EXPORTS, Export, Row, SplitInput
from workbench.data.exports.formats._shapes import canonical_format
from workbench.data.exports.formats._trl import loading
from workbench.data.store.datasets import bare
from workbench.rows.table import GROUP_ROWS, fitted


@EXPORTS.register
class Parquet(Export):
    """Parquet with the canonical columns; tools, tool calls and metadata are JSON text, so that each has one type.

    https://huggingface.co/docs/datasets/loading#parquet
    """

    method: ClassVar[str] = "parquet"
    title: ClassVar[str] = "Parquet"
    suffix: ClassVar[str] = ".parquet"

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        return [row]

    def write(self, split: SplitInput, path: Path) -> None:
        """Copies the row groups; both splits get the columns either one uses."""
        try:
            with (
                pq.ParquetFile(split.path) as source,
                pq.ParquetWriter(path, split.schema, compression="zstd", use_dictionary=False) as file,
            ):
                for group in range(source.num_row_groups):
                    split.task.check_stop()
                    split.task.update(group, source.num_row_groups, f"Writing {split.path.stem}")
                    table = fitted(bare(source.read_row_group(group)), split.schema)
                    file.write_table(table, row_group_size=GROUP_ROWS)
                    split.count.given += table.num_rows
        except (pa.ArrowException, ValueError) as error:
            reason = (str(error).splitlines() or ["unreadable"])[0][:200]
            raise UserError(f"The rows are damaged: {reason}.", "Import the dataset again.", "dataset") from None
        split.count.taken = split.count.written = split.count.given

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        return loading("parquet", files)

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        return canonical_format(kind, uses)
