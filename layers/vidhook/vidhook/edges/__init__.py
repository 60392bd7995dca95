"""Where the world is touched."""

# To one AWS service: publishing notifies so many subscribers at once, and botocore makes any further connection anew
# for each request.
CONNECTIONS = 64
