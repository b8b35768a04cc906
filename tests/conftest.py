"Property tests draw the same cases each time; drills, which take long, run with `--drill`"
import pytest
from hypothesis import settings

settings.register_profile('fixed', derandomize=True, deadline=None)
settings.load_profile('fixed')

def pytest_addoption(parser):
    parser.addoption('--drill', action='store_true', help='also run what takes long')
    parser.addoption('--fuzz', type=int, help='cases of each kind in tests/hostile/test_fuzz.py, others each time, instead of the same 40')

def pytest_configure(config): config.addinivalue_line('markers', 'drill: takes long; runs with --drill')

longest = 'test_site', 'test_pages', 'test_web', 'test_checkpoints', 'test_serve', 'test_bench', 'test_ranks', 'test_determinism'

def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda o: longest.index(o.path.stem) if o.path.stem in longest else len(longest))    # no process is left alone at the end
    if config.getoption('--drill'): return
    for o in items:
        if o.get_closest_marker('drill'): o.add_marker(pytest.mark.skip(reason='a drill: --drill runs it'))
