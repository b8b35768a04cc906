"The site in a browser, without a network: every page at two widths, in light and dark, and the search"
import json, re, shutil, subprocess, sys, threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fastcore.nbio import read_nb
from nbdev.config import get_config, nbpath2html
from nbdev.doclinks import nbglob

root = Path(__file__).parents[1]
cfg = get_config(root)
pages = sorted(nbpath2html(nb.relative_to(cfg.nbs_path)).with_suffix('').as_posix() for nb in nbglob(cfg.nbs_path, as_path=True))
site = cfg.doc_path
alone = site/'explanations/compare.html'    # a page of its own

chromium = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
if not chromium: pytest.skip('no chromium to look at the site with (apt-get install chromium)', allow_module_level=True)
if sys.version_info < (3, 11): pytest.skip('building the site takes Python 3.11', allow_module_level=True)

@pytest.fixture(scope='module')
def url():
    "The address of a server of the site, which is built first if it is older than what it is made from"
    made_from = [o for pat in ('nbs/**/*.ipynb', 'nbs/*.css', 'nbs/*.js', 'siamese_verify/*.py', 'tools/docs.py', 'tools/page.py', 'tools/procs.py', 'tools/search.js', '_quarto.yml') for o in root.glob(pat)]
    index = site/'index.html'
    if not index.exists() or index.stat().st_mtime < max(o.stat().st_mtime for o in made_from):
        res = subprocess.run([sys.executable, 'tools/docs.py'], cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert res.returncode == 0, res.stdout
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args): pass
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Handler, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()

@pytest.fixture(scope='module')
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()

@pytest.fixture(scope='module')
def axe():
    "axe-core, which checks contrast, the order of headings, names of controls and much more"
    import axe_playwright_python
    return (Path(axe_playwright_python.__file__).parent/'axe.min.js').read_text(encoding='utf-8')

@pytest.fixture(params=['light', 'dark'])
def page(request, browser, url):
    "A browser window; `page.problems` lists what went wrong in it"
    context = browser.new_context(base_url=url, color_scheme=request.param, viewport=dict(width=1280, height=900), reduced_motion='reduce')
    page = context.new_page()
    page.problems,page.light = [],request.param == 'light'
    def only_here(route):
        if route.request.url.startswith((url + '/', 'blob:')): return route.continue_()
        page.problems.append(f'request to {route.request.url}')
        route.abort()
    context.route('**/*', only_here)
    page.add_init_script("""window.moved = 0
        new PerformanceObserver(all => all.getEntries().forEach(o => moved += o.value)).observe({type: 'layout-shift', buffered: true})""")
    page.on('console', lambda m: page.problems.append(f'{m.type}: {m.text}') if m.type in ('error', 'warning') else None)
    page.on('pageerror', lambda e: page.problems.append(f'exception: {e}'))
    page.on('response', lambda r: page.problems.append(f'{r.status}: {r.url}') if r.status >= 400 else None)
    page.on('requestfailed', lambda r: page.problems.append(f'failed: {r.url}'))
    yield page
    context.close()

def violations(page, part='html'):
    "What axe-core finds wrong with the page as it is now, or with a part of it, a line each"
    found = page.evaluate('part => axe.run(part, {resultTypes: ["violations"]})', part)['violations']
    width = page.viewport_size['width']
    return [f'{width} px: {v["id"]}: {n["target"][0]} {n["failureSummary"].splitlines()[-1].strip()}' for v in found for n in v['nodes']]

def cut(page, what):
    "Elements of the page that are wider than their box, and whether they show that there is more"
    is_cut = """what => [...document.querySelectorAll(`main :is(${what})`)].filter(o => o.scrollWidth > o.clientWidth + 1)
             .map(o => [o.innerText.slice(0, 60), getComputedStyle(o).overflowX, o.tabIndex, o.classList.contains('sd-more')])"""
    return page.evaluate(is_cut, what)

@pytest.mark.parametrize('name', pages)
def test_page(page, axe, name, request):
    "Loads offline without an error and without a jump, shows all of its code, does not scroll sideways on a phone, and axe-core finds nothing"
    whole = name.startswith(('index', 'explanations/')) or request.config.getoption('--drill')    # others have code, tables and pictures, and are alike
    if not page.light and not whole: pytest.skip('in the dark a drill: --drill runs it')
    page.goto(f'/{name}.html', wait_until='load')
    page.problems += [f'code is cut: {o}' for o in cut(page, 'pre:not(.columns)')]
    if page.evaluate('moved')>.01: page.problems.append('what is there moves while the page loads')
    page.evaluate(axe)
    page.problems += violations(page)
    page.set_viewport_size(dict(width=390, height=844))
    page.wait_for_function('innerWidth == 390')
    if (width := page.evaluate('document.documentElement.scrollWidth')) > 390: page.problems.append(f'{width} px wide on a phone')
    page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
    boxes = [o for o in cut(page, '.sd-table, .cell-output-display, pre') if o[1:] != ['auto', 0, True]]
    page.problems += [f'cut on a phone, and no sign of it: {o}' for o in boxes]
    if page.light and whole: page.problems += violations(page)    # what is laid out alike needs no second look in the dark
    assert not page.problems, '\n'.join(page.problems)

def test_weight(page):
    "The first page, with all that it loads, is under a megabyte before any compression, and its icons are there"
    sizes = []
    page.on('response', lambda r: sizes.append(len(r.body())))
    page.goto('/index.html', wait_until='networkidle')
    assert len(sizes)>5 and sum(sizes)<1e6
    shown = page.locator('i.bi:visible').evaluate_all("all => all.map(o => getComputedStyle(o, '::before').content)")
    assert len(shown)>3 and 'none' not in shown
    assert not page.problems, '\n'.join(page.problems)

def test_every_page(url):
    "`pages` are all there are, and llms.txt lists them"
    assert sorted(str(o.relative_to(site).with_suffix('')) for o in site.rglob('*.html') if o != alone) == pages
    listed = re.findall(rf'\]\({re.escape(cfg.doc_url)}/(.*)\.html\.md\)', (site/'llms.txt').read_text(encoding='utf-8'))
    assert sorted(listed) == pages

def code_of(nb): return '\n'.join(c.source for c in read_nb(root/'nbs'/nb).cells if c.cell_type=='code')

def test_foot(url):
    "Each page leads to those before and after it in the sidebar and to its notebook, here and in Colab, and names version and licence"
    order = re.findall(r'^ *- (\S+\.ipynb)$', (root/'_quarto.yml').read_text(encoding='utf-8'), re.M)
    assert sorted(nbpath2html(Path(o)).with_suffix('').as_posix() for o in order) == pages
    for before,nb,after in zip([None, *order], order, [*order[1:], None]):
        page = site/nbpath2html(Path(nb))
        text = page.read_text(encoding='utf-8')
        links = re.findall(r'<a href="([^"]*)" class="pagination-link"', text)
        assert [(page.parent/o).resolve() for o in links] == [site/nbpath2html(Path(o)) for o in (before,after) if o], nb
        assert f'/blob/main/nbs/{nb}" class="toc-action"' in text
        if 'class="sourceCode python' in text and nb!='index.ipynb':
            run = re.search('<p class="run-it">.*?</p>', text)[0]
            assert f'/github/siamese-verify/siamese_verify/blob/main/nbs/{nb}">' in run and '%pip install ' in run
            assert (page.parent/re.search('href="([^"]*)" download', run)[1]).read_bytes() == (root/'nbs'/nb).read_bytes()
            assert ('git clone' in run) == ('benchmarks/results' in code_of(nb))    # which a package doesn't bring
        foot = text[text.index('<footer'):]
        assert f'siamese_verify {cfg.version}' in foot and '/LICENSE"' in foot

def test_used_in(url):
    "What the reference documents leads to lessons, and their code has its name"
    n = 0
    for page in site.glob('*.html'):
        for part in re.split('(?=<h[2-5] id=")', page.read_text(encoding='utf-8'))[1:]:
            name,used = re.match(r'<h. id="(?:\w+\.)*(\w+?)(?:-\d)?"', part),re.search('<p class="used-in">.*?</p>', part)
            for lesson in re.findall('href="([^"]*).html"', used[0]) if used else ():
                n += 1
                assert name[1] in code_of(f'{lesson}.ipynb').lower(), (page.name, name[1], lesson)
    assert n>100

def test_search(page):
    "Search, from a page in a folder, finds `fit_threshold` and goes there"
    page.goto('/benchmarks/three_ways.html')
    page.keyboard.press('/')
    page.keyboard.type('fit_threshold')
    hit = page.locator('.search-result[href$="threshold.html#fit_threshold"]:visible').first
    assert 'fit_threshold' in hit.inner_text()
    hit.click()
    page.wait_for_url('**/threshold.html#fit_threshold')
    assert page.locator('#fit_threshold').is_visible()
    assert not page.problems, '\n'.join(page.problems)

questions = {
    'how to use on my own images':      'explanations/faq',
    'How many images do I need?':       'explanations/faq',
    'all distances are near zero':      'explanations/faq',
    'resume an interrupted training':   'explanations/faq',
    'resume training':                  'explanations/faq',
    'my threshold is too strict':       'explanations/faq',
    'how many pictures are enough':     'plan',
    'grayscale':                        'explanations/faq',
    'do I need a GPU':                  'explanations/faq',
    'deploy on phone':                  'explanations/faq',
    'same person':                      'explanations/faq',
    'signature':                        'explanations/faq',
    'out of memory':                    'explanations/faq',
    'FAR FRR':                          'explanations/glossary',
    'false accept rate':                'explanations/glossary',
    'confidence interval':              'explanations/glossary',
    'the loss is NaN':                  'explanations/when_it_goes_wrong',
    'which loss':                       'explanations/which',
    'without pytorch':                  'tutorials/ship_it',
    'DataBlock':                        'tutorials/datablock',
    'onnx':                             'onnx',
    'gpu':                              'explanations/faq',
    'cuda':                             'explanations/faq',
    'own images':                       'explanations/faq',
    'install':                          'explanations/faq',
    'license':                          'explanations/faq',
    'is it free for commercial use':    'explanations/faq',
    'windows':                          'explanations/faq',
    'video':                            'explanations/faq',
    'faces':                            'explanations/faq',
    'memory':                           'explanations/faq',
    'batch size':                       'explanations/faq',
    'augmentation':                     'explanations/faq',
    'too slow':                         'explanations/faq',
    'rest api':                         'explanations/faq',
    'android':                          'explanations/faq',
    'colab':                            'explanations/faq',
    'monitor in production':            'explanations/faq',
    'reproducible':                     'explanations/faq',
    'threshold':                        'explanations/threshold',
    'unsure':                           'calibration',
    'eer':                              'explanations/glossary',
    'what is a siamese network':        'explanations/glossary',
    'privacy':                          'explanations/responsible_use',
    'one against many':                 'tutorials/own_folder',
    'wrong labels':                     'tutorials/data_frame',
    'fine tune':                        'tutorials/pair_matching',
    'browser':                          'tutorials/ship_it',
    'which encoder':                    'plan',
    'how long does training take':      'plan',
    'heatmap':                          'explain',
    'duplicates':                       'audit',
    'search millions of images':        'shards',
    'cross validation':                 'evaluation',
    'hugging face':                     'verifier'}

def test_questions(page, axe):
    "Search answers questions as people ask them, finds whole words and their beginnings only, and can be read in light and dark"
    page.goto('/benchmarks/speed.html')
    page.evaluate(axe)
    box,hits = page.get_by_role('searchbox', name='Search'),page.locator('.search-result')
    for k,(o,wanted) in enumerate(questions.items()):
        box.fill('')
        box.fill(o)
        page.wait_for_function('q => document.querySelector(".smalldocs-search-results").dataset.asked === q', arg=o)
        href = hits.first.get_attribute('href')
        if not href.startswith(f'../{wanted}.html'): page.problems.append(f'{o}: {href} comes before {wanted}')
        if k%10==0: page.problems += violations(page, '.smalldocs-search')    # results are laid out alike
    for o,found in ('contrast',True), ('ontrast',False), ('xyzzy',False):
        box.fill(o)
        page.wait_for_function('q => document.querySelector(".smalldocs-search-results").dataset.asked === q', arg=o)
        if bool(hits.count()) != found: page.problems.append(f'{o}: {hits.count()} hits')
    assert page.locator('.search-none').is_visible()
    page.problems += violations(page, '.smalldocs-search')
    assert not page.problems, '\n'.join(page.problems)

def test_from_disk(browser, url):
    "The pages also work opened as files, where nothing may be fetched"
    page = browser.new_page()
    page.goto((site/'index.html').as_uri())
    page.keyboard.press('/')
    page.keyboard.type('ContrastiveLoss')
    page.locator('.search-result[href$="losses.html#contrastiveloss"]:visible').first.wait_for()
    page.goto((site/'explanations/threshold.html').as_uri())
    page.get_by_role('slider', name='Threshold').press('Home')
    assert figures(page)['FNMR']==stored('threshold')['sets'][0]['rates']['FNMR'][0]
    page.close()

def stored(name):
    "The data of a page's toy, as Python computed them and its notebook keeps them"
    outputs = (''.join(o['data'].get('text/html', '')) for c in read_nb(cfg.nbs_path/f'explanations/{name}.ipynb').cells
               for o in c.get('outputs', []) if 'data' in o)
    toy = next(o for o in outputs if '<div class="toy"' in o)
    return json.loads(re.search('(?s)<script type="application/json">(.*?)</script>', toy)[1])

def figures(page): return dict(zip(page.locator('.toy th').all_inner_texts(), page.locator('.toy td').all_inner_texts()))

def test_threshold_toy(page):
    "The threshold moves by key and by mouse, and the figures are those that Python computed for it"
    page.goto('/explanations/threshold.html')
    data = stored('threshold')
    def check(cut, prior, k=0):
        rates,wrong = data['sets'][k]['rates'],data['sets'][k]['wrong']
        assert figures(page) == {k:o[cut] for k,o in rates.items()} | {'matches that are wrong':wrong[cut][prior]}
        assert page.locator('.toy b').all_inner_texts() == [f'{data["cut"][cut]:.4f}', data['priors'][prior]]
    cut,prior = data['start']
    check(cut, prior)
    row = page.locator('table:has-text("threshold (fitted here)")').last.locator('tr:has-text("valid")').inner_text()
    assert all(o[cut] in row for o in data['sets'][0]['rates'].values())    # the toy begins at the threshold of the page's table
    before = page.locator('.point').bounding_box()['x']
    page.get_by_role('slider', name='Threshold').press('ArrowRight')
    check(cut+1, prior)
    assert page.locator('.point').bounding_box()['x']>before
    page.get_by_label('Of the pairs to come').press('Home')
    check(cut+1, 0)
    page.get_by_role('slider', name='Threshold').press('End')
    check(len(data['cut'])-1, 0)
    page.locator('.hills').scroll_into_view_if_needed()
    box = page.locator('.hills').bounding_box()
    page.mouse.move(box['x']+5, box['y']+20)
    page.mouse.down()
    page.mouse.move(box['x']+box['width']/2, box['y']+20, steps=3)
    page.mouse.up()
    check(data['cut'].index(1), 0)
    page.set_viewport_size(dict(width=390, height=844))
    page.wait_for_function('innerWidth == 390')
    fmr = data['sets'][0]['rates']['FMR']
    longest = max(range(len(fmr)), key=lambda k: len(fmr[k]))
    page.get_by_role('slider', name='Threshold').fill(str(longest))
    check(longest, 0)
    page.get_by_role('slider', name='Threshold').fill(str(cut))
    hill,curve = page.locator('.hills path.other').last,page.locator('.curve')
    seen = [hill.get_attribute('d')]
    page.get_by_role('radio', name='all').press('ArrowDown')    # eight classes shake all of it
    for k in [*range(1, len(data['sets'])), 1]:
        check(cut, 0, k)
        seen.append(hill.get_attribute('d'))
        assert curve.first.get_attribute('points')!=curve.last.get_attribute('points')
        page.get_by_role('button', name='8 others').click()
    assert seen[-1]==seen[1] and len(set(seen))==len(data['sets'])
    page.get_by_role('radio', name='all').click()
    check(cut, 0)
    assert curve.first.get_attribute('points')==curve.last.get_attribute('points')
    assert page.locator('.toy').evaluate('o => o.scrollWidth<=o.clientWidth')
    assert page.evaluate('document.documentElement.scrollWidth')<=390
    assert not page.problems, '\n'.join(page.problems)

def test_pairs_toy(page):
    "A batch grows by key, and the switch changes which pairs are drawn and counted"
    from siamese_verify.model import pair_indices
    page.goto('/explanations/two_indices.html')
    batch = stored('two_indices')['batch']
    def check(n, pairs):
        same = sum(batch[i]==batch[j] for i,j in pairs)
        assert [float(o) for o in figures(page).values()] == [n, len(pairs), same, len(pairs)/n, 2*len(pairs)]
        assert page.locator('.ring path').count() == len(pairs)
        assert page.locator('.ring circle').count() == n
    size = page.get_by_role('slider', name='Images in the batch')
    for key,n in ('End', 24), ('ArrowLeft', 22), ('Home', 2), ('ArrowRight', 4):
        size.press(key)
        check(n, pair_indices(n).T.tolist())
    page.get_by_role('radio', name='all pairs').press('ArrowUp')
    check(4, [(0,1), (2,3)])
    size.press('End')
    check(24, [(i,i+1) for i in range(0, 24, 2)])
    assert not page.problems, '\n'.join(page.problems)

def places(page):
    "Where the letters of the moving toy are, in its own coordinates"
    at = page.locator('.plane text').evaluate_all("all => all.map(o => { const {e, f} = new DOMMatrix(getComputedStyle(o).transform); return [e, f] })")
    return [((x-160)/155, (160-y)/155) for x,y in at]

def test_motion_toy(page, axe):
    "Letters move to where Python put them, by key and by a button that plays; each story has its own looks; nothing glides if that isn't wanted"
    page.clock.install()
    page.goto('/explanations/training_moves.html')
    page.evaluate(axe)
    data = stored('training_moves')
    slider,button = page.get_by_role('slider', name='Look'),page.locator('.toy button')
    def check(story, k):
        look = data['stories'][story][k]
        assert figures(page) == dict(zip(data['names'], look['figures']))
        assert page.locator('.toy b').inner_text()==look['name'] and look['name'] in page.locator('.plane').get_attribute('aria-label')
        assert max(abs(a-b) for p,q in zip(places(page), look['xy'], strict=True) for a,b in zip(p, q))<1e-3
    check('whitening', 0)
    slider.press('ArrowRight')
    check('whitening', 1)
    for before,story in zip(data['stories'], [*data['stories']][1:]):
        page.get_by_role('radio', name=before).press('ArrowDown')
        check(story, 0)
        end = len(data['stories'][story])-1
        slider.press('End')
        check(story, end)
        button.press('Enter')    # from the beginning
        for k in range(end+1):
            check(story, k)
            assert button.inner_text()==('Stop' if k<end else 'Play')
            page.clock.run_for(900)
        check(story, end)
    button.click()
    page.clock.run_for(900)
    button.click()
    page.clock.run_for(5000)
    check(story, 1)
    page.problems += violations(page, '.toy')
    assert page.locator('.plane text').first.evaluate('o => getComputedStyle(o).transitionDuration')=='0s'
    page.emulate_media(reduced_motion='no-preference')
    assert page.locator('.plane text').first.evaluate('o => getComputedStyle(o).transitionDuration')=='0.8s'
    page.set_viewport_size(dict(width=390, height=844))
    page.wait_for_function('innerWidth == 390')
    assert page.evaluate('document.documentElement.scrollWidth')<=390
    assert not page.problems, '\n'.join(page.problems)

def test_twenty_toy(page, axe):
    "Twenty pairs are answered by key and by button; the error rates at the end are those of Python; s and n do nothing elsewhere"
    page.goto('/explanations/you_or_the_model.html')
    page.evaluate(axe)
    data = stored('you_or_the_model')
    truth,says = [o[2] for o in data['pairs']],[o[3] for o in data['pairs']]
    page.keyboard.press('s')
    page.get_by_role('button', name='Begin').press('Enter')
    page.problems += violations(page)
    answers = [not truth[0], truth[1], *(i%3==0 for i in range(2, 20))]
    for i,same in enumerate(answers):
        assert page.locator('.toy [role=status]').inner_text()==f'Pair {i+1} of 20'
        assert page.locator('.both img').evaluate_all('all => all.map(o => o.src)')==data['pairs'][i][:2]
        if i%2: page.get_by_role('button', name='Same' if same else 'Not the same', exact=True).click()
        else: page.keyboard.press('s' if same else 'n')
    rows = [o.split('\t') for o in page.locator('.toy tr:has(th[scope=row])').all_inner_texts()]
    wrong = [sum(a!=b for a,b in zip(o, truth)) for o in (answers, says)]
    assert rows==[[who, f'{k} of 20', data['rates'][k]] for who,k in zip(('you','the model'), wrong)]
    assert page.locator('.toy li .wrong').count()==sum(wrong)
    page.problems += violations(page)
    page.set_viewport_size(dict(width=390, height=844))
    page.wait_for_function('innerWidth == 390')
    assert page.evaluate('document.documentElement.scrollWidth')<=390
    page.get_by_role('button', name='Again').click()
    assert page.locator('.toy [role=status]').inner_text()=='Pair 1 of 20'
    assert not page.problems, '\n'.join(page.problems)

def test_try_it(page):
    "The page in `try_it` loads at a click and not before, and then answers without a network"
    asked = []
    page.on('request', lambda r: asked.append(r.url))
    page.goto('/explanations/try_it.html', wait_until='load')
    if not alone.exists():
        assert 'When this site was built, the page could not be' in page.inner_text('main')
        return pytest.skip('the page is not in the site: no onnxruntime-web')
    assert not any('compare.html' in o for o in asked)
    page.get_by_role('button', name='Start it here').press('Enter')
    frame = page.frame_locator('iframe')
    frame.locator('#state', has_text='Ready.').wait_for(timeout=60_000)
    page.context.set_offline(True)
    for k in 0, 1: frame.get_by_role('button', name='Example:').nth(k).press('Enter')
    frame.locator('#why', has_text='Distance').wait_for()
    assert frame.locator('#word').inner_text() == 'Same'
    frame.get_by_role('button', name='Example:').nth(4).press('Enter')
    frame.locator('#word', has_text='Not the same').wait_for()
    frame.locator('#these').press('Enter')
    frame.locator('#told', has_text='18 images enrolled').wait_for()
    page.set_viewport_size(dict(width=390, height=844))
    assert frame.locator('html').evaluate('o => o.scrollWidth <= innerWidth')
    assert not page.problems, '\n'.join(page.problems)
