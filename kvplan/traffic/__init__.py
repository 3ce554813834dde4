"""Traffic: how long the requests are that a deployment serves. It needs numpy."""
