"""The database below the journal: engines, tables, statements, rows and schema versions."""
