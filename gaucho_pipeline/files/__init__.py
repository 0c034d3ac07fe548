"""Plain files: hashes, tables, spreadsheets, writing that survives a crash, the clock. Nothing here knows what the files are about."""
