"""Installs what the benchmarks compare with, in an environment of its own, benchmarks/.venv.

    python benchmarks/peers.py

That environment sees the packages of the one that runs this script, so PyTorch and fastai are not installed twice. Two of
the peers were written for an older fastai: their installed copies are edited by pattern, and nothing of them is kept here.
"""
import re, subprocess, sys, sysconfig, venv
from pathlib import Path

env = Path(__file__).resolve().parent/'.venv'
python,done = env/'bin'/'python',env/'.installed'

peers = ['pytorch-metric-learning==2.9.0', 'sentence-transformers==6.2.0']
old_peers = ['similarity-learning==0.0.4', 'fastai-datasets==0.0.8'] # installed without what they ask for: an older fastai

# Pattern, replacement, and the number of places in `old_peers`
edits = [
    (r'@typedispatch', '@dispatch', 2),
    (r'\b(show_\w+)\[(.+?)\]\(', r'\1.invoke(\2, object, object)(', 2),
    (r'(\w+)\.__getitem__\b', r'lambda o: \1[o]', 1), # a bound method is no transform
    (r'(?m)^from facenet_pytorch import (.+)$', r'try: \g<0>\nexcept ImportError: \1 = [object]*2', 2), # wants torch 2.2; used for faces only
]

def run(*cmd, why):
    "The output of a command, or an end with a message that tells `why` it was run"
    res = subprocess.run(cmd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if res.returncode: sys.exit(f'{why} failed:\n{res.stdout[-2000:]}')
    return res.stdout

def make_env():
    "An empty environment with the packages of this one behind its own"
    print(f'{env}: a new environment on top of {sys.prefix}')
    venv.create(env, clear=True)
    packages = run(python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))', why='finding the packages of the new environment').strip()
    below = sorted({sysconfig.get_path(o) for o in ('purelib','platlib')})
    Path(packages, 'below.pth').write_text('\n'.join(below))
    return Path(packages)

def install():
    "Install the peers"
    pip = python, '-m', 'pip', '--disable-pip-version-check', 'install', '-qq'
    print('installing', *peers)
    run(*pip, *peers, why='installing the peers (it takes a package registry)')
    print('installing', *old_peers, 'without their requirements')
    run(*pip, '--no-deps', *old_peers, why='installing the older peers (it takes a package registry)')

def edit(packages):
    "Edit the installed `old_peers` so that they run with today's fastai"
    files = [f for o in old_peers for f in (packages/re.sub(r'==.*', '', o).replace('-', '_')).rglob('*.py')]
    for pattern,repl,n in edits:
        found = 0
        for f in files:
            text,k = re.subn(pattern, repl, f.read_text(encoding='utf-8'))
            if k: f.write_text(text, encoding='utf-8')
            found += k
        if found!=n: sys.exit(f'{pattern} should be in {n} places of {", ".join(old_peers)}, and is in {found}: look at edits in {__file__}')
        print(f'edited {n} times: {pattern}')

def check():
    "Import the peers"
    mods = 'similarity_learning.all', 'fastai_datasets.all', 'pytorch_metric_learning', 'sentence_transformers'
    for o in mods: run(python, '-c', f'import {o}', why=f'importing {o}')
    print('all of them can be imported')

def main():
    "Do all that, unless it was done"
    state = '\n'.join([sys.version, sys.prefix, Path(__file__).read_text(encoding='utf-8')])
    if done.exists() and done.read_text(encoding='utf-8')==state: return print(f'{env} is up to date')
    packages = make_env()
    install()
    edit(packages)
    check()
    done.write_text(state, encoding='utf-8')

if __name__=='__main__': main()
