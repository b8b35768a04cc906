  // ---- search: whole words and their beginnings; a heading counts more than text, a rare word more than a frequent one,
  // and a section needn't have all words. tools/docs.py puts this into smalldocs.js, in place of its own search.
  const stopWords = new Set(("a about am an and any are as at be been but by can cannot could did do does doing don else for from get gets had has "
    + "have how i if in into is it its ll may me my of on or our re s shall should so some t than that the their them then there these they this "
    + "those to too ve was we were what when where which who why will with would you your").split(" "));
  const synonyms = ["image photo photograph picture pic", "gpu cuda nvidia", "licence license", "colour color", "grey gray grayscale greyscale",
    "distance similarity", "several multiple", "copy duplicate", "wrong error", "phone mobile android iphone ios", "browser javascript html",
    "heatmap explain map", "install pip setup", "slow fast speed", "face facial", "regex pattern", "server api rest http docker", "notebook jupyter colab",
    "windows macos linux mac", "privacy personal consent", "labels annotation", "confusion mistake"].map((o) => o.split(" "));

  const stem = (w) => {
    w = w.length > 4 ? w.replace(/ies$/, "y").replace(/([^s])s$/, "$1") : w.replace(/^(\w\w[^s])s$/, "$1");
    return w.length > 5 ? w.replace(/(ing|ed)$/, "").replace(/(.)\1$/, "$1").replace(/e$/, "") : w.replace(/^(\w{3,})e$/, "$1");
  };
  // The words of a text: fit_threshold is one, and two; LabeledImages as well; words in capitals are kept as they are, too
  const words = (text) => {
    const res = [];
    for (const [name] of text.matchAll(/[\p{L}\p{N}]+(?:[_.][\p{L}\p{N}]+)*/gu)) {
      const parts = name.split(/[_.]/).flatMap((o) => [o, ...(/[a-z][A-Z]/.test(o) ? o.split(/(?<=[a-z])(?=[A-Z])/) : [])]);
      if (parts.length > 1 && !parts.includes(name)) res.push(name.toLowerCase());
      for (const o of parts) {
        res.push(stem(o.toLowerCase()));
        if (/^[A-Z]{2,}$/.test(o)) res.push(o);
      }
    }
    return res;
  };
  const count = (ws) => ws.reduce((m, w) => m.set(w, (m.get(w) || 0) + 1), new Map());

  let sections = null, vocabulary = null;    // the latter: each word with the numbers of the sections that have it
  const readIndex = (entries) => {
    vocabulary = new Map();
    sections = entries.map((e, k) => {
      const heading = count(words(e.section || e.title).filter((w) => !stopWords.has(w)));
      const page = count(words(e.title + " " + (e.description || "")));
      const s = { e, heading, page, text: count(words(e.text)), length: e.text.length / 6 };
      s.name = (e.section || e.title).toLowerCase().trim();
      for (const w of new Set([...s.heading.keys(), ...s.page.keys(), ...s.text.keys()])) {
        if (!vocabulary.has(w)) vocabulary.set(w, []);
        vocabulary.get(w).push(k);
      }
      return s;
    });
  };
  const loadIndex = async () => {
    if (sections) return;
    if (!window.searchIndex) await new Promise((done) => document.head.append(
      Object.assign(document.createElement("script"), { src: offset + "search.js", onload: done, onerror: done })));
    readIndex(window.searchIndex || []);
  };

  // How alike a word of the question and one of the index are, 0 to 1
  const alike = (q, w) => {
    if (q === w) return 1;
    if (q.length > 2 && w.startsWith(q)) return .4 + .4 * q.length / w.length;
    if (w.length > 5 && q.startsWith(w)) return .5;
    let n = 0;
    while (n < q.length && q[n] === w[n]) n++;
    return n > 5 && n >= .65 * Math.max(q.length, w.length) ? .3 : 0;
  };
  // The words of a question that tell something; CLIP in capitals is that word in capitals, if the index has it
  const question = (q) => {
    const names = q.match(/[\p{L}\p{N}]+(?:[_.][\p{L}\p{N}]+)*/gu) || [];
    const telling = names.filter((o) => !stopWords.has(o.toLowerCase()));
    const asked = [...new Set((telling.length ? telling : names).flatMap((o) => words(o)))];
    const capitals = asked.filter((w) => /[A-Z]/.test(w) && vocabulary.has(w));
    return asked.filter((w) => /[A-Z]/.test(w) ? vocabulary.has(w) : !capitals.some((c) => stem(c.toLowerCase()) === w));
  };
  const isReference = (e) => !/^(?:index|tour)\.|\//.test(e.href.split("#")[0]);
  const find = (q, limit) => {
    const asked = question(q), scores = new Map();
    let total = 0;
    for (const a of asked) {
      const meant = synonyms.filter((o) => o.some((w) => stem(w) === a)).flat().map(stem);
      const best = new Map();    // for each section what this word is worth there
      const kin = [...vocabulary.keys()].map((w) => [w, Math.max(alike(a, w), meant.includes(w) ? .7 : 0)]).filter(([, x]) => x);
      const exact = kin.filter(([, x]) => x > .5).flatMap(([w]) => vocabulary.get(w));
      const rarity = Math.log(1 + sections.length / (1 + new Set(exact).size));
      total += rarity;
      for (const [w, x] of kin) {
        for (const k of vocabulary.get(w)) {
          const s = sections[k], tf = s.text.get(w) || 0;
          const worth = (s.heading.has(w) ? 3 / (1 + .1 * s.heading.size) : 0) + (s.page.has(w) ? .6 : 0) + tf / (tf + 1.2 * (.4 + .6 * s.length / 150));
          best.set(k, Math.max(best.get(k) || 0, x * worth));
        }
      }
      for (const [k, worth] of best) {
        const o = scores.get(k) || { sum: 0, has: 0 };
        scores.set(k, { sum: o.sum + rarity * worth, has: o.has + rarity * Math.min(1, worth) });
      }
    }
    const name = q.toLowerCase().trim(), seen = new Map(), code = /\w[_.(]|[a-z][A-Z]/.test(q);
    const rank = ([k, o]) => {
      const s = sections[k];
      const symbol = isReference(s.e) && /^[\w.]+$/.test(s.e.section);
      const exact = !code && (symbol || /^benchmarks/.test(s.e.href)) ? 1 : s.name === name || s.name.split(".").pop() === name ? 2 : name.includes(" ") && s.name.includes(name) ? 1.5 : 1;
      const phrase = name.split(" ").length > 2 && s.e.text.toLowerCase().includes(name) ? 2 : 1;
      // questions are answered on pages that explain first, unless it's a name that is asked for
      const page = /^changelog/.test(s.e.href) ? .4 : code ? 1 : /^explanations.faq/.test(s.e.href) ? 1.4 : symbol ? .6 : isReference(s.e) ? .9 : /^benchmarks/.test(s.e.href) ? .8 : 1.1;
      return [k, o.sum * Math.pow(o.has / total, 2) * exact * phrase * (s.e.section ? 1 : 1.15) * page];
    };
    return [...scores].map(rank).sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([k]) => sections[k].e).filter((e) => {
      const page = e.href.split("#")[0], n = (seen.get(page) || 0) + 1;    // three sections of a page at most
      seen.set(page, n);
      return n <= 3;
    }).slice(0, limit);
  };

  const escapeHtml = (s) => s.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" }[c]));
  // 200 characters of a text, where most words of the question are, with these marked
  const snippet = (text, asked) => {
    const hits = [...text.matchAll(/[\p{L}\p{N}]+(?:_[\p{L}\p{N}]+)*/gu)].filter(([w]) => words(w).some((o) => asked.some((a) => alike(a, o) > .35)));
    const near = (at) => new Set(hits.filter((h) => h.index >= at && h.index < at + 150).map(([w]) => stem(w.toLowerCase()))).size;
    const first = hits.reduce((best, h) => (best === null || near(h.index) > near(best) ? h.index : best), null) || 0;
    const start = first < 80 ? 0 : text.lastIndexOf(" ", first - 30) + 1, end = start + 200;
    let html = start ? "…" : "", at = start;
    for (const h of hits.filter((o) => o.index >= start && o.index < end)) {
      html += escapeHtml(text.slice(at, h.index)) + "<mark>" + escapeHtml(h[0]) + "</mark>";
      at = h.index + h[0].length;
    }
    return html + escapeHtml(text.slice(at, Math.max(at, end)));
  };

  $$(".smalldocs-search").forEach((box) => {
    const input = $("input", box), results = $(".smalldocs-search-results", box);
    let active = -1;
    const show = (html, q) => { results.dataset.asked = q; results.innerHTML = html; results.scrollTop = 0; results.classList.add("show"); active = -1; };
    const hide = () => results.classList.remove("show");
    const run = async () => {
      const q = input.value.trim();
      if (q.length < 2) { hide(); return; }
      await loadIndex();
      if (q !== input.value.trim()) return;
      const hits = find(q, parseInt(box.dataset.limit, 10) || 20), asked = question(q);
      if (!hits.length) { show('<div class="search-none">No results</div>', q); return; }
      show(hits.map((e) => `<a class="search-result" href="${offset}${e.href}">` +
        `<div class="search-result-title">${escapeHtml(e.section || e.title)}</div>` +
        (e.section ? `<div class="search-result-section">${escapeHtml(e.title)}</div>` : "") +
        `<div class="search-result-text">${snippet(e.text, asked)}</div></a>`).join(""), q);
    };
    let timer = null;
    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(run, 120); });
    input.addEventListener("focus", () => { loadIndex(); if (input.value.trim().length > 1) run(); });
    input.addEventListener("keydown", (ev) => {
      const items = $$(".search-result", results);
      if (ev.key === "Escape") { hide(); input.blur(); return; }
      if (!items.length) return;
      if (ev.key === "ArrowDown" || ev.key === "ArrowUp") {
        ev.preventDefault();
        active = (active + (ev.key === "ArrowDown" ? 1 : -1) + items.length) % items.length;
        items.forEach((it, i) => it.classList.toggle("active", i === active));
        items[active].scrollIntoView({ block: "nearest" });
      } else if (ev.key === "Enter") {
        ev.preventDefault();
        (items[active] || items[0]).click();
      }
    });
    document.addEventListener("click", (ev) => { if (!box.contains(ev.target)) hide(); });
  });
