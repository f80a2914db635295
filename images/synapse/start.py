"""Starts Synapse in a tenant's container."""

import gc
import os

SOCKET = "/run/hafen/hs.sock"

# Twisted locks the socket with a link that names a process, and takes a lock for valid when that process lives. In a
# container it is always number 1, the new Synapse itself: after a kill it would never listen again. No other process
# can be there, for nobody else is in the container.
for path in (SOCKET + ".lock", SOCKET):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass

if __name__ == "__main__":
    # What is imported stays. Collecting garbage in between, and again when Synapse is ready, looks through all of it and
    # takes a quarter of the whole start; 4 MB of garbage are the price. Synapse itself collects by its own clock.
    gc.disable()
    from synapse.app.homeserver import main

    gc.freeze()
    main()
