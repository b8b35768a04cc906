"How a case ends: a table of tests has a row for each thing that is done, and how it should end"
import re, warnings

import pytest

known = ValueError, TypeError, OSError, ImportError, MemoryError    # what an error of ours is

class fails:
    "Ends in an error whose message matches a pattern: it names what was given, or what to do"
    def __init__(self, pattern, kinds=known): self.pattern,self.kinds = pattern,kinds

class warns(fails):
    "Goes on, and a warning says what's odd"

def end(do, outcome):
    "Do something, and see that it ends as it should"
    if type(outcome) is warns:
        with pytest.warns(UserWarning, match=outcome.pattern): return do()
    with warnings.catch_warnings():
        warnings.simplefilter('error', RuntimeWarning)    # a NaN was made in silence
        if not isinstance(outcome, fails): return right(do(), outcome)
        with pytest.raises(outcome.kinds) as e: do()
    assert re.search(outcome.pattern, str(e.value)), f'{e.value!r} does not match {outcome.pattern!r}'
    assert len(str(e.value).split())>3, f'{e.value!r} says too little'

def right(res, outcome):
    "Is a result what it should be: equal to something, or of a sort that a function checks?"
    ok = outcome(res) if callable(outcome) else res==outcome
    assert ok, f'{res!r} is not as it should be'

def table(**rows):
    "A test's rows: a name, what is done, how it ends"
    return pytest.mark.parametrize('do,outcome', [pytest.param(*o, id=name) for name,o in rows.items()])

def each(name, values):
    "A parameter of a test, each value with an id that can be read"
    return pytest.mark.parametrize(name, [pytest.param(o, id=str(k)) for k,o in values.items()])
