"""What the sections of a profile.toml say, each read and held against the fields."""
