"What is in the wheel and the sdist, and that an installed package starts light"
import shutil, subprocess, sys, venv
from configparser import ConfigParser
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath, ZipFile

import pytest

root = Path(__file__).parents[1]

def run(*cmd, **kwargs):
    "The output of a command, which must succeed"
    res = subprocess.run(cmd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    assert res.returncode == 0, res.stdout
    return res.stdout

@pytest.fixture(scope='session')
def wheel(tmp_path_factory):
    "The wheel made from the sdist of a copy of the repository"
    tmp = tmp_path_factory.mktemp('dist')
    skip = shutil.ignore_patterns('.*', '_docs', '_proc', 'build', 'dist', '*.egg-info', 'nbs', 'models', 'siamese_verify_demo')
    shutil.copytree(root, tmp/'src', ignore=skip)
    run(sys.executable, '-m', 'build', '--no-isolation', '--outdir', tmp, tmp/'src')
    return next(tmp.glob('*.whl'))

@pytest.fixture(scope='session')
def env(wheel, tmp_path_factory):
    "The `bin` folder of a fresh environment with the wheel installed; what it needs comes from the environment that runs the tests"
    path = tmp_path_factory.mktemp('env')
    venv.create(path)
    python = path/'bin'/'python'
    run(sys.executable, '-m', 'pip', '--python', python, 'install', '--no-deps', '--no-index', wheel)
    packages = run(python, '-c', 'import site; print(site.getsitepackages()[0])').strip()
    Path(packages, 'parent.pth').write_text('\n'.join(o for o in sys.path if o.endswith('-packages')))
    return path/'bin'

def test_modules(wheel):
    packed = {o for o in ZipFile(wheel).namelist() if o.startswith('siamese_verify/')}
    assert packed == {str(o.relative_to(root)) for o in root.glob('siamese_verify/*.py')}

def test_metadata(wheel):
    name, version = wheel.name.split('-')[:2]
    dist = PathDistribution(ZipPath(wheel, f'{name}-{version}.dist-info/'))
    ini = ConfigParser(delimiters=['='])
    ini.read(root/'settings.ini')
    assert {o for o in dist.requires if 'extra ==' not in o} == set(ini['package']['requirements'].split())
    assert dist.metadata.get_all('Provides-Extra') == list(ini['extras'])
    assert dist.metadata['License-Expression'] == 'Apache-2.0'
    assert dist.metadata['Author'] == ini['package']['author']
    assert dist.metadata['Description'].startswith('# siamese_verify')
    assert {(o.group, o.value) for o in dist.entry_points} == {('console_scripts', 'siamese_verify.cli:main'),
                                                               ('nbdev', 'siamese_verify._modidx:d')}

def test_import_is_light(env, tmp_path):
    "`import siamese_verify` brings nothing heavy with it"
    code = 'import sys, siamese_verify; print(siamese_verify.__file__, *sys.modules)'
    file, *modules = run(env/'python', '-c', code, cwd=tmp_path).split()
    assert file.startswith(str(env.parent))
    assert not {'torch', 'fastai', 'pandas', 'numpy', 'matplotlib'} & set(modules)

def test_help(env, tmp_path): assert 'usage' in run(env/'siamese_verify', '--help', cwd=tmp_path)
