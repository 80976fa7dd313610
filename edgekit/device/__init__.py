"""The device side: the link's codec, the serial port, and the device as an object with methods."""
