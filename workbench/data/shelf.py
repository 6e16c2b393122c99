"""The shelf of datasets, in one place for those who use it: importing, listing, reading, splitting, deleting."""

from workbench.data.importing import Preview, import_dataset, import_sample, preview_source
from workbench.data.store import (
    all_rows,
    count,
    dataset_folder,
    dataset_kind,
    dataset_manifest,
    dataset_row,
    delete_dataset,
    list_datasets,
    rows,
    write_rows,
)

__all__ = [
    "Preview",
    "all_rows",
    "count",
    "dataset_folder",
    "dataset_kind",
    "dataset_manifest",
    "dataset_row",
    "delete_dataset",
    "import_dataset",
    "import_sample",
    "list_datasets",
    "preview_source",
    "rows",
    "write_rows",
]
