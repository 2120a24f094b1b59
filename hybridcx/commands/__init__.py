"""The commands, one file each: options in, result out."""
