"""Raises what is no Exception."""


class Stop(BaseException):
    pass


raise Stop
