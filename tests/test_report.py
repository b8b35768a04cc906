"The report: of models that are not as they should be, with names that are not as they should be, and in a browser"
import re, shutil

import numpy as np, pandas as pd, pytest, torch
from PIL import Image

from siamese_verify.data import LabeledImages
from siamese_verify.model import small_encoder
from siamese_verify.pairs import Pairs
from siamese_verify.report import *
from siamese_verify.training import siamese_learner

script = '<script>alert(1)</script>'
hostile = [script, '"><img src=x onerror=alert(1)>', "a & b 'c'", '*star* $x_{$', 'l' + 'o'*90 + 'ng', '日本', '12', 'b']

def picture(seed):
    a = np.random.default_rng(seed).integers(0, 256, (4,4,3), dtype=np.uint8)
    return Image.fromarray(a).resize((32,32))

def files(path, names, n=4):
    "n images of noise for each name; the name of the class is in that of the file as far as a disk has it"
    path.mkdir(exist_ok=True)
    out = [path/f'{k}{c.replace("/", " ")}{i}.png' for k,c in enumerate(names) for i in range(n)]
    for k,f in enumerate(out): picture(k).save(f)
    return out

def images(path, names=hostile, n=4):
    labels = [c for c in names for _ in range(n)]
    half = len(labels)//2//n*n
    return LabeledImages(files(path, names, n), labels, valid=range(half, len(labels)))

def learner(images, kind='threshold', **kwargs):
    torch.manual_seed(0)
    return siamese_learner(images.dls(bs=8, store=images.store(32)), small_encoder(n_out=16), kind=kind, **kwargs)

@pytest.fixture
def learn(tmp_path):
    learn = learner(images(tmp_path/'images', hostile[4:]+hostile[:4]))
    learn.fit_threshold()
    return learn

def serious(report): return [o.text for o in report.troubles() if o.serious]

def test_names(learn, tmp_path):
    "What a name says is shown, not run"
    html = learn.write_report(tmp_path/'report.html').read_text(encoding='utf-8')
    assert '&lt;script&gt;alert(1)&lt;/script&gt;' in html and '<script' not in html and '<img src=x' not in html
    assert not re.search('https?:', html)

def test_whole_or_not_at_all(learn, tmp_path, monkeypatch):
    "A report that fails leaves the old one, and nothing else"
    fname = tmp_path/'out'/'report.html'
    report = Report(learn)
    old = report.write(fname).read_text(encoding='utf-8')
    def fail(o): raise RuntimeError('no')
    monkeypatch.setattr(Report, 'to_html', fail)
    with pytest.raises(RuntimeError): report.write(fname)
    assert fname.read_text(encoding='utf-8')==old and [*fname.parent.iterdir()]==[fname]

def test_few(learn):
    report = Report(learn)
    assert 'Too few data' in serious(report)[0] and report.verdict().level=='bad'

def test_leak(tmp_path):
    "A copy of a training image in validation"
    data = images(tmp_path/'images', [f'{k:02}' for k in range(48)], 2)
    picture(0).save(data.files[-1])
    learn = learner(data)
    learn.fit_threshold()
    report = Report(learn)
    assert [o for o in serious(report) if 'A leak: 1 of the 48 images' in o]
    assert 'A leak: 1 of the 48' in report.to_html()

def test_fitted_here(learn):
    learn.fit_threshold('valid')
    assert any('very pairs' in o for o in serious(Report(learn)))

def test_seen_classes(tmp_path):
    data = images(tmp_path/'images')
    seen = LabeledImages(data.files, np.array(data.vocab)[data.y], valid=range(0, len(data), 2))
    told = ' '.join(o.text for o in Report(learner(seen)).troubles())
    assert 'All 8 things were in training' in told and 'Nobody has fitted the threshold' in told

def test_head(tmp_path):
    report = Report(learner(images(tmp_path/'images'), 'head'))
    html = report.to_html()
    assert 'tells no probabilities' in html and report.rates.to_text().loc['valid','accuracy'] in html

def test_one_kind(tmp_path):
    "No two validation images of one class: one of both mistakes is told, and why the other isn't"
    names = [f'{k}' for k in range(4)]
    data = images(tmp_path/'images', names, 4)
    single = LabeledImages(data.files, np.array(data.vocab)[data.y], dict(train=range(8), valid=[8,12]))
    report = Report(learner(single))
    assert 'no two images of the same thing' in serious(report)[0] and len(report.verdict().sentences)==2
    assert 'Measured on 2 things' in report.to_html()

def test_given_pairs(tmp_path):
    "A list of pairs of images without classes"
    data = files(tmp_path/'images', hostile)
    rng = np.random.default_rng(0)
    i,j = np.triu_indices(16, 1)
    rows = [*zip(i, j), *zip(i+16, j+16)]
    df = pd.DataFrame([(data[a], data[b], int(a//4==b//4), a>=16) for a,b in rows], columns=['left','right','same','is_valid'])
    pairs = Pairs.from_df(df)
    learn = siamese_learner(pairs.dls(bs=8), small_encoder(n_out=16), kind='threshold')
    report = Report(learn)
    html = report.to_html()
    assert report.rates['valid'].n_same==24 and '<script' not in html
    assert 'tells what is one' in html and 'had seen' not in html    # what is new to it, nobody knows

def test_each_class_once(learn):
    "Rates of folds come first, and the others stay"
    once = learn.report('train')['train']
    report = Report(learn, each_once=once)
    assert report.verdict().sentences[-1].endswith('each by a model that had not seen it.')
    html = report.to_html()
    assert str(once['FMR']) in html and str(report.rates['valid']['FMR']) in html and 'Each class once' in html

def test_training_did_not_help(learn):
    report = Report(learn, before=learn.report())
    assert any('Training has not helped' in o.text for o in report.troubles())
    assert 'could be chance' in report.to_html()

# -- in a browser

chromium = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)

@pytest.fixture(scope='module')
def browser():
    if not chromium: pytest.skip('no chromium to look at the report with (apt-get install chromium)')
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()

@pytest.mark.parametrize('scheme', ['light','dark'])
def test_in_browser(learn, tmp_path, browser, scheme):
    "From disk: no request, no error, nothing runs, no scrolling sideways, a text for each picture, and axe-core finds nothing"
    import axe_playwright_python
    from pathlib import Path
    axe = (Path(axe_playwright_python.__file__).parent/'axe.min.js').read_text(encoding='utf-8')
    fname = learn.write_report(tmp_path/'report.html', before=learn.report(), command='siamese_verify train', seed=1)
    context = browser.new_context(color_scheme=scheme, viewport=dict(width=1280, height=900))
    page,problems = context.new_page(),[]
    page.on('request', lambda r: problems.append(f'request to {r.url}') if r.url!=fname.as_uri() and not r.url.startswith('data:') else None)
    page.on('console', lambda m: problems.append(f'{m.type}: {m.text}'))
    page.on('pageerror', lambda e: problems.append(f'exception: {e}'))
    page.on('dialog', lambda d: (problems.append(f'dialog: {d.message}'), d.dismiss()))
    page.goto(fname.as_uri(), wait_until='load')
    assert script in page.inner_text('body')
    assert page.evaluate('[...document.images].every(o => o.complete && o.naturalWidth>0)')
    assert page.locator('img:not([alt]), img[alt=""]').count()==0 and page.locator('img').count()>10
    page.evaluate(axe)
    for width in 1280,390:
        page.set_viewport_size(dict(width=width, height=844))
        page.wait_for_function(f'innerWidth == {width}')
        wide = page.evaluate('document.documentElement.scrollWidth')
        if wide>width: problems.append(f'{wide} px wide at {width}')
        found = page.evaluate('axe.run({resultTypes: ["violations"]})')['violations']
        problems += [f'{width} px: {v["id"]}: {n["target"][0]} {n["failureSummary"]}' for v in found for n in v['nodes'][:2]]
    assert not problems, '\n'.join(problems)
    context.close()
