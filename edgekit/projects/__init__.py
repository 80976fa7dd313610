"""Firmware projects: complete folders of sources that build without edgekit."""
