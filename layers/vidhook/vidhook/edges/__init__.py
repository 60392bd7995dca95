"""Where the world is touched."""

# To one AWS service: publishing tells so many subscribers at once, and a connection more is made anew for each request.
CONNECTIONS = 64
