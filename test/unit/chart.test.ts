import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drawChart, highest } from '../../src/features/admin/chart.ts';

const draw = (...series: number[][]) => drawChart({ name: 'Numbers', series: series.map((values, n) => ({ name: `${n}`, values })) });
const bars = (svg: string) =>
  [...svg.matchAll(/<rect class="s(\d)" x="([\d.]+)" y="([\d.]+)" width="8" height="([\d.]+)"\/>/g)].map(([, hue, x, y, height]) => ({
    hue: Number(hue),
    x: Number(x),
    y: Number(y),
    height: Number(height),
  }));

describe('A chart', () => {
  it('without values, or with zeros only, has its lines and no bar', () => {
    for (const svg of [draw(), draw([]), draw([0, 0, 0])]) {
      assert.match(svg, /^<svg [^>]*role="img" aria-label="Numbers"><path /);
      assert.deepEqual(bars(svg), []);
      assert.doesNotMatch(svg, /NaN|Infinity/);
    }
  });

  it('with one value fills its height', () => {
    assert.deepEqual(bars(draw([1])), [{ hue: 0, x: 1, y: 0, height: 100 }]);
  });

  it('with equal values has equal bars', () => {
    const drawn = bars(draw([7, 7, 7]));
    assert.deepEqual(
      drawn.map(({ y, height }) => [y, height]),
      [
        [0, 100],
        [0, 100],
        [0, 100],
      ],
    );
    assert.deepEqual(
      drawn.map(({ x }) => x),
      [1, 11, 21],
    );
  });

  it('stacks its series, the first at the bottom', () => {
    assert.deepEqual(bars(draw([1, 0], [3, 2])), [
      { hue: 0, x: 1, y: 75, height: 25 },
      { hue: 1, x: 1, y: 0, height: 75 },
      { hue: 1, x: 11, y: 50, height: 50 },
    ]);
    assert.equal(
      highest([
        { name: '', values: [1, 0] },
        { name: '', values: [3, 2] },
      ]),
      4,
    );
  });

  it('shows a small value beside a very large one, and stays within its frame', () => {
    const drawn = bars(draw([Number.MAX_SAFE_INTEGER, 1], [1, 0]));
    assert.equal(drawn.length, 3);
    for (const { y, height } of drawn) assert.ok(height > 0 && y >= 0 && y + height <= 100.01, JSON.stringify(drawn));
  });

  it('treats invalid and negative numbers as zero', () => {
    assert.deepEqual(bars(draw([Number.NaN, -5, Number.POSITIVE_INFINITY, 2])), [{ hue: 0, x: 31, y: 0, height: 100 }]);
  });

  it('escapes its names, and has no inline style', () => {
    const hostile = '"><script>alert(1)</script><b a=\'';
    const svg = drawChart({ name: hostile, series: [{ name: hostile, values: [1] }] });
    assert.doesNotMatch(svg, /<script|<b |style=|on\w+=/);
    assert.equal(svg.split('&quot;&gt;&lt;script&gt;').length - 1, 1);
  });
});
