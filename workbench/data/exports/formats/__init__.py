"""One export format a file; each registers itself in `workbench.data.exports.export.EXPORTS`."""
