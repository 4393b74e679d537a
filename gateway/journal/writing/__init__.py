"""How outcomes are written: held against what they rely on, in bulk, by one thread."""
