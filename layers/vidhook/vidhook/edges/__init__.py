"""The edges: the modules that use AWS and the network."""

# Connections to one AWS service. Publishing notifies this many subscribers at the same time, and botocore does not
# reuse connections above this number.
CONNECTIONS = 64
