"""Documents of a month that become one."""
