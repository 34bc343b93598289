import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { UnixMicros } from './brand.ts';
import { EPOCH_MICROS } from './epoch.ts';
import { ERA_AHEAD, RECENT_MAX, REORDER, WINDOW, WINDOW_OBSERVED } from './freshness.ts';
import { KEYED, liveSlots } from './knock/keyed-ports.ts';
import { keyedWork, LEAST_WORK, observerWork } from './knock/work.ts';
import { ENC_SIZE, LONG_PACKET, PACKET, RECEIPT, SHORT_PACKET, STATEMENT } from './layout.ts';
import { RECEIPT_STATUSES } from './receipt.ts';
import { REFUSALS } from './refusal.ts';
import { KINDS } from './statement.ts';

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

/** The first table with this header under a heading: its rows as cells without backticks. */
function table(heading: string, header: string): string[][] {
  const lines = page.slice(page.indexOf(`\n${heading}\n`) + 1).split('\n');
  const start = lines.findIndex((line) => line.startsWith('|') && cells(line).join(' ').startsWith(header));
  assert.ok(start > 0, `${heading} has a table ${header}`);
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines.slice(start + 2, start + length).map(cells);
}

function cells(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''));
}

/** Offset and size by name; the fields must follow each other without a gap. */
function fields(heading: string): Map<string, { offset: number; size: number }> {
  let end = 0;
  return new Map(
    table(heading, 'offset size name').map(([offset = '', size = '', name = '']) => {
      assert.equal(Number(offset), end, `${name} follows the field before it`);
      end = Number(offset) + Number(size);
      return [name, { offset: Number(offset), size: Number(size) }];
    }),
  );
}

test('the statement is laid out as its table says', () => {
  const rows = fields('## The statement');
  const { signed, end, ...offsets } = STATEMENT;
  assert.deepEqual(Object.fromEntries([...rows].map(([name, { offset }]) => [name, offset])), offsets);
  assert.equal(rows.get('signature')?.offset, signed);
  assert.equal(signed + (rows.get('signature')?.size ?? 0), end);
});

test('the receipt is laid out as its table says', () => {
  const rows = fields('## The receipt');
  const { nonceSize, size, plaintext, ...offsets } = RECEIPT;
  assert.deepEqual(Object.fromEntries([...rows].map(([name, { offset }]) => [name, offset])), offsets);
  assert.equal(RECEIPT.padding + (rows.get('padding')?.size ?? 0), plaintext);
  assert.equal(nonceSize + plaintext + 16, size);
});

test('the packet is laid out as its tables say', () => {
  const offsets = table('## The packet', 'offset size name').map(([offset, size, name]) => [name, offset, size]);
  const { nonce, nonceSize, tag, tagSize, suite, enc, macSize, sealTagSize } = PACKET;
  assert.deepEqual(offsets, [
    ['nonce', String(nonce), String(nonceSize)],
    ['tag', String(tag), String(tagSize)],
    ['suite', String(suite), '1'],
    ['enc', String(enc), 'E'],
    ['sealed', `${String(enc)} + E`, `P+${String(sealTagSize)}`],
    ['mac', `N − ${String(macSize)}`, String(macSize)],
  ]);
  const suites = table('## The packet', 'suite KEM').map((row) => row.map((cell) => Number(cell.replace(',', ''))));
  for (const [number = 0, , e = 0, p = 0, n = 0] of suites) {
    assert.equal(e, ENC_SIZE[number === 1 ? 1 : 2]);
    assert.equal(n, number === 1 ? SHORT_PACKET : LONG_PACKET);
    assert.equal(enc + e + p + sealTagSize + macSize, n);
  }
  assert.equal(suites.length, 2);
});

test('kinds and statuses have the numbers that the tables give them', () => {
  const kinds = table('## The statement', 'offset size name')[0]?.[3];
  assert.equal(kinds, KINDS.map((kind, i) => `${String(i + 1)} ${kind}`).join(', '));
  const statuses = table('## The receipt', 'offset size name')[0]?.[3];
  assert.equal(statuses, RECEIPT_STATUSES.map((status, i) => `${String(i)} ${status.replace('-', ' ')}`).join(', '));
});

test('the order of checks lists every reason, in the order of the closed list', () => {
  assert.deepEqual(
    table('## Order of checks', 'reason where').map(([reason]) => reason),
    [...REFUSALS],
  );
  const canonical = table('## The statement', 'reason refused').map(([reason]) => reason ?? '');
  const from = REFUSALS.indexOf('kind');
  assert.deepEqual(canonical, REFUSALS.slice(from, from + canonical.length));
});

test('the numbers of the epoch and of freshness are those of the code', () => {
  const second = 1_000_000;
  for (const phrase of [
    `An epoch is ${(EPOCH_MICROS / second).toLocaleString('en')} seconds`,
    `W is the window of a request: ${String(WINDOW_OBSERVED / second)} seconds for \`open\` and \`extend\` with observed source, else ${String(WINDOW / second)} seconds`,
    `E < e ≤ E + ${String(ERA_AHEAD)}`,
    `t > max(T − ${String(REORDER / second)} s, F)`,
    `a set S of recent times, at most ${String(RECENT_MAX)}`,
  ]) {
    assert.ok(page.replaceAll(/\s+/g, ' ').includes(phrase), phrase);
  }
});

test('the parameters of keyed knocking are those of the code', () => {
  const values = table('## Keyed knocking', 'parameter value').map(([, value = '']) => Number(value.replace(',', '')));
  const { slot, range, first, numbers, needed, boundNumbers, boundNeeded, window, ring } = KEYED;
  const second = 1_000_000;
  const slots = liveSlots(slot as UnixMicros).length;
  assert.deepEqual(values, [
    ...[slot / second, slots, range, first, numbers, needed, boundNumbers, boundNeeded, window / second, ring],
  ]);
  assert.ok(page.includes(`needs ${exponent(keyedWork(1, 1).packets)} packets against one device`));
  assert.ok(page.includes(`it takes ${exponent(observerWork().otherAddress)} packets`));
  assert.ok(page.includes(`A gate warns below ${exponent(LEAST_WORK).replace('1.0·', '')}`));
});

/** A number as people write it: 9.5·10^23. */
function exponent(value: number): string {
  return value.toExponential(1).replace('e+', '·10^');
}

test('links within the page lead somewhere', () => {
  const anchors = new Set(
    [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
  for (const [, anchor = ''] of page.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(anchors.has(anchor), anchor);
});
