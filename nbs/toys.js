// What moves on the pages under Explanations: plain JavaScript, nothing to load. A page holds
//   <div class="toy" data-toy="name"><p>Said where no script runs</p><script type="application/json">{…}</script></div>
//   <script src="../toys.js"></script>
// All rates are strings that Python wrote; here they are only looked up.
(() => {
'use strict'
const toys = {threshold, pairs, twenty, motion, compare}

for (const box of document.querySelectorAll('.toy:not(.on)')) {
  const data = JSON.parse(box.querySelector('script').textContent)
  box.classList.add('on')
  toys[box.dataset.toy](box, data)
}

// A table of figures: gives a function that fills in the values
function figures(table, names) {
  table.innerHTML = names.map(o => `<tr><th scope="row">${o}</th><td></td></tr>`).join('')
  const cells = table.querySelectorAll('td')
  return values => values.forEach((o, i) => { cells[i].textContent = o })
}

// A threshold moves over two hills of distances, and what it makes of them moves along; few classes shake all of it
function threshold(box, {cut, sets, priors, start}) {
  const end = cut.at(-1), top = Math.max(...sets.flatMap(o => [...o.same, ...o.other]))
  const x = t => 5+350*t/end, y = h => 150-145*h/top
  const hill = heights => `M${x(0)},${y(0)}` + heights.map((h, i) => `V${y(h).toFixed(1)}H${x(end*(i+1)/heights.length).toFixed(1)}`).join('')
                          + `V${y(0)}Z`
  const log = r => Math.max(Math.log10(r || 1e-9), -4)/4+1    // 0 at a rate of .0001 and below, 1 at 1
  const u = r => 40+145*log(r), v = r => 150-140*log(r)
  const decades = [['.0001', 1e-4], ['.001', 1e-3], ['.01', .01], ['.1', .1], ['1', 1]]

  box.innerHTML = `
    <div class="toy-plots">
      <figure>
        <svg class="hills" viewBox="0 0 360 182" role="img" aria-label="Histograms of the distances of same and not same pairs, and the threshold">
          <clipPath id="toy-below"><rect height="150"/></clipPath>
          <clipPath id="toy-above"><rect height="150" width="360"/></clipPath>
          <path class="same faint"/><path class="other faint"/>
          <path class="same" clip-path="url(#toy-above)"/><path class="other" clip-path="url(#toy-below)"/>
          <path class="axis" d="M${x(0)},150H${x(end)}"/>
          ${[0, .5, 1, 1.5, 2].filter(t => t<=end).map(t => `<text x="${x(t)}" y="163" text-anchor="middle">${t}</text>`).join('')}
          <text x="${x(end/2)}" y="178" text-anchor="middle">distance</text>
          <path class="mark" d="M0,0V150"/>
        </svg>
        <figcaption><span class="same">■</span> same <span class="other">■</span> not same; full colours are the mistakes</figcaption>
      </figure>
      <figure>
        <svg class="det" viewBox="0 0 200 182" role="img" aria-label="FNMR over FMR, both logarithmic, and the point of the threshold">
          <path class="axis" d="M40,10V150H185"/>
          ${decades.map(([o, r]) => `<text x="${u(r)}" y="163" text-anchor="middle">${o}</text>
            <text x="36" y="${v(r)+3}" text-anchor="end">${o}</text>`).join('')}
          <text x="112" y="178" text-anchor="middle">FMR</text>
          <text transform="translate(9,80) rotate(-90)" text-anchor="middle">FNMR</text>
          <polyline class="curve faint"/><polyline class="curve"/>
          <circle class="point" r="5"/>
        </svg>
      </figure>
      <div>
        <label>Threshold <b></b><input class="cut" type="range" min="0" max="${cut.length-1}"></label>
        <label>Of the pairs to come, <b></b> are the same<input class="prior" type="range" min="0" max="${priors.length-1}"></label>
        <fieldset>
          <legend>Measured on</legend>
          <label><input type="radio" name="toy-classes" value="0" checked> all ${sets[0].classes} classes</label>
          <label><input type="radio" name="toy-classes" value="1"> ${sets[1].classes} of them</label>
          <button type="button">${sets[1].classes} others</button>
        </fieldset>
        <table></table>
      </div>
    </div>`
  const find = o => box.querySelector(o)
  const at = find('.cut'), prior = find('.prior'), [cutText, priorText] = box.querySelectorAll('b')
  const fill = figures(find('table'), [...Object.keys(sets[0].rates), 'matches that are wrong'])
  const det = ({fmr, fnmr}) => cut.map((_, i) => `${u(fmr[i]).toFixed(1)},${v(fnmr[i]).toFixed(1)}`).join(' ')
  let few = 1    // which of the sets of few classes

  function show() {
    const set = sets[find(':checked').value==='0' ? 0 : few], {fmr, fnmr, rates, wrong} = set
    for (const kind of ['same', 'other']) box.querySelectorAll(`path.${kind}`).forEach(o => o.setAttribute('d', hill(set[kind])))
    box.querySelectorAll('.curve').forEach((o, k) => o.setAttribute('points', det(k ? set : sets[0])))
    const i = +at.value, p = +prior.value, left = x(cut[i])
    find('#toy-below rect').setAttribute('width', left)
    find('#toy-above rect').setAttribute('x', left)
    find('.mark').setAttribute('transform', `translate(${left},0)`)
    find('.point').setAttribute('transform', `translate(${u(fmr[i])},${v(fnmr[i])})`)
    cutText.textContent = cut[i].toFixed(4)
    priorText.textContent = priors[p]
    const values = Object.values(rates).map(o => o[i])
    fill([...values, wrong[i][p]])
    at.setAttribute('aria-valuetext', `${cut[i].toFixed(4)}: FMR ${values[0]}, FNMR ${values[1]}`)
    prior.setAttribute('aria-valuetext', `${priors[p]}: ${wrong[i][p]} of matches are wrong`)
  }
  at.value = start[0]
  prior.value = start[1]
  box.oninput = show
  find('button').onclick = () => {
    if (find(':checked').value==='1') few = few%(sets.length-1) + 1
    find('[value="1"]').checked = true
    show()
  }
  show()

  const hills = find('.hills')
  const drag = e => {
    if (!e.buttons) return
    const {left, width} = hills.getBoundingClientRect()
    const t = ((e.clientX-left)/width*360-5)/350*end
    at.value = cut.reduce((best, o, i) => Math.abs(o-t)<Math.abs(cut[best]-t) ? i : best, 0)
    show()
  }
  hills.onpointerdown = e => { hills.setPointerCapture(e.pointerId); drag(e) }
  hills.onpointermove = drag
}

// A batch on a circle, and the pairs that can be learned from with it
function pairs(box, {batch, lines}) {
  box.innerHTML = `
    <div class="toy-plots">
      <figure>
        <svg class="ring" viewBox="0 0 320 320" role="img"></svg>
        <figcaption><span class="same">━</span> same <span class="other">─</span> not same</figcaption>
      </figure>
      <div>
        <label>Images in the batch: <b></b><input type="range" min="2" max="${batch.length}" step="2" value="12"></label>
        <fieldset>
          <legend>Pairs</legend>
          <label><input type="radio" name="toy-pairs" value="half"> half a pair an image</label>
          <label><input type="radio" name="toy-pairs" value="all" checked> all pairs</label>
        </fieldset>
        <table></table>
      </div>
    </div>`
  const find = o => box.querySelector(o)
  const size = find('[type=range]'), ring = find('svg')
  const fill = figures(find('table'), ['images through the encoder', 'pairs to learn from', 'of them same', 'pairs an image',
                                       'images, if each pair had its own two'])
  function show() {
    const m = +size.value, all = find(':checked').value === 'all'
    const drawn = lines.filter(([j, i]) => j<m && (all || (j===i+1 && i%2===0)))
    const at = (k, r) => [Math.sin(2*Math.PI*k/m), -Math.cos(2*Math.PI*k/m)].map(o => (160+r*o).toFixed(1))
    const line = ([j, i, same]) => `<path class="${same ? 'same' : 'other'}" d="M${at(i, 132)}L${at(j, 132)}"/>`
    const image = (o, k) => {
      const [x, y] = at(k, 145)
      return `<circle cx="${x}" cy="${y}" r="11"/><text x="${x}" y="${+y+4}" text-anchor="middle">${o}</text>`
    }
    ring.innerHTML = drawn.map(line).join('') + batch.slice(0, m).map(image).join('')
    ring.setAttribute('aria-label', `${m} images on a circle, joined by ${drawn.length} lines`)
    find('b').textContent = m
    fill([m, drawn.length, drawn.filter(o => o[2]).length, drawn.length/m, 2*drawn.length])
  }
  box.oninput = show
  show()
}

// Twenty pairs to answer, by button or by key, and what came of them
function twenty(box, {pairs, rates}) {
  let answers
  const find = o => box.querySelector(o)
  const picture = (uri, alt) => `<img src="${uri}" alt="${alt}" width="32" height="32">`
  const both = ([left, right]) => picture(left, 'left character') + picture(right, 'right character')

  function begin() {
    answers = []
    box.innerHTML = `
      <div class="toy-pair" tabindex="-1" role="group" aria-label="Are they the same character?">
        <p role="status"></p>
        <p class="both"></p>
        <button type="button" aria-keyshortcuts="s"><u>S</u>ame</button>
        <button type="button" aria-keyshortcuts="n"><u>N</u>ot the same</button>
      </div>`
    const [yes, no] = box.querySelectorAll('button')
    yes.onclick = () => answer(true)
    no.onclick = () => answer(false)
    find('.toy-pair').onkeydown = e => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.repeat) return
      const key = e.key.toLowerCase()
      if (key==='s' || key==='n') answer(key==='s')
    }
    ask()
    find('.toy-pair').focus({preventScroll: true})
  }
  function ask() {
    find('[role=status]').textContent = `Pair ${answers.length+1} of ${pairs.length}`
    find('.both').innerHTML = both(pairs[answers.length])
  }
  function answer(same) {
    answers.push(same)
    if (answers.length<pairs.length) ask()
    else end()
  }
  function end() {
    const wrong = said => pairs.filter((o, i) => said[i]!==o[2]).length
    const you = wrong(answers), model = wrong(pairs.map(o => o[3]))
    const mark = (who, said, same) => `<span class="${said===same ? 'right' : 'wrong'}">${who} ${said===same ? '✓' : '✗'}</span>`
    box.innerHTML = `
      <table tabindex="-1">
        <tr><td></td><th scope="col">wrong</th><th scope="col">error rate</th></tr>
        <tr><th scope="row">you</th><td>${you} of ${pairs.length}</td><td>${rates[you]}</td></tr>
        <tr><th scope="row">the model</th><td>${model} of ${pairs.length}</td><td>${rates[model]}</td></tr>
      </table>
      <ul>${pairs.map((o, i) => `<li>${both(o)} ${o[2] ? 'same' : 'not same'}<br>
        ${mark('you', answers[i], o[2])} ${mark('model', o[3], o[2])}</li>`).join('')}</ul>
      <button type="button">Again</button>`
    find('button').onclick = begin
    find('table').focus({preventScroll: true})
  }

  box.innerHTML = `<p>Are the two characters the same? Press the buttons, or the keys s and n.</p><button type="button">Begin</button>`
  find('button').onclick = begin
}

// Embeddings in a plane, as letters, which move from one look to the next
function motion(box, {letters, names, stories}) {
  const kinds = [...new Set(letters)]
  box.innerHTML = `
    <div class="toy-plots">
      <figure>
        <svg class="plane" viewBox="0 0 320 320" role="img">
          ${letters.map(o => `<text style="--k:${kinds.indexOf(o)/kinds.length}" text-anchor="middle" dy=".35em">${o}</text>`).join('')}
        </svg>
      </figure>
      <div>
        <fieldset>
          <legend>Story</legend>
          ${Object.keys(stories).map((o, k) => `<label><input type="radio" name="toy-story" value="${o}" ${k ? '' : 'checked'}> ${o}</label>`).join('')}
        </fieldset>
        <label>Look: <b></b><input type="range" min="0"></label>
        <button type="button"></button>
        <table></table>
      </div>
    </div>`
  const find = o => box.querySelector(o)
  const at = find('[type=range]'), button = find('button'), points = box.querySelectorAll('svg text')
  const fill = figures(find('table'), names)
  let timer

  function show() {
    const looks = stories[find(':checked').value], {name, xy, figures} = looks[at.value]
    points.forEach((o, i) => { o.style.transform = `translate(${160+155*xy[i][0]}px,${160-155*xy[i][1]}px)` })
    find('svg').setAttribute('aria-label', `${letters.length} letters at the places of their embeddings: ${name}`)
    find('b').textContent = name
    at.setAttribute('aria-valuetext', name)
    fill(figures)
  }
  function stop() {
    clearInterval(timer)
    timer = undefined
    button.textContent = 'Play'
  }
  function step() {
    at.value = +at.value + 1
    show()
    if (at.value===at.max) stop()
  }
  function begin() {
    stop()
    at.max = stories[find(':checked').value].length-1
    at.value = 0
    show()
  }
  button.onclick = () => {
    if (timer) return stop()
    if (at.value===at.max) begin()
    timer = setInterval(step, 900)
    button.textContent = 'Stop'
  }
  at.oninput = () => { stop(); show() }
  find('fieldset').onchange = begin
  begin()
}

// Another page in this one, which loads when it's asked for
function compare(box, {page, size}) {
  box.innerHTML = `<p><button>Start it here</button> <span>(${size})</span>, or <a href="${page}">open it by itself</a>.</p>`
  box.querySelector('button').onclick = () => {
    const frame = Object.assign(document.createElement('iframe'), {src: page, title: 'Do two images show the same thing?'})
    box.replaceChildren(frame)
    frame.focus()
  }
}
})()
