/** In a mount namespace of its own: keeps a host on a tiny file system, fills it, and prints what a change of the host gives then. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { firstState, secret, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { HostBook } from '../book.ts';
import type { Host } from '../host.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-full-'));
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', directory]);
const book = new HostBook(directory);
const sender = firstState(new Uint8Array(8), new Uint8Array(32));
const host: Host = {
  ...{ name: 'web1', seed: secret(new Uint8Array(32)), gate: { x25519: new Uint8Array(32), xwing: undefined } },
  ...{ addresses: ['192.0.2.1'], port: 1, pq: 'off', services: [], joined: 1 as UnixMicros },
  memory: { sender, formerKey: undefined, seen: new Map(), roundTrip: undefined },
  enrolment: undefined,
};
await book.put(host);
try {
  for (;;) writeFileSync(join(directory, 'filling'), Buffer.alloc(1024), { flag: 'a' });
} catch {
  // Full.
}
let error: unknown;
try {
  await book.update('web1', (before) => ({ ...before, port: 2 }));
} catch (caught) {
  error = caught;
}
const { message = '', hint = '' } = error instanceof PersonError ? error : {};
const files = readdirSync(join(directory, 'hosts'));
process.stdout.write(JSON.stringify({ error: message, hint, kept: book.get('web1').port === 1, files }));
execFileSync('umount', [directory]);
rmdirSync(directory);
