import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveTable, type Filled, type Screen } from './live-table.ts';
import { TRIALS } from './trials.ts';

const GOOD: Filled = { word: 'stays shut', verdict: 'good' };
const BAD: Filled = { word: 'not supported', verdict: 'bad' };
const COLUMNS = ['knockd 0.8', 'fwknopd 2.6.10', 'Postern 0.1.0'];

/** What was written, and how it looks in the end: lines over lines, as the cursor is moved. */
function screenOf(size: Partial<Screen>): { readonly screen: Screen; written: () => string; shown: () => string[] } {
  const parts: string[] = [];
  const shown = (): string[] => {
    const lines: string[] = [];
    for (const part of parts) {
      const [, up, text = ''] = /^(?:\u001b\[(\d+)A\u001b\[J)?([^]*)$/.exec(part) ?? [];
      lines.splice(lines.length - Number(up ?? 0));
      lines.push(...text.replace(/\n$/, '').split('\n'));
    }
    return lines;
  };
  return { screen: { write: (text) => parts.push(text), ...size }, written: () => parts.join(''), shown };
}

test('the table fits into 80 columns and 24 lines, and is drawn over itself as it fills', async () => {
  const { screen, shown, written } = screenOf({ isTTY: true, columns: 80, rows: 24 });
  using table = new LiveTable(screen, TRIALS, COLUMNS, false);
  for (const row of TRIALS.keys())
    for (const column of COLUMNS.keys())
      await table.fill(row, column, () => {
        assert.ok(shown().some((line) => line.includes('…')));
        return Promise.resolve(row % 2 === 0 ? GOOD : BAD);
      });
  table.end();
  assert.ok(written().includes('\u001b['));
  assert.equal(shown().length, 1 + 2 * TRIALS.length);
  assert.ok(shown().every((line) => line.length < 80));
  assert.equal(shown()[1], 'scan in order             stays shut      stays shut      stays shut');
});

test('where it would not fit, and where there is no terminal, each cell is a line and the table comes last', async () => {
  for (const size of [{ isTTY: true, columns: 60, rows: 24 }, { isTTY: true, columns: 80, rows: 6 }, {}]) {
    const { screen, written } = screenOf(size);
    using table = new LiveTable(
      screen,
      [{ title: 'replay', meaning: 'Is he in, who sent it all again from elsewhere?' }],
      COLUMNS,
      false,
    );
    await table.fill(0, 1, () => Promise.resolve(BAD));
    assert.match(written(), /^replay, fwknopd 2\.6\.10: not supported \(0\.0 s\)\n$/);
    table.end();
    assert.match(written(), /\n\n {26}knockd 0\.8 .*\nreplay {36}not supported\n {2}Is he in/);
  }
});

test('colours tell nothing that the words do not', async () => {
  const drawn = async (colour: boolean): Promise<string> => {
    const { screen, written } = screenOf({});
    using table = new LiveTable(screen, TRIALS, COLUMNS, colour);
    await table.fill(0, 0, () => Promise.resolve(GOOD));
    table.end();
    return written();
  };
  assert.equal((await drawn(true)).replaceAll(/\u001b\[\d+m/g, '').replaceAll(/ +$/gm, ''), await drawn(false));
});
