import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { PersonError } from '@postern/terminal';
import type { DeviceId, FreshnessRow, RequestId, ServiceName, UnixMicros } from '@postern/protocol';
import { openStore, removeStore, type Store, type StoredGrant } from './store.ts';

const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
const DEVICE = '00112233445566778899aabbccddeeff' as DeviceId;
const KEY = new Uint8Array(8).fill(7);
const row = (top: number): FreshnessRow => ({ era: 3, top, floor: 1, recent: [top - 5, top] });

function place(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-store-'));
  context.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return join(directory, 'state');
}

function mirrorOf(directory: string): string {
  return join(directory, '../last-record');
}

function openPlace(context: TestContext): Store {
  const directory = place(context);
  return openStore(directory, mirrorOf(directory), random);
}

test('what was recorded is there after the process that recorded it was killed', (context) => {
  const directory = place(context);
  const script = `
    import { openStore } from ${JSON.stringify(join(import.meta.dirname, 'store.ts'))};
    const store = openStore(${JSON.stringify(directory)}, ${JSON.stringify(mirrorOf(directory))}, (size) => new Uint8Array(size).fill(9));
    store.record('${DEVICE}', { era: 3, top: 1000, floor: 1, recent: [995, 1000] }, new Uint8Array(8).fill(7));
    process.kill(process.pid, 'SIGKILL');`;
  assert.throws(() =>
    execFileSync(process.execPath, ['--conditions=source', '--input-type=module-typescript', '-e', script], {
      stdio: 'pipe',
    }),
  );
  using store = openStore(directory, mirrorOf(directory), random);
  assert.equal(store.fresh, false);
  assert.deepEqual(store.stateId, new Uint8Array(8).fill(9));
  assert.deepEqual(store.freshnessOf(DEVICE), { row: row(1000), gateKey: KEY });
});

test('a new database has a new state id, and only root can read it', (context) => {
  const directory = place(context);
  let before: Uint8Array;
  {
    using store = openStore(directory, mirrorOf(directory), random);
    assert.equal(store.fresh, true);
    before = store.stateId;
  }
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.equal(statSync(join(directory, 'state.db')).mode & 0o777, 0o600);
  removeStore(directory);
  using store = openStore(directory, mirrorOf(directory), random);
  assert.notDeepEqual(store.stateId, before);
  assert.equal(store.freshnessOf(DEVICE), undefined);
});

test('a database restored from a backup gets a new state id, so that nothing recorded since opens again', (context) => {
  const directory = place(context);
  const backup = `${directory}.backup`;
  const start = (): { id: Uint8Array; fresh: boolean; top: number | undefined } => {
    using store = openStore(directory, mirrorOf(directory), random);
    return { id: store.stateId, fresh: store.fresh, top: store.freshnessOf(DEVICE)?.row.top };
  };
  {
    using store = openStore(directory, mirrorOf(directory), random);
    store.record(DEVICE, row(1000), KEY);
  }
  const before = start();
  assert.deepEqual([before.fresh, before.top], [false, 1000]);
  cpSync(directory, backup, { recursive: true });
  {
    using store = openStore(directory, mirrorOf(directory), random);
    store.record(DEVICE, row(2000), KEY);
  }
  rmSync(directory, { recursive: true });
  cpSync(backup, directory, { recursive: true });
  const restored = start();
  assert.deepEqual([restored.fresh, restored.top], [true, 1000]);
  assert.notDeepEqual(restored.id, before.id);
  assert.deepEqual(start(), { ...restored, fresh: false });
});

test('a start without its mirror (after a boot) gives the state a new id', (context) => {
  const directory = place(context);
  {
    using store = openStore(directory, mirrorOf(directory), random);
    store.record(DEVICE, row(1000), KEY);
  }
  rmSync(mirrorOf(directory));
  using store = openStore(directory, mirrorOf(directory), random);
  assert.equal(store.fresh, true);
  assert.equal(store.freshnessOf(DEVICE)?.row.top, 1000);
});

test('invites and grants come back as they were put in', (context) => {
  using store = openPlace(context);
  const invite = {
    id: DEVICE,
    user: 'alice',
    publicKey: random(32),
    gateKey: KEY,
    created: 1 as UnixMicros,
    expires: 9 as UnixMicros,
  };
  store.addInvite({ ...invite, usedBy: undefined });
  assert.deepEqual(store.inviteOf(DEVICE), { ...invite, usedBy: undefined });
  const used = random(32);
  store.useInvite(DEVICE, used);
  assert.deepEqual(store.invites(), [{ ...invite, usedBy: used }]);
  assert.equal(store.removeInvites({ expiredBefore: 9 as UnixMicros }), 0);
  assert.equal(store.removeInvites({ user: 'alice' }), 1);
  assert.equal(store.inviteOf(DEVICE), undefined);
  const grant: StoredGrant = {
    id: '0011223344556677',
    request: '8899aabbccddeeff' as RequestId,
    device: DEVICE,
    service: 'ssh' as ServiceName,
    family: 6,
    address: random(16),
    prefix: 128,
    endpoints: 'tcp/22 udp/53',
    created: 5 as UnixMicros,
    ends: 6 as UnixMicros,
    slot: undefined,
  };
  store.putGrant(grant);
  store.putGrant({ ...grant, ends: 8 as UnixMicros, slot: 3 });
  assert.deepEqual(store.grants(), [{ ...grant, ends: 8 as UnixMicros, slot: 3 }]);
  store.dropGrant(grant.id);
  assert.deepEqual(store.grants(), []);
});

test('a damaged database is moved away and a new one is made; one of another layout is refused and left as it is', (context) => {
  const directory = place(context);
  const file = join(directory, 'state.db');
  const before = openStore(directory, mirrorOf(directory), random);
  before[Symbol.dispose]();
  const nonsense =
    'this is not a database, and it is longer than a header of one hundred bytes would have to be, so there it is';
  writeFileSync(file, nonsense);
  {
    using store = openStore(directory, mirrorOf(directory), random);
    assert.equal(store.damaged, `${file}.damaged`);
    assert.equal(store.fresh, true);
    assert.notDeepEqual(store.stateId, before.stateId);
  }
  assert.equal(readFileSync(`${file}.damaged`, 'utf8'), nonsense);
  {
    using database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 99');
  }
  const content = readFileSync(file);
  assert.throws(
    () => openStore(directory, mirrorOf(directory), random),
    (error) => error instanceof PersonError && /layout 99/.test(error.message) && error.hint !== undefined,
  );
  assert.deepEqual(readFileSync(file), content);
});

test('a full disk: the record fails with an error, nothing of it is kept, and with room again the next one succeeds', (context) => {
  if (process.getuid?.() !== 0 && process.env['CI'] !== 'true') {
    context.skip('needs root, for a small disk of its own');
    return;
  }
  const script = `
    import { openStore } from ${JSON.stringify(join(import.meta.dirname, 'store.ts'))};
    import { writeFileSync, rmSync } from 'node:fs';
    const store = openStore('/mnt/state', '/mnt/last-record', (size) => new Uint8Array(size).fill(9));
    const row = (top) => ({ era: 3, top, floor: 1, recent: [top - 5, top] });
    store.record('${DEVICE}', row(1000), new Uint8Array(8));
    try { for (let i = 0; ; i++) writeFileSync('/mnt/filler' + i, new Uint8Array(4096)); } catch {}
    let said = 'nothing';
    for (let top = 2000; said === 'nothing' && top < 5000; top++) {
      const id = top.toString(16).padStart(32, '0');
      try { store.record(id, row(top), new Uint8Array(8)); } catch (error) { said = error.message; globalThis.last = id; }
    }
    console.log(said);
    console.log(store.freshnessOf(globalThis.last) === undefined, store.freshnessOf('${DEVICE}').row.top);
    for (let i = 0; i < 64; i++) rmSync('/mnt/filler' + i, { force: true });
    store.record(globalThis.last, row(9000), new Uint8Array(8));
    console.log(store.freshnessOf(globalThis.last).row.top);`;
  const shell =
    'mount -t tmpfs -o size=4m tmpfs /mnt && exec "$0" --conditions=source --input-type=module-typescript -e "$1"';
  const out = execFileSync(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', shell, process.execPath, script],
    { encoding: 'utf8' },
  );
  const [said, kept, after] = out.trim().split('\n');
  assert.match(said ?? '', /full/);
  assert.equal(kept, 'true 1000');
  assert.equal(after, '9000');
});

test('the slot of a keyed knock is kept, also by a database that was made before there were any', (context) => {
  const directory = place(context);
  openStore(directory, mirrorOf(directory), random)[Symbol.dispose]();
  const old = new DatabaseSync(join(directory, 'state.db'));
  old.exec('DROP TABLE knocked');
  old.close();
  const other = DEVICE.replace('0', 'f') as DeviceId;
  {
    using store = openStore(directory, mirrorOf(directory), random);
    assert.deepEqual([store.knockedSlot(DEVICE), store.lastKnockedSlot()], [undefined, 0]);
    store.recordKnock(DEVICE, 60_000_001);
    store.recordKnock(other, 60_000_002);
    store.recordKnock(DEVICE, 60_000_000);
  }
  using store = openStore(directory, mirrorOf(directory), random);
  assert.deepEqual([store.knockedSlot(DEVICE), store.knockedSlot(other)], [60_000_001, 60_000_002]);
  assert.equal(store.lastKnockedSlot(), 60_000_002);
});

test('keyed knocks and grants of doors do not make the log grow', async (context) => {
  const directory = place(context);
  using store = openStore(directory, mirrorOf(directory), random);
  const size = (): number => statSync(join(directory, 'state.db-wal')).size;
  const before = size();
  for (let slot = 1; slot <= 1500; slot++) {
    store.recordKnock(DEVICE, slot);
    store.dropGrant('none');
    // A turn of the loop, as the next knock comes in one.
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(size(), before);
});
