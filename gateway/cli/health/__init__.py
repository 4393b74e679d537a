"""Commands that tell whether machine, settings, gateway and history are in order."""
