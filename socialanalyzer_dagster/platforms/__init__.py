"""One file per platform and their registry: everything that names a platform."""
