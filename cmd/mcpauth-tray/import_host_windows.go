package main

// remoteHost is where mcp-remote has the browser come back to when it is not told.
const remoteHost = "127.0.0.1"
