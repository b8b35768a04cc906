"The page of `export_web`, opened from disk in Chromium: it answers as the verifier does, and asks nobody"
import base64, json, re, shutil, threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np, pytest
from PIL import Image
from siamese_verify.all import ClassSplitter, Glyphs, set_seed, siamese_learner, small_encoder
from siamese_verify.cli import web
from siamese_verify.onnx import *
from siamese_verify.verifier import *
from siamese_verify.web import *
from sklearn.datasets import load_sample_images

chromium = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
if not chromium: pytest.skip('no chromium to open the page with (apt-get install chromium)', allow_module_level=True)
pytestmark = pytest.mark.drill

@pytest.fixture(scope='module')
def runtime():
    "The folder of the runtime, which npm fetches if it isn't there"
    try: read_runtime()
    except OSError as e: pytest.skip(f'no onnxruntime-web: {e}')
    return runtime_cache()

@pytest.fixture(scope='module')
def trained():
    "A verifier of letters, trained for a moment; it crops and resizes, and has a calibration"
    set_seed(42)
    images = Glyphs(ClassSplitter(valid_pct=.3, threshold_pct=.1), size=32)
    learn = siamese_learner(images.dls(bs=64, store=images.store(32)), small_encoder, kind='distance')
    with learn.no_bar(), learn.no_logging(): learn.fit(1, 1e-2)
    return change(learn.verifier(learn.fit_threshold(), seed=42), preprocessing=asdict(Preprocessing('crop', 32, 48)))

def change(v, **config): return Verifier(v.encoder, v.config | config | dict(weights=None))

@pytest.fixture(scope='module')
def files(tmp_path_factory):
    "Images of odd sizes, in all the ways that files have"
    path, (a, b) = tmp_path_factory.mktemp('images'), (Image.fromarray(o) for o in load_sample_images().images)
    exif = Image.Exif()
    exif[0x0112] = 6
    a.crop((3, 5, 340, 422)).save(path/'tall.png')
    b.crop((100, 50, 631, 250)).save(path/'wide.jpg', quality=90)
    a.crop((200, 10, 531, 301)).save(path/'turned.jpg', exif=exif)
    b.resize((3001, 2003)).save(path/'large.jpg')
    b.crop((0, 0, 23, 31)).save(path/'tiny.png')
    a.crop((0, 0, 201, 99)).convert('L').save(path/'grey.png')
    b.crop((120, 60, 481, 397)).quantize(40).save(path/'palette.png')
    clear = b.crop((130, 61, 471, 380)).convert('RGBA')
    clear.putalpha(Image.linear_gradient('L').resize(clear.size))
    clear.save(path/'clear.png')
    a.crop((90, 33, 401, 290)).save(path/'<img src=x onerror=alert(1)>.webp', quality=95)
    return sorted(path.iterdir())

@pytest.fixture(scope='module')
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        fake = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']
        browser = p.chromium.launch(executable_path=chromium, args=fake)
        yield browser
        browser.close()

@pytest.fixture
def page(browser):
    "A window without a network; `page.problems` lists what went wrong in it"
    context = browser.new_context(viewport=dict(width=1280, height=900))
    o = context.new_page()
    o.problems = []
    def nowhere(route):
        if route.request.url.startswith(('file:', 'blob:', 'data:')): return route.continue_()
        o.problems.append(f'request to {route.request.url}')
        route.abort()
    context.route('**/*', nowhere)
    o.on('console', lambda m: o.problems.append(f'{m.type}: {m.text}'))
    o.on('pageerror', lambda e: o.problems.append(f'exception: {e}'))
    o.on('dialog', lambda d: (o.problems.append(f'dialog: {d.message}'), d.dismiss()))
    yield o
    context.close()
    assert not o.problems, '\n'.join(o.problems)

def state(page): return page.locator('#state', has_not_text='Starting').inner_text(timeout=60_000)
def choose(page, k, *files): page.locator('.button input').nth(k).set_input_files(files)

def answer(page):
    "What the page says in the end, and the distance"
    why = page.locator('#why', has_text='Distance').inner_text(timeout=60_000)
    return page.inner_text('#word'),float(why.split()[1].rstrip(';'))

@pytest.fixture(scope='module')
def file(trained, runtime, tmp_path_factory): return trained.export_web(tmp_path_factory.mktemp('page')/'compare.html', runtime)

words = {'Same':'Same', 'Not Same':'Not the same', 'Unsure':'Unsure'}

def compare_all(page, v, files):
    "Each image with the next one, whose answers must be those of the verifier"
    d = []
    for k,b in enumerate(files):
        choose(page, k%2, b)
        if not k: continue
        page.locator('.slot').nth(k%2).get_by_alt_text(b.name, exact=True).wait_for()
        said,there = answer(page)
        here = v.verify(files[k-1], b)
        assert there == pytest.approx(here.distance, abs=3e-3), b.name
        cuts = v.config['unsure'].values() if v.config['unsure'] else [v.threshold]
        if min(abs(there-o) for o in cuts) > 3e-3: assert said == words[here.answer]
        d.append(there)
    return d

def test_answers(page, file, trained, files):
    page.goto(file.as_uri())
    assert state(page) == 'Ready.'
    d = compare_all(page, trained, files)
    assert np.ptp(d) > .3 and min(d) < trained.threshold < max(d)

def test_probability(page, file, trained, files):
    "The slider is the prior, by keyboard"
    page.goto(file.as_uri())
    choose(page, 0, *files[:2])
    d = answer(page)[1]
    for key,share,prior in ('Home','1 in 100,000',1e-5),('End','99 %',.99),('ArrowLeft','95 %',.95):
        page.locator('#prior').press(key)
        told = page.inner_text('#p')
        assert told == f'Probability of same: {percent(trained.p_same(d, prior))}, if {share} of the pairs are.'

def test_histogram(page, file, trained):
    "The hills are the pairs that the verifier counted, and each kind has the same area"
    page.goto(file.as_uri())
    assert state(page) == 'Ready.'
    h = trained.config['histogram']
    assert f'{sum(h["same"]):,.0f} same (blue) and {sum(h["not_same"]):,.0f} not same pairs' in page.inner_text('#caption')
    def area(kind):
        steps = re.findall(r'V([-\d.e]+)H([-\d.e]+)', page.locator(f'.hill.{kind}').get_attribute('d'))
        assert len(steps) == 64
        heights, ends = np.array(steps, float).T
        shown = ends < 1000
        shares = np.array(h['same' if kind == 'same' else 'not_same'])/sum(h['same' if kind == 'same' else 'not_same'])
        return (100-heights[shown])/shares[shown].clip(1e-9), shares[shown]
    scales = [k[share > 1e-6] for k,share in (area('same'), area('other'))]
    assert np.ptp(np.concatenate(scales)) < 1e-6*scales[0].max()

def test_without_a_histogram(page, trained, runtime, tmp_path):
    "A verifier of before has none"
    v = Verifier(trained.encoder, {k:o for k,o in trained.config.items() if k not in ('histogram', 'weights')})
    page.goto(v.export_web(tmp_path/'compare.html', runtime).as_uri())
    assert state(page) == 'Ready.' and not page.locator('.hill').count() and 'Hills' not in page.inner_text('#caption')

def test_why(page, file, trained, files):
    "The maps are those of `Verifier.explain`, by keyboard, and another image takes them away"
    page.goto(file.as_uri())
    assert page.locator('#explain').is_disabled()
    choose(page, 0, *files[:2])
    answer(page)
    page.locator('#explain').press('Enter')
    page.locator('#explained', has_text='Blue speaks for same').wait_for()
    e = trained.explain(*files[:2])
    there = [json.loads(o.get_attribute('data-changes')) for o in page.locator('#maps canvas').all()]
    np.testing.assert_allclose(np.concatenate(there), e.values, atol=5e-3)
    assert np.ptp(e.values) > .05
    k = int(np.argmax(np.concatenate(there)))
    side = ('first', 'second')[k//49]
    assert f'Most for same: {side} image, row {k%49//7+1}, column {k%7+1} of 7 (+{np.concatenate(there)[k]:.3g})' in page.inner_text('#most')
    choose(page, 1, files[2])
    page.locator('#maps').wait_for(state='hidden')
    assert not page.inner_text('#most')

@pytest.fixture(scope='module')
def letters():
    "Letters that were not trained on, under names, and two to ask about, of which one is enrolled by another image"
    images = Glyphs(ClassSplitter(valid_pct=.3, threshold_pct=.1), size=32)
    valid = images.splits['valid']
    of = [valid[images.y[valid] == c] for c in np.unique(images.y[valid])]
    groups = [o for o in of if len(o) >= 4][:7]
    known = {f'letter {k}': [images.files[i] for i in o[:2]] for k,o in enumerate(groups[:6])}
    return known, [images.files[groups[0][2]], images.files[groups[6][0]]]

@pytest.fixture(scope='module')
def gallery_page(trained, letters, runtime, tmp_path_factory):
    "A verifier with strangers, and a page with them and with examples"
    images = Glyphs(ClassSplitter(valid_pct=.3, threshold_pct=.1), size=32)
    idx = images.splits['threshold'][::4]
    v = Verifier(trained.encoder, trained.config, (trained.embed(images.files[idx]), images.y[idx]))
    return v, v.export_web(tmp_path_factory.mktemp('gallery')/'compare.html', runtime, letters[0], strangers=True)

def found(page):
    "For each image its name, or nobody, and the nearest with their distances; and the threshold"
    *lines, rule = page.locator('#found p').all_inner_texts()
    res = []
    for o in lines:
        name, nearest = re.fullmatch(r'(?:First|Second) image: (.*)\. Nearest: (.*)\.', o).groups()
        res.append((name, [(n.strip(), float(d)) for n,d in re.findall(r'(letter \d|[^,(]+) \(([-\d.e]+)\)', nearest)]))
    return res, rule

def test_gallery(page, gallery_page, letters):
    "Who it is, at the threshold that `Gallery.fit` gives for this gallery"
    v, file = gallery_page
    known, asked = letters
    page.goto(file.as_uri())
    assert state(page) == 'Ready.'
    page.locator('#these').press('Enter')
    page.locator('#told', has_text='12 images enrolled.').wait_for()
    choose(page, 0, *asked)
    answer(page)
    g = v.enroll(known)
    for fpir in .01, .05, .1:
        page.locator('#fpir').select_option(f'{fpir:g}'.lstrip('0'))
        there, rule = found(page)
        for (name, nearest), here in zip(there, g.identify_all(asked, 5, fpir), strict=True):
            assert [n for n,_ in nearest] == [n for n,_ in here.matches]
            np.testing.assert_allclose([d for _,d in nearest], [d for _,d in here.matches], atol=3e-3)
            assert name == (here.name or 'nobody enrolled')
        assert float(re.search(r'below ([-\d.e]+),', rule)[1]) == pytest.approx(g.fit(fpir), abs=3e-3)
        n = re.search(r'Warning: (\d+) names are few to speak of .*: it takes (\d+)\.', rule)
        assert n is None and not g.warning(fpir) or n.groups() == tuple(re.findall(r'\d+', g.warning(fpir).replace(f'{fpir:g}', '')))
    page.get_by_role('button', name='Forget letter 0').press('Enter')
    g.remove('letter 0')
    there, rule = found(page)
    assert float(re.search(r'below ([-\d.e]+),', rule)[1]) == pytest.approx(g.fit(.1), abs=3e-3)
    assert not any(n == 'letter 0' for _,nearest in there for n,_ in nearest)

def test_gallery_of_files(page, file, letters, tmp_path):
    "Names are typed or those of files; all images of a choice are enrolled or none; one name alone has no threshold"
    known, asked = letters
    page.goto(file.as_uri())
    choose(page, 0, asked[0])
    page.locator('#name').fill('  A & <b> ')
    page.locator('#enrol').set_input_files(known['letter 0'])
    page.locator('#told', has_text='2 images enrolled.').wait_for()
    assert 'there is no threshold' in found(page)[1] and page.locator('li').inner_text().startswith('A & <b>: 2 images')
    page.locator('#name').fill('B')
    page.locator('#enrol').set_input_files([known['letter 1'][0], known['letter 0'][0]])
    page.locator('#told.wrong', has_text='is enrolled as A & <b> already').wait_for()
    assert page.locator('li').count() == 1
    (tmp_path/'note.png').write_text('no image')
    page.locator('#enrol').set_input_files([known['letter 1'][0], tmp_path/'note.png'])
    page.locator('#told.wrong', has_text='note.png: this browser cannot read it').wait_for()
    assert page.locator('li').count() == 1
    page.locator('#name').fill('')
    page.locator('#enrol').set_input_files(known['letter 1'][0])
    page.locator('#told', has_text='3 images enrolled.').wait_for()
    assert page.locator('li').nth(1).inner_text().startswith(f'{known["letter 1"][0].stem}: 1 image')

def test_examples(page, gallery_page, letters):
    "Examples go into the first place and the second, in turn"
    v, file = gallery_page
    known = [o for files in letters[0].values() for o in files]
    page.goto(file.as_uri())
    for k in 0, 5, 3: page.get_by_role('button', name='Example:').nth(k).press('Enter')
    page.get_by_alt_text('letter 1 4.png').wait_for()
    assert answer(page)[1] == pytest.approx(v.distance(known[3], known[5]), abs=3e-3)

cases = dict(
    unsure=dict(unsure=dict(low=.2, high=.9), calibration=None),
    padded=dict(preprocessing=asdict(Preprocessing('pad', 40, 32, 'bicubic', 'zeros', [.5,.4,.3], [.2,.3,.25]))),
    euclidean=dict(metric='euclidean_distance', preprocessing=asdict(Preprocessing('squish', 32, 32))))

@pytest.mark.parametrize('case', cases)
def test_other_verifiers(case, page, trained, runtime, files, tmp_path):
    v = change(trained, **cases[case])
    page.goto(v.export_web(tmp_path/'compare.html', runtime).as_uri())
    assert state(page) == 'Ready.'
    compare_all(page, v, files[1:5])
    assert page.locator('#chance').is_visible() == (case != 'unsure')

def test_no_resize(page, trained, runtime, files, tmp_path):
    v = change(trained, preprocessing=asdict(Preprocessing('none', 40, 40)))
    page.goto(v.export_web(tmp_path/'compare.html', runtime).as_uri())
    for k,o in enumerate(files[:2]):
        with Image.open(o) as im: im.convert('RGB').resize((40, 40)).save(tmp_path/f'{k}.png')
    choose(page, 0, tmp_path/'0.png', tmp_path/'1.png')
    assert answer(page)[1] == pytest.approx(v.distance(tmp_path/'0.png', tmp_path/'1.png'), abs=1e-4)
    choose(page, 0, files[0])
    page.locator('.wrong', has_text='this verifier resizes nothing, and takes 40 × 40').wait_for()

@pytest.mark.parametrize('precision', ['float16', 'int8'])
def test_smaller(precision, page, file, trained, runtime, files, letters, tmp_path):
    "The page of a smaller graph answers as that graph does in Python"
    small = trained.export_web(tmp_path/'compare.html', runtime, precision=precision, images=letters[0])
    assert small.stat().st_size < file.stat().st_size
    v = OnnxVerifier.load(trained.export_onnx(tmp_path/'model.onnx', precision, letters[0]))
    page.goto(small.as_uri())
    assert state(page) == 'Ready.' and f'small in {precision}' in page.locator('details').first.text_content()
    for k,(a,b) in enumerate(zip(files[:3], files[1:])):
        if not k: choose(page, 0, a)
        choose(page, (k+1)%2, b)
        page.locator('.slot').nth((k+1)%2).get_by_alt_text(b.name, exact=True).wait_for()
        assert answer(page)[1] == pytest.approx(v.distance(a, b), abs=3e-3 if precision == 'float16' else .05)
    assert (page.locator('.hill').count() > 0) == (precision == 'float16')

def test_not_an_image(page, file, files, tmp_path):
    "An error stands where the image would, and the next image takes it away"
    (tmp_path/'note.jpg').write_text('no image')
    page.goto(file.as_uri())
    choose(page, 0, files[0])
    choose(page, 1, tmp_path/'note.jpg')
    page.locator('.wrong', has_text='note.jpg: this browser cannot read it as an image').wait_for()
    assert page.inner_text('#why') == 'Give the other image.'
    choose(page, 1, files[1])
    answer(page)
    assert not page.locator('.wrong').count()

def test_the_last_counts(page, file, trained, files):
    "Images that were replaced before they were looked at are dropped"
    page.goto(file.as_uri())
    for o in files: choose(page, 0, o)
    choose(page, 1, files[0])
    page.locator('.slot').nth(0).get_by_alt_text(files[-1].name, exact=True).wait_for()
    assert answer(page)[1] == pytest.approx(trained.distance(files[-1], files[0]), abs=3e-3)

def test_drop(page, file, trained, files):
    "Two files at once, beside the places for them"
    page.goto(file.as_uri())
    two = [[base64.b64encode(o.read_bytes()).decode(), o.name] for o in files[:2]]
    data = page.evaluate_handle('''two => { const o = new DataTransfer()
      for (const [text, name] of two) o.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name))
      return o }''', two)
    page.dispatch_event('h1', 'drop', dict(dataTransfer=data))
    assert answer(page)[1] == pytest.approx(trained.distance(*files[:2]), abs=3e-3)

def test_photograph(page, file, files):
    "A camera opens, by keyboard, and is closed again"
    page.goto(file.as_uri())
    choose(page, 0, files[0])
    dialog = page.get_by_role('dialog')
    for last in 'Cancel','Take':    # the first at once, the second when there is a picture to take
        page.get_by_role('button', name='Photograph the second image').press('Enter')
        if last=='Take': page.locator('#take:enabled:focus').wait_for()
        dialog.get_by_role('button', name=last).press('Enter')
        dialog.wait_for(state='hidden')
    answer(page)
    assert page.get_by_alt_text('photograph.png').is_visible()
    assert page.evaluate('document.querySelector("video").srcObject') is None

@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_looks(page, scheme, file, files):
    "No scrolling sideways, and axe-core finds nothing, before an answer and after"
    import axe_playwright_python
    axe = (Path(axe_playwright_python.__file__).parent/'axe.min.js').read_text(encoding='utf-8')
    page.emulate_media(color_scheme=scheme)
    page.goto(file.as_uri())
    state(page)
    page.evaluate(axe)
    page.evaluate('for (const o of document.querySelectorAll("details")) o.open = true')
    for two in [],files[:2]:
        if two:
            choose(page, 0, *two)
            answer(page)
            page.click('#explain')
            page.locator('#explained', has_text='Blue speaks for same').wait_for()
            page.locator('#enrol').set_input_files(two)
            page.locator('#told', has_text='2 images enrolled.').wait_for()
        for width in 1280,390:
            page.set_viewport_size(dict(width=width, height=844))
            assert page.evaluate('document.documentElement.scrollWidth') <= width
            found = page.evaluate('axe.run({resultTypes: ["violations"]})')['violations']
            page.problems += [f'{width} px: {v["id"]}: {n["target"][0]} {n["failureSummary"]}' for v in found for n in v['nodes']]

def test_policy(browser, file):
    "The page couldn't ask a server if it wanted to, nor run another script"
    came,said = [],[]
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self): came.append(self.path)
    with HTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.on('console', lambda m: said.append(m.text))
        page.goto(file.as_uri())
        assert state(page) == 'Ready.'
        page.evaluate('''async url => {
            await fetch(url).catch(() => {})
            await fetch('data:,x').catch(() => {})
            for (const [name, attributes] of [['script', {textContent: 'window.ran = 1'}], ['script', {src: url}], ['img', {src: url}],
                                              ['iframe', {src: url}], ['link', {rel: 'stylesheet', href: url}]])
                document.body.append(Object.assign(document.createElement(name), attributes))
        }''', f'http://127.0.0.1:{server.server_port}/x')
        page.wait_for_timeout(500)
        assert page.evaluate('window.ran') is None and not came
        page.close()
        server.shutdown()
    for o in 'data:', 'script-src', 'img-src', 'style-src': assert any(o in t and 'Content Security Policy' in t for t in said), o

def test_folder(browser, page, trained, runtime, file, files, tmp_path):
    "A web server gives the same page in smaller parts; from the disk, which can't, it says so"
    folder = trained.export_web(tmp_path/'page', runtime)
    assert {o.name for o in folder.iterdir()} == {'index.html','runtime.bin','wasm.bin','model.bin'}
    assert sum(o.stat().st_size for o in folder.iterdir()) < .8*file.stat().st_size
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args): super().__init__(*args, directory=folder)
        def log_message(self, *_): pass
    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = browser.new_page()
        there.goto(f'http://127.0.0.1:{server.server_port}/')
        assert state(there) == 'Ready.'
        compare_all(there, trained, files[:3])
        there.close()
        server.shutdown()
    page.goto((folder/'index.html').as_uri())
    assert 'runtime.bin cannot be read, which a web server has to give' in state(page)
    page.problems.clear()    # of the browser's own words

def test_another_browser_would_say_so(page, file, tmp_path):
    "If the drawn picture has another embedding than where the page was made, there is no answer"
    html = file.read_text(encoding='utf-8')
    copy = tmp_path/'compare.html'
    copy.write_text(re.sub(r'"probe": \[', '"probe": [9', html), encoding='utf-8')
    page.goto(copy.as_uri())
    assert 'it computes another embedding than where the page was made' in state(page)

def test_command(trained, runtime, files, tmp_path, capsys, page):
    folder = trained.save(tmp_path/'model')
    package = tmp_path/'package'/'dist'
    package.mkdir(parents=True)
    for o in runtime_files: (package/o).symlink_to(runtime/o)
    assert web(folder, tmp_path/'compare.html', package.parent) == 0
    assert re.search(r'compare.html: \d\.\d MB', capsys.readouterr().out)
    page.goto((tmp_path/'compare.html').as_uri())
    assert state(page) == 'Ready.'
    with pytest.raises(FileNotFoundError, match='there is no verifier in'): web(tmp_path, tmp_path/'other.html', package.parent)
    (package/'ort.wasm.bundle.min.mjs').unlink()
    (package/'ort.wasm.bundle.min.mjs').write_bytes(b'alert(1)')
    with pytest.raises(ValueError, match='its SHA-256 differs'): web(folder, tmp_path/'other.html', package.parent)
    assert not (tmp_path/'other.html').exists()
