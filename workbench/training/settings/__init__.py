"""Settings of a training by what they are for, a file each, which its job inherits."""
