"""`tongguan doctor` and `tongguan config check`: what the machine, the settings and the home are looked at for."""
