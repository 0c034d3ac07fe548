"""What travels in a pack and runs where it is unpacked: standard library only, no import of this package."""
