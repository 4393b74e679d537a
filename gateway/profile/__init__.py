"""Document types: folders of data, made into frozen values once."""
