"""Characters that nobody writes, as several people might draw them: what `oneshot.py` trains on first

A character is a few strokes, and a stroke is a few lines and arcs, one after the other. Whoever draws it makes each of
them a little longer or shorter, and bends and turns it a little more or less. A family is a character with look-alikes,
which differ from it in one stroke, or in a part of one, as many characters of an alphabet do.
"""
from copy import deepcopy

import numpy as np
from PIL import Image, ImageDraw

def part(rng):
    "A line or an arc: its length, how far it turns, and the corner before it, in radians"
    turn = rng.choice([-1,1])*rng.uniform(.6, 4.5)*(rng.random()<.6)
    length = max(.3, abs(turn)*rng.uniform(.12, .35)) if turn else rng.uniform(.3, 1.1)
    corner = rng.choice([-1,1])*rng.uniform(.6, 2.7)*(rng.random()<.65)
    return length,turn,corner

def stroke(rng, before):
    "Lines and arcs, the way they set out, and where they meet one of the strokes before"
    parts = np.array([part(rng) for _ in range(1+rng.binomial(3, .5))])
    gap = rng.normal(0, .4, 2)*(rng.random()<.4)
    return dict(parts=parts, way=rng.integers(8)*np.pi/4+rng.normal(0, .15), of=rng.integers(max(before, 1)),
                there=rng.choice([0,1,rng.random()]), here=rng.choice([0,0,.5,1]), gap=gap)

def character(rng): return [stroke(rng, k) for k in range(rng.choice([1,2,3,4,5], p=[.3,.3,.22,.12,.06]))]

def look_alike(strokes, rng):
    "The same with one stroke more, one less, one elsewhere, or another part in one"
    res,k = deepcopy(strokes),rng.integers(len(strokes))
    how,parts = rng.integers(4),res[k]['parts']
    if how==0: res.append(stroke(rng, len(res)))
    elif how==1 and len(res)>1: res.pop()
    elif how==2 and k: res[k] = stroke(rng, k) | dict(parts=parts, way=res[k]['way'])
    else: parts[rng.integers(len(parts))] = part(rng)
    return res

def family(rng, n):
    "A character and look-alikes, n in all"
    res = [character(rng)]
    while len(res)<n: res.append(look_alike(res[rng.integers(len(res))], rng))
    return res

def line(s, rng):
    "The points of a stroke, as somebody draws it"
    way,at,points = s['way']+rng.normal(0, .1),np.zeros(2),[]
    size = np.exp(rng.normal(0, .1))
    for length,turn,corner in s['parts']*rng.normal(1, (.13,.1,.08), s['parts'].shape):
        n = max(3, int(12*length))
        bend = 1 + .4*rng.normal()*np.linspace(-1, 1, n)    # more of it in the beginning, or in the end
        ways = way + corner + (turn+rng.normal(0, .12))*np.cumsum(bend)/bend.sum()
        points.append(at + size*length/n*np.cumsum(np.stack([np.cos(ways), np.sin(ways)], 1), 0))
        way,at = ways[-1],points[-1][-1]
    return np.concatenate(points)

def lines(strokes, rng):
    "The points of all strokes, each where it belongs, more or less, and all of them slanted, stretched and turned"
    res = []
    for s in strokes:
        p = line(s, rng)
        if res:
            o = res[s['of']]
            at = np.clip(s['there']+rng.normal(0, .04), 0, 1)
            p += o[int(at*(len(o)-1))] - p[int(s['here']*(len(p)-1))] + s['gap'] + rng.normal(0, .05, 2)
        res.append(p)
    stretch,slant,turn = np.exp(rng.normal(0, .1)),rng.normal(0, .12),rng.normal(0, .1)
    turned = np.array([[np.cos(turn),-np.sin(turn)], [np.sin(turn),np.cos(turn)]])
    return [p@(np.array([[stretch,slant], [0,1/stretch]])@turned).T for p in res]

def draw(strokes, rng, size=105):
    "A drawing in black on white, as large as those of Omniglot, with lines as wide"
    points = lines(strokes, rng)
    low,high = (f([f(p, 0) for p in points], 0) for f in (np.min, np.max))
    scale = rng.uniform(.35, .75)*size/max(*(high-low), .5)
    res = Image.new('L', (size,size), 255)
    pen = ImageDraw.Draw(res)
    for p in points: pen.line([tuple(o) for o in (p-(low+high)/2)*scale+size/2], fill=0, width=3, joint='curve')
    return res
