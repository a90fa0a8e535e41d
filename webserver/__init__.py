"""A gunicorn worker whose threads never wait for a client.

One thread of each process, the poller, owns the sockets. It reads a request, head and body, while it arrives, and gives
it to one of the application's threads when all of it is there. A thread writes as much of the response as the socket
takes; what is left waits with the poller, and any thread goes on when the client has read.

So a slow client costs a file descriptor and memory, and never a thread: up to 64 KiB for each of a head and a body, and
the part of a response that it has not read, which is all of it unless the application streams. What the parts of all
responses take has a bound: the response of which nothing has been read for longest is ended for another. Each wait has
a deadline (`limits.Limits`), and the number of connections a bound: the one that has been idle for longest is closed
for a new one.

    accept ─▶ IDLE ─▶ HEAD ─▶ BODY ─▶ RUNNING ◀─▶ SENDING          IDLE, HEAD, BODY, SENDING, CLOSING: with the poller
               ▲                         │                         RUNNING: with a thread
               └────── keep-alive ───────┴─────▶ CLOSING ─▶ closed

Parsing, the WSGI environment, the form of responses, the processes and their signals are gunicorn's own.
"""
