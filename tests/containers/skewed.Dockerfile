# The program whose clock is off, under a name that Compose may give to what it builds.
#
# Why: a service with `build` is built whatever its `image` says, and would put the shipped program in the place of this one.
FROM hallpass-tests/skewed AS satellite
HEALTHCHECK --interval=5s --timeout=3s CMD ["/satellite", "health"]
