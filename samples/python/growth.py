"""growth.py - a service that keeps what it answered, for good.

    PYTHONTRACEMALLOC=1 python3 growth.py                       answers 200 requests, waits for a line
    refheap --pid $(pgrep -f growth.py) gcdiff --save=before    then press Enter: it answers 1000 more
    refheap --pid $(pgrep -f growth.py) gcdiff before

Without PYTHONTRACEMALLOC it is the same but for the lines. Invariant: of each request one Session stays, whose pages stay with it.
"""

FIRST_REQUESTS, MORE_REQUESTS = 200, 1000
sessions = {}


class Session:
    def __init__(self, user):
        self.user = user
        self.pages = ["page %d of user %d" % (page, user) for page in range(3)]


def answer(request):
    sessions[request] = Session(request)
    return "hello, user %d" % request


def main():
    for request in range(FIRST_REQUESTS):
        answer(request)
    print("before", flush=True)
    input()
    for request in range(FIRST_REQUESTS, FIRST_REQUESTS + MORE_REQUESTS):
        answer(request)
    print("later", flush=True)
    input()


if __name__ == "__main__":
    main()
