"""The scripts of the profile folders, and how they are played."""
