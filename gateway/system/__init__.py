"""The machine: its clock, files, folders, threads and logs, and XML from strangers."""
