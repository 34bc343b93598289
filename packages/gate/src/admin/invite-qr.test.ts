import assert from 'node:assert/strict';
import { test } from 'node:test';
import jsqr from 'jsqr';
import { decodeInvite, encodeInvite, type Invite, type ServiceName, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { inviteQr } from './invite-qr.ts';

// The package's own types describe a default export that its CommonJS module does not have.
const read = jsqr as unknown as (pixels: Uint8ClampedArray, width: number, height: number) => { data: string } | null;

const INVITE: Invite = {
  ...{ name: 'web1', seed: new Uint8Array(32).fill(1), gateKey: new Uint8Array(32).fill(2), pq: 'off', port: 62_201 },
  ...{ x25519: new Uint8Array(32).fill(3), xwing: new Uint8Array(1216).fill(4), stateId: new Uint8Array(8).fill(5) },
  ...{ addresses: ['192.0.2.1', '2001:db8::1', 'gate.example.com'], services: ['ssh', 'imap'] as ServiceName[] },
  expires: 1_800_000_000_000_000 as UnixMicros,
};

/** What a camera sees on a terminal of black, or with `colour` of any, background. */
function photograph(lines: readonly string[], colour: boolean): string | undefined {
  const plain = lines.map((line) => line.replace(/\u001b\[[0-9;]*m/g, ''));
  const scale = 4;
  const [columns, rows] = [plain[0]?.length ?? 0, plain.length * 2];
  const width = columns * scale;
  const pixels = new Uint8ClampedArray(width * rows * scale * 4).fill(255);
  for (let y = 0; y < rows * scale; y++) {
    for (let x = 0; x < width; x++) {
      const character = plain[Math.floor(y / scale / 2)]?.[Math.floor(x / scale)] ?? ' ';
      const upper = Math.floor(y / scale) % 2 === 0;
      const drawn = character === '█' || character === (upper ? '▀' : '▄');
      pixels.fill(drawn === colour ? 0 : 255, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return read(pixels, width, rows * scale)?.data;
}

for (const colour of [true, false]) {
  test(`a camera reads the invite from the screen ${colour ? 'with' : 'without'} colours, with the key of suite 1 alone`, () => {
    const lines = inviteQr(encodeInvite(INVITE), colour);
    assert.ok(lines.length <= 50, `${lines.length} lines`);
    const text = photograph(lines, colour);
    assert.ok(text !== undefined);
    assert.deepEqual(decodeInvite(text), { ok: true, value: { ...INVITE, xwing: undefined } });
  });
}

test('a gate that asks for suite 2, and an invite that is too long, have no code', () => {
  const refused = (invite: Invite, message: RegExp): void => {
    assert.throws(
      () => inviteQr(encodeInvite(invite), true),
      (error) => error instanceof PersonError && message.test(error.message) && /--file/.test(error.hint ?? ''),
    );
  };
  refused({ ...INVITE, pq: 'required' }, /hears only suite 2/);
  const label = 'a'.repeat(63);
  const addresses = Array.from({ length: 16 }, (_, i) => `${i}.${label}.${label}.${label}`);
  refused({ ...INVITE, addresses }, /too long/);
});
